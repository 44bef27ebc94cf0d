"""Videos of held-out trials: the first trials of an evaluation are recorded for people to see, where no training looks."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from a2g_cli.adapters.registry import BASE
from a2g_cli.core.errors import RecordingError
from a2g_cli.core.types import Observation, Outcome, Provenance, StepTiming, Vector
from a2g_cli.data.recording import schema
from a2g_cli.policies.base import Imagination, Policy
from a2g_cli.robots.base import Robot, Trial, shift_of
from a2g_cli.runtime.policy_factory import BASELINES, PolicyFactory
from a2g_cli.runtime.recorder import Recorder
from a2g_cli.runtime.sink import NullSink, Sink

VIDEOS = 3
"""Trials of each goal that are kept as videos."""
PURPOSE = "evaluation"
"""``purpose`` in a video's provenance. Nothing learns from such a recording."""


class Videos:
    """Records the first trials of one policy's evaluation; the others are not kept."""

    def __init__(
        self, folder: Path, factory: PolicyFactory, name: str, policy: Policy, note: Callable[[str], None]
    ) -> None:
        """Prepare it.

        Args:
            folder: of the videos. Trials that it has already are not recorded again.
            factory: made the policy.
            name: of the adapter.
            policy: that acts.
            note: is told when a video could not be written; the evaluation goes on.
        """
        floor = name in BASELINES
        self._folder, self._name, self._policy, self._note = folder, name, policy.name, note
        self._base = None if floor else factory.base_hash()
        self._adapter = None if floor or name == BASE else factory.registry.get(name).fingerprint

    def sink(self, trial: Trial, robot: Robot) -> Sink:
        """Return the sink of one trial."""
        path = self._folder / video_name(trial, self._name)
        if trial.index >= VIDEOS or path.exists():
            return NullSink()
        with suppress(OSError):  # a run that was killed left it; a disk that refuses this refuses the video as well
            schema.partial_path(path).unlink(missing_ok=True)
        settings = {"purpose": PURPOSE, "trial": trial.index, "trials_seed": trial.seed}
        provenance = Provenance(
            robot.spec.name,
            self._policy,
            shift_of(robot),
            self._base,
            self._adapter,
            self._name,
            trial.seed,
            settings,
        )
        return _Video(Recorder(path, robot.spec, trial.goal, provenance), self._note)


def video_name(trial: Trial, adapter: str) -> str:
    """Return the file of a trial's video. No name of a goal or an adapter contains ``+``."""
    return f"{trial.goal.name.replace('/', '_')}+{trial.index:04d}+{adapter}{schema.SUFFIX}"


class _Video:
    """Passes an episode on to a recorder, until the disk refuses: a video is not worth an evaluation."""

    def __init__(self, recorder: Recorder, note: Callable[[str], None]) -> None:
        self._recorder: Recorder | None = recorder
        self._note = note

    def _do(self, work: Callable[[Recorder], None]) -> None:
        if self._recorder is None:
            return
        try:
            work(self._recorder)
        except RecordingError as error:
            self._recorder = None
            self._note(f"no video of this trial: {error}")

    def begin(self, first: Observation) -> None:
        """Open the recording."""
        self._do(lambda recorder: recorder.begin(first))

    def append(self, requested: Vector, sent: Vector, observation: Observation, timing: StepTiming) -> None:
        """Write one step."""
        self._do(lambda recorder: recorder.append(requested, sent, observation, timing))

    def imagine(self, step: int, imagination: Imagination) -> None:
        """Write what a plan imagines."""
        self._do(lambda recorder: recorder.imagine(step, imagination))

    def finish(self, outcome: Outcome) -> None:
        """Complete the recording."""
        self._do(lambda recorder: recorder.finish(outcome))

    def abandon(self) -> None:
        """Leave what there is."""
        self._do(lambda recorder: recorder.abandon())
