"""Practice: attempts rolled out with whoever acts, each recorded in the run's session, and gone on with after a kill."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from a2g_cli.core.types import Goal, Outcome, Provenance
from a2g_cli.data.recording.reader import Recording
from a2g_cli.improvement.state import RunState
from a2g_cli.improvement.trials import Attempt, Stage, TrialSampler
from a2g_cli.policies.base import Policy
from a2g_cli.robots.base import Robot, shift_of
from a2g_cli.runtime.policy_factory import PolicyFactory
from a2g_cli.runtime.recorder import Recorder
from a2g_cli.runtime.reset import drive_to_rest
from a2g_cli.runtime.rollout import Job, roll_out
from a2g_cli.runtime.termination import RolloutSettings


class PracticeWatcher(Protocol):
    """Whoever looks on."""

    def rolled(self, what: str, done: int, total: int, successes: int) -> None:
        """``done`` of ``total`` episodes are over; successes as the truth sees them, for people only.

        Told before the first is begun, and after each.
        """


@dataclass(frozen=True)
class Practice:
    """Rolls out the stages of rounds."""

    factory: PolicyFactory
    progress: RunState
    attempts: TrialSampler
    rollout: RolloutSettings
    seed: int
    count: int
    """Episodes a stage."""
    watcher: PracticeWatcher
    interrupted: Callable[[], bool]

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
        """Roll ``name`` out on those attempts that have no recording among ``names`` yet; return all successes.

        Args:
            name: who acts.
            number: of the round.
            stage: of the round, see ``TrialSampler``.
            names: of the recordings, in the attempts' order; those of new ones are put there.
            what: in words, for people.
            first: only so many of the stage's attempts, where it may end with them.
            assigned: acts instead, on behalf of ``name``.
        """
        policy = self.factory.get(name) if assigned is None else assigned
        acting = Provenance(
            robot=self.attempts.robots[0].spec.name,
            policy=policy.name,
            base=self.factory.base_hash(),
            adapter=self.factory.registry.get(name).fingerprint if name != "none" else None,
            adapter_name=name,
            seed=self.seed,
        )
        places = self.progress.place(names, self.count if first is None else first)
        missing = [slot for slot, (_, complete) in enumerate(places) if not complete]
        outcomes = [_outcome(path) for path, complete in places if complete]
        begun: list[Path] = []

        def told() -> None:
            self.watcher.rolled(what, len(outcomes), self.count, sum(bool(one.success) for one in outcomes))

        def jobs() -> Iterator[Job]:
            for attempt in self.attempts.of(number, stage, missing):
                begun.append(places[attempt.slot][0])
                yield self._job(attempt, acting, begun[-1])

        if missing:
            told()  # the time of what is shown begins with the first episode, not with the first that has ended
        for index, outcome in roll_out(self.attempts.robots, jobs(), policy, self.rollout, None, self.interrupted):
            outcomes.append(outcome)
            if outcome.stopped_by != "interrupted":
                self.attempts.ended(begun[index])
            told()
        return sum(bool(one.success) for one in outcomes)

    def _job(self, attempt: Attempt, acting: Provenance, path: Path) -> Job:
        seed = self.seed * 100_003 + attempt.index
        told = {"purpose": "practice", "index": attempt.index, "start": attempt.start, "lost": attempt.lost}

        def sink(robot: Robot) -> Recorder:
            provenance = replace(acting, shift=shift_of(robot), settings=told)
            return Recorder(path, robot.spec, attempt.goal, provenance)

        return Job(attempt.goal, seed, attempt.begin, sink, path, attempt.slot, told.update)


def drives_home(
    robot: Robot, progress: RunState, rollout: RolloutSettings, interrupted: Callable[[], bool]
) -> Callable[[int], bool]:
    """Return how ``robot`` drives home before an episode: under the guards, recorded in the session's ``resets``."""

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
    """Return how often the scene was set up anew for these recordings, and how many were lost to a cycle that was stuck."""
    anew = lost = 0
    for path in paths:
        with Recording(path) as recording:
            told = recording.provenance.settings
        anew, lost = anew + (told.get("start") != "left"), lost + int(told.get("lost", 0))
    return anew, lost


def _outcome(path: Path) -> Outcome:
    with Recording(path) as recording:
        return recording.outcome
