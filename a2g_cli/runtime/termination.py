"""Ends an episode: on success (ground truth), when the policy considers the goal reached, or at the step limit."""

import math
from dataclasses import dataclass, field

import numpy as np

from a2g_cli.core.safety_limits import SafetyLimits
from a2g_cli.core.types import Goal, Outcome
from a2g_cli.policies.base import Plan
from a2g_cli.robots.base import InstrumentedRobot, ReportingRobot, Robot, limit_of
from a2g_cli.runtime.judge import Judgement
from a2g_cli.runtime.safety.guards import Held, always_held

MOST_ESTIMATES = 256
"""Most steps-to-go that an outcome keeps: of a longer episode every second, or every fourth, and so on."""


@dataclass(frozen=True)
class RolloutSettings:
    """When an episode ends."""

    limit: int | None = None
    """Largest number of actions in an episode [steps]; None: the robot's own limit."""
    hold: int = 5
    """Steps in a row for which the ground truth must hold before an episode counts as a success [steps]."""
    stop_on_truth: bool = False
    """End at success by ground truth; for evaluation only, because practice must not see the ground truth."""
    arrived_below: float = 0.0
    """End when the policy's steps-to-go is below this in two plans in a row [steps]; 0: never."""
    safety: SafetyLimits = field(default_factory=SafetyLimits)
    """Limits of the guards; they override those that the robot declares."""
    held: Held = always_held
    """The deadman key."""
    verdict: Judgement | None = None
    """The judge of episodes that ended by themselves; None: the ground truth."""


def limit_for(robot: Robot, settings: RolloutSettings) -> int:
    """Return the largest number of actions in an episode on ``robot`` [steps]."""
    return limit_of(robot) if settings.limit is None else settings.limit


class Termination:
    """Decides when one episode ends. Ground truth, or what the environment reports, is used only if the robot has it."""

    def __init__(self, robot: Robot, goal: Goal, settings: RolloutSettings) -> None:
        self._robot = robot if isinstance(robot, InstrumentedRobot) and goal.truth is not None else None
        # An instrumented robot judges the goal itself; another one's report is about its own task, whatever the goal.
        reports = isinstance(robot, ReportingRobot) and not isinstance(robot, InstrumentedRobot)
        self._reporting = robot if reports and isinstance(robot, ReportingRobot) else None
        self._goal, self._settings = goal, settings
        self.limit = limit_for(robot, settings)
        self.left = float("nan")
        """The policy's last steps-to-go [steps]."""
        self._steps = self._success_steps = self._reached_plans = 0
        self._estimates: list[tuple[int, float]] = []
        self._stride, self._plans = 1, 0
        self._succeeded: bool | None = None if self._robot is None else False

    def planned(self, plan: Plan) -> str | None:
        """Take note of a plan; return the reason to stop if the policy considers the goal reached, else None."""
        self.left = plan.steps_to_go
        self._keep(plan.steps_to_go)
        self._reached_plans = self._reached_plans + 1 if self.left < self._settings.arrived_below else 0
        return "arrived" if self._reached_plans >= 2 else None

    def _keep(self, left: float) -> None:
        """Keep the estimate of one plan, so that a person can see later what the policy believed."""
        if math.isfinite(left):
            if self._plans % self._stride == 0:
                self._estimates.append((self._steps, round(float(left), 2)))
            self._plans += 1
        if len(self._estimates) > MOST_ESTIMATES:
            self._estimates, self._stride = self._estimates[::2], 2 * self._stride

    def look(self) -> None:
        """Check the ground truth after a step."""
        self._steps += 1
        reached: bool | None = None
        if self._robot is not None:
            reached = self._robot.succeeded(self._goal)
        elif self._reporting is not None:
            reached = self._reporting.reported_success()
        if reached is not None:
            self._success_steps = self._success_steps + 1 if reached else 0
            self._succeeded = self._succeeded or self._success_steps >= self._settings.hold

    def over(self, step: int) -> str | None:
        """Return the reason to stop after ``step`` steps; None: go on."""
        if self._succeeded and self._settings.stop_on_truth:
            return "success"
        return "steps" if step >= self.limit else None

    def outcome(self, reason: str) -> Outcome:
        """Return the outcome of the episode."""
        left = None if np.isnan(self.left) else float(self.left)
        judge = "environment" if self._robot is None else "truth"
        judge = "none" if self._succeeded is None else judge
        return Outcome(self._succeeded, judge, reason, left, estimates=tuple(self._estimates))
