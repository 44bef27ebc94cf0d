"""The scripted expert: applies a scene's control law to the true state, without timers or memory.

Its action depends only on state and goal, so it can start from any state.
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from a2g_cli.core.errors import GoalError
from a2g_cli.core.types import Goal, State, Vector
from a2g_cli.simulator.scenes.scene import Scene


class PrivilegedRobot(Protocol):
    """What the expert needs of a robot: the true state, and actions for wanted displacements."""

    @property
    def task(self) -> Scene:
        """The scene with its law."""

    def state(self) -> State:
        """Return the true present state."""

    def action_for(self, displacement: NDArray[np.float64], opening: float) -> Vector:
        """Return the action that moves the tool by ``displacement`` (3,), table frame [m]."""


class ScriptedExpert:
    """Solves a scene from any state in reach."""

    def __init__(self, robot: PrivilegedRobot) -> None:
        self._robot = robot

    def act(self, goal: Goal) -> Vector:
        """Return the action (4,) for the present state. Raises GoalError."""
        displacement, opening = self._robot.task.law(self._robot.state(), truth_of(goal))
        return self._robot.action_for(displacement, opening)

    def done(self, goal: Goal) -> bool:
        """Whether nothing is left to do. Raises GoalError."""
        return self._robot.task.done(self._robot.state(), truth_of(goal))


def truth_of(goal: Goal) -> State:
    """Return the true state that ``goal`` shows. Raises GoalError."""
    if goal.truth is None:
        raise GoalError(f"goal {goal.name!r} carries no true state, and the expert works from nothing else")
    return goal.truth
