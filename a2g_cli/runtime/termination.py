"""When an episode ends by itself: its goal is reached, the policy says that it has arrived, or its steps are used up."""

from dataclasses import dataclass, field

import numpy as np

from a2g_cli.core.safety_limits import SafetyLimits
from a2g_cli.core.types import Goal, Outcome
from a2g_cli.policies.base import Plan
from a2g_cli.robots.base import InstrumentedRobot, Robot, limit_of
from a2g_cli.runtime.judge import Judgement
from a2g_cli.runtime.safety.guards import Held, always_held


@dataclass(frozen=True)
class RolloutSettings:
    """When an episode ends, and what stops it."""

    limit: int | None = None
    """Most actions in an episode [steps]; None for the robot's own limit."""
    hold: int = 5
    """Steps that the truth must hold without a break before an episode counts as a success [steps]."""
    stop_on_truth: bool = False
    """End at the success that an instrumented robot reports: for evaluation only, practice must not see the truth."""
    arrived_below: float = 0.0
    """End when the policy's own steps-to-go falls below this in two plans running [steps]; 0 never."""
    safety: SafetyLimits = field(default_factory=SafetyLimits)
    """What the guards hold, for every robot, over what that declares itself."""
    held: Held = always_held
    """The dead-man's switch."""
    verdict: Judgement | None = None
    """Says of an episode that came to its end by itself whether it reached its goal; None leaves it to the truth."""


def limit_for(robot: Robot, settings: RolloutSettings) -> int:
    """Return the most actions in an episode on ``robot`` [steps]."""
    return limit_of(robot) if settings.limit is None else settings.limit


class Termination:
    """Watches one episode for its end. The truth is asked only where an instrumented robot knows it."""

    def __init__(self, robot: Robot, goal: Goal, settings: RolloutSettings) -> None:
        self._robot = robot if isinstance(robot, InstrumentedRobot) and goal.truth is not None else None
        self._goal, self._settings = goal, settings
        self.limit = limit_for(robot, settings)
        self.left = float("nan")
        """The policy's last estimate [steps]."""
        self._held = self._arrived = 0
        self._ever: bool | None = None if self._robot is None else False

    def planned(self, plan: Plan) -> str | None:
        """Take note of a plan; return why to stop, if the policy itself says that it has arrived."""
        self.left = plan.steps_to_go
        self._arrived = self._arrived + 1 if self.left < self._settings.arrived_below else 0
        return "arrived" if self._arrived >= 2 else None

    def look(self) -> None:
        """A step was taken: see whether the truth holds."""
        if self._robot is not None:
            self._held = self._held + 1 if self._robot.succeeded(self._goal) else 0
            self._ever = self._ever or self._held >= self._settings.hold

    def over(self, step: int) -> str | None:
        """Return why to stop after ``step`` steps, None to go on."""
        if self._ever and self._settings.stop_on_truth:
            return "success"
        return "steps" if step >= self.limit else None

    def outcome(self, reason: str) -> Outcome:
        """Return how the episode ended."""
        left = None if np.isnan(self.left) else float(self.left)
        return Outcome(self._ever, "none" if self._ever is None else "truth", reason, left)
