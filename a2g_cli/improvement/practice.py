"""Practice: rolls out the episodes of a stage and records them in the run's session; goes on after a kill."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Protocol

from a2g_cli.adapters.registry import BASE
from a2g_cli.core.types import Goal, Image, Outcome, Provenance
from a2g_cli.data.recording.reader import Recording
from a2g_cli.improvement.exploration import Exploration
from a2g_cli.improvement.state import RunState
from a2g_cli.improvement.trials import Attempt, Stage, TrialSampler
from a2g_cli.policies.base import Policy
from a2g_cli.policies.exploring import AlternatingPolicy
from a2g_cli.robots.base import Robot, shift_of
from a2g_cli.runtime.policy_factory import PolicyFactory
from a2g_cli.runtime.recorder import Recorder
from a2g_cli.runtime.reset import drive_to_rest
from a2g_cli.runtime.rollout import Job, RolloutWatcher, roll_out
from a2g_cli.runtime.termination import RolloutSettings


class PracticeWatcher(RolloutWatcher, Protocol):
    """Shows the progress of practice, and its first robot."""

    def imagined(self, frames: Mapping[str, Sequence[Image]]) -> None:
        """Show the frames (H, W, 3) that a plan of the first robot imagined, by camera; called from any thread."""

    def phase(self, text: str) -> None:
        """Show that something begins which has no steps to count, as in ``measuring the camera``."""

    def rolled(self, what: str, done: int, total: int, successes: int) -> None:
        """Show that ``done`` of ``total`` episodes have ended, before the first and after each.

        ``successes`` are the simulator's, for people only; nothing learns from them.
        """


@dataclass(frozen=True)
class Practice:
    """Rolls out the stages of a round."""

    factory: PolicyFactory
    progress: RunState
    attempts: TrialSampler
    rollout: RolloutSettings
    seed: int
    count: int
    """Episodes in a stage."""
    watcher: PracticeWatcher
    interrupted: Callable[[], bool]
    exploration: Callable[[], Exploration] = Exploration
    """How the policy explores now, in practice; not in the gate."""

    def roll(
        self,
        name: str,
        number: int,
        stage: Stage,
        names: list[str],
        what: str,
        first: int | None = None,
        assigned: Policy | None = None,
    ) -> int:
        """Roll out the attempts that have no complete recording yet; return the successes of all attempts.

        Args:
            name: the adapter that acts.
            number: of the round, from 0.
            stage: of the round.
            names: names of the stage's recordings, in the order of the attempts; new ones are added.
            what: title of the progress display.
            first: roll out only the first so many attempts.
            assigned: the policy that acts instead, on behalf of adapter ``name``.
        """
        exploration = self.exploration() if stage is Stage.PRACTICE else Exploration()
        policy = self._exploring(name, exploration) if assigned is None else assigned
        acting = Provenance(
            settings=asdict(exploration) if exploration.explores else {},
            robot=self.attempts.robots[0].spec.name,
            policy=policy.name,
            base=self.factory.base_hash(),
            adapter=self.factory.registry.get(name).fingerprint if name != BASE else None,
            adapter_name=name,
            seed=self.seed,
        )
        places = self.progress.place(names, self.count if first is None else first)
        missing = [slot for slot, (_, complete) in enumerate(places) if not complete]
        outcomes = [_outcome(path) for path, complete in places if complete]
        started: list[Path] = []

        def show() -> None:
            self.watcher.rolled(what, len(outcomes), self.count, sum(bool(outcome.success) for outcome in outcomes))

        def jobs() -> Iterator[Job]:
            for attempt in self.attempts.of(number, stage, missing):
                started.append(places[attempt.slot][0])
                yield self._job(attempt, acting, started[-1])

        if missing:
            show()  # the displayed time starts with the first episode, not when it has ended
        robots, watcher = self.attempts.robots, self.watcher
        for index, outcome in roll_out(robots, jobs(), policy, self.rollout, watcher, self.interrupted):
            outcomes.append(outcome)
            if outcome.stopped_by != "interrupted":
                self.attempts.ended(started[index])
            show()
        return sum(bool(outcome.success) for outcome in outcomes)

    def noisy(self, name: str, exploration: Exploration) -> Policy:
        """Return the policy of adapter ``name`` with the temperature of practice."""
        usual = self.factory.settings
        heat = exploration.temperature
        return self.factory.get(name, usual if heat is None else replace(usual, temperature=heat))

    def _exploring(self, name: str, exploration: Exploration) -> Policy:
        if not exploration.explores:
            return self.factory.get(name)
        even = self.noisy(name, exploration)
        if not exploration.persistent_noise:
            return even
        lasting = replace(self.factory.settings, persistent_noise=exploration.persistent_noise)
        return AlternatingPolicy(even, self.factory.get(name, lasting))

    def _job(self, attempt: Attempt, acting: Provenance, path: Path) -> Job:
        seed = self.seed * 100_003 + attempt.index
        told = {"purpose": "practice", "index": attempt.index, "start": attempt.start, "lost": attempt.lost}
        told |= acting.settings

        def sink(robot: Robot) -> Recorder:
            provenance = replace(acting, shift=shift_of(robot), settings=told)
            shown = self.watcher.imagined if robot is self.attempts.robots[0] else None
            return Recorder(path, robot.spec, attempt.goal, provenance, shown)

        return Job(attempt.goal, seed, attempt.begin, sink, path, attempt.slot, told.update)


def drives_home(
    robot: Robot, progress: RunState, rollout: RolloutSettings, interrupted: Callable[[], bool]
) -> Callable[[int], bool]:
    """Return a function that drives ``robot`` to its rest pose before episode ``index``, and says whether to go on.

    The drive is guarded, and recorded in the session's ``resets``.
    """

    def job(goal: Goal, index: int) -> Job:
        path = progress.session.resets.next_path()
        provenance = Provenance(
            robot.spec.name, "reset", shift_of(robot), settings={"purpose": "reset", "before": index}
        )
        return Job(goal, 0, lambda _: None, lambda _: Recorder(path, robot.spec, goal, provenance), path)

    def drive(index: int) -> bool:
        drive_to_rest(robot, rollout, lambda goal: job(goal, index), interrupted)
        return not interrupted()

    return drive


def set_ups(paths: Sequence[Path]) -> tuple[int, int]:
    """Return how often the scene was set up for these recordings, and how many episodes were lost in stuck cycles."""
    count = lost = 0
    for path in paths:
        with Recording(path) as recording:
            settings = recording.provenance.settings
        count, lost = count + (settings.get("start") != "left"), lost + int(settings.get("lost", 0))
    return count, lost


def _outcome(path: Path) -> Outcome:
    with Recording(path) as recording:
        return recording.outcome
