"""The episodes of one `a2g run`: each is rolled out, recorded, shown and counted."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from a2g_cli.core.types import Goal, Image, Observation, Outcome, Provenance
from a2g_cli.data.recording.sessions import Session
from a2g_cli.data.recording.writer import Pressure
from a2g_cli.display.rollout_view import RolloutView
from a2g_cli.policies.base import Policy
from a2g_cli.robots.base import Robot
from a2g_cli.runtime import reset as resets
from a2g_cli.runtime.interrupt import Interrupt
from a2g_cli.runtime.recorder import Recorder, Shown
from a2g_cli.runtime.rollout import Job, roll_out
from a2g_cli.runtime.sink import Timed
from a2g_cli.runtime.termination import RolloutSettings, limit_for
from a2g_cli.runtime.timing import TimingStats


class Watch:
    """Passes a rollout's events to the view, and counts steps."""

    def __init__(self, view: RolloutView) -> None:
        self._view = view
        self.steps = 0
        self.nearest = math.inf
        """Least steps-to-go so far (policy's estimate)."""

    def began(self, goal: Goal, limit: int) -> None:
        """Show nothing: the view knows it already."""

    def planned(
        self, observation: Observation, imagined: Mapping[str, Sequence[Image]], steps_to_go: float, seconds: float
    ) -> None:
        """Show a plan."""
        self._approached(steps_to_go)
        self._view.planned(observation, imagined, steps_to_go, seconds)

    def stepped(self, step: int, observation: Observation, steps_to_go: float) -> None:
        """Show and count a step."""
        self.steps = step
        self._approached(steps_to_go)
        self._view.stepped(step, observation, steps_to_go)

    def _approached(self, steps_to_go: float) -> None:
        self.nearest = min(self.nearest, steps_to_go)  # in this order, NaN from a policy without an estimate is ignored


@dataclass(frozen=True)
class Done:
    """One recorded episode."""

    goal: str
    path: Path
    outcome: Outcome
    steps: int
    waited: float
    """Time that the robot waited for the disk [s]."""
    nearest: float = math.inf
    """Least steps-to-go at any moment (policy's estimate); infinite without an estimate."""

    def to_json(self) -> dict[str, Any]:
        """Return the documented recording object."""
        return {
            "path": str(self.path),
            "goal": self.goal,
            "steps": self.steps,
            "success": self.outcome.success,
            "judge": self.outcome.judge,
            "stopped_by": self.outcome.stopped_by,
            "waited_for_disk": round(self.waited, 3),
        }


class RunUnderWay:
    """A run in progress: its recorded episodes and their timing."""

    def __init__(
        self,
        robot: Robot,
        policy: Policy,
        settings: RolloutSettings,
        session: Session,
        provenance: Provenance,
        view: RolloutView,
        interrupt: Interrupt,
        shown: Shown | None = None,
    ) -> None:
        self.robot, self.policy, self.settings, self.session = robot, policy, settings, session
        self.provenance, self.view, self.interrupt, self._shown = provenance, view, interrupt, shown
        self.timing_stats = TimingStats(robot.spec.rate)
        self.done: list[Done] = []

    def each(self, wanted: Sequence[Goal], before: resets.Reset, wait: Callable[[Callable[[], bool]], bool]) -> None:
        """Roll out one episode for each goal in turn."""
        for i, goal in enumerate(wanted):
            if self.interrupt() or not wait(self.interrupt) or not before.between(self.robot, goal, i):
                break
            self._one(i, len(wanted), goal, before)

    def _one(self, index: int, total: int, goal: Goal, before: resets.Reset) -> None:
        path = self.session.next_path()
        self.view.episode_started(index, total, goal, limit_for(self.robot, self.settings))
        watch = Watch(self.view)
        recorder = Recorder(path, self.robot.spec, goal, self._told({"index": index}), self._shown)
        kept = Timed(recorder, self.timing_stats)
        seed = (self.provenance.seed or 0) * 100_003 + index
        job = Job(goal, seed, lambda robot: before.begin(robot, goal, index), lambda _: kept, path)
        try:
            for _, outcome in roll_out([self.robot], [job], self.policy, self.settings, watch, self.interrupt):
                self.view.episode_ended(index, outcome, watch.steps, path if watch.steps else None)
        finally:  # an episode that a guard stops counts too
            if kept.outcome is not None:
                self._ended(goal, path, kept.outcome, kept.steps, recorder.pressure, watch.nearest)

    def _ended(self, goal: Goal, path: Path, outcome: Outcome, steps: int, pressure: Pressure, nearest: float) -> None:
        self.done.append(Done(goal.name, path, outcome, steps, pressure.seconds, nearest))
        if pressure.waits:
            self.view.note(
                f"the disk is slow: the robot waited for it in {pressure.waits} of {steps} steps, "
                f"{pressure.seconds:.2f} s in total, {pressure.longest:.2f} s at most"
            )

    def reset_job(self, robot: Robot, goal: Goal, index: int) -> Job:
        """Return how the drive to the rest pose before episode ``index`` is recorded: as a reset, not as an episode."""
        folder = self.session.resets
        path = folder.next_path()
        provenance = replace(
            self._told({"purpose": "reset", "before": index}),
            policy="reset",
            base=None,
            adapter=None,
            adapter_name=None,
        )
        return Job(goal, 0, lambda _: None, lambda _: Recorder(path, robot.spec, goal, provenance), path)

    def _told(self, settings: Mapping[str, Any]) -> Provenance:
        return replace(self.provenance, settings={**self.provenance.settings, **settings})
