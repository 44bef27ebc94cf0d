"""The episodes of one `a2g run`: each rolled out for its goal, recorded, shown, and counted."""

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
from a2g_cli.runtime.recorder import Recorder
from a2g_cli.runtime.rollout import Job, roll_out
from a2g_cli.runtime.sink import Timed
from a2g_cli.runtime.termination import RolloutSettings, limit_for
from a2g_cli.runtime.timing import TimingStats


class Watch:
    """Passes a rollout's events on to the view and counts."""

    def __init__(self, view: RolloutView) -> None:
        self._view = view
        self.steps = 0
        self.nearest = math.inf
        """Fewest steps to go so far, as the policy sees it."""

    def planned(
        self, observation: Observation, imagined: Mapping[str, Sequence[Image]], steps_to_go: float, seconds: float
    ) -> None:
        """Show a plan."""
        self._approached(steps_to_go)
        self._view.planned(observation, imagined, steps_to_go, seconds)

    def stepped(self, step: int, observation: Observation, steps_to_go: float) -> None:
        """Show a step, and count it."""
        self.steps = step
        self._approached(steps_to_go)
        self._view.stepped(step, observation, steps_to_go)

    def _approached(self, steps_to_go: float) -> None:
        self.nearest = min(self.nearest, steps_to_go)  # in this order NaN, of a policy without such a head, is left out


@dataclass(frozen=True)
class Done:
    """One episode that was recorded."""

    goal: str
    path: Path
    outcome: Outcome
    steps: int
    waited: float
    """How long the robot had to wait for the disk [s]."""
    nearest: float = math.inf
    """Fewest steps to go at any moment, as the policy saw it; infinite where it could not."""

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
    """A run under way: what was recorded, and in what time."""

    def __init__(
        self,
        robot: Robot,
        policy: Policy,
        settings: RolloutSettings,
        session: Session,
        provenance: Provenance,
        view: RolloutView,
        interrupt: Interrupt,
    ) -> None:
        self.robot, self.policy, self.settings, self.session = robot, policy, settings, session
        self.provenance, self.view, self.interrupt = provenance, view, interrupt
        self.timing_stats = TimingStats(robot.spec.rate)
        self.done: list[Done] = []

    def each(self, wanted: Sequence[Goal], before: resets.Reset, wait: Callable[[Callable[[], bool]], bool]) -> None:
        """Roll one episode out for each goal in turn."""
        for i, goal in enumerate(wanted):
            if self.interrupt() or not wait(self.interrupt) or not before.between(self.robot, goal, i):
                break
            self._one(i, len(wanted), goal, before)

    def _one(self, index: int, total: int, goal: Goal, before: resets.Reset) -> None:
        path = self.session.next_path()
        self.view.episode_started(index, total, goal, limit_for(self.robot, self.settings))
        watch = Watch(self.view)
        recorder = Recorder(path, self.robot.spec, goal, self._told({"index": index}))
        kept = Timed(recorder, self.timing_stats)
        seed = (self.provenance.seed or 0) * 100_003 + index
        job = Job(goal, seed, lambda robot: before.begin(robot, goal, index), lambda _: kept, path)
        try:
            for _, outcome in roll_out([self.robot], [job], self.policy, self.settings, watch, self.interrupt):
                self.view.episode_ended(index, outcome, watch.steps, path if watch.steps else None)
        finally:  # a guard's stop is an episode too
            if kept.outcome is not None:
                self._ended(goal, path, kept.outcome, kept.steps, recorder.pressure, watch.nearest)

    def _ended(self, goal: Goal, path: Path, outcome: Outcome, steps: int, pressure: Pressure, nearest: float) -> None:
        self.done.append(Done(goal.name, path, outcome, steps, pressure.seconds, nearest))
        if pressure.waits:
            self.view.note(
                f"the disk is slow: in {pressure.waits} of {steps} steps the robot waited for it, "
                f"{pressure.seconds:.2f} s together, {pressure.longest:.2f} s at most"
            )

    def reset_job(self, robot: Robot, goal: Goal, index: int) -> Job:
        """Return how a drive home before episode ``index`` is recorded: as a reset, nobody's try at anything."""
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
