"""A robot follows a person's teleoperator, step by step, under the same guards as a policy."""

from collections.abc import Callable

import numpy as np

from a2g_cli.core.types import Goal, Outcome, Vector
from a2g_cli.robots.base import Robot
from a2g_cli.runtime.control_loop import steps_of
from a2g_cli.runtime.rollout import RolloutWatcher
from a2g_cli.runtime.sink import Sink
from a2g_cli.runtime.termination import RolloutSettings

APPROACH = 0.01
"""While the robot approaches the teleoperator's pose, its largest move in a step, as a share of each action's range."""


class Approach:
    """Brings a robot gently to where a teleoperator is held, and from then on passes its actions on.

    A leader arm rarely stands where the follower stands. Without this the first action would be a jump. Actions without a
    measured value of the same name (displacements, speeds) are passed on at once.

    Args:
        robot: a connected robot.
    """

    def __init__(self, robot: Robot) -> None:
        spec = robot.spec
        measured = dict(zip(spec.proprioception_names, robot.observe().proprioception.tolist(), strict=True))
        self._at = np.array([measured.get(name, np.nan) for name in spec.action_names], np.float64)
        self._step = APPROACH * np.subtract(spec.action_high, spec.action_low, dtype=np.float64)
        self.met = bool(np.isnan(self._at).all())
        """Whether the robot was once where the teleoperator is."""

    def __call__(self, wanted: Vector) -> Vector:
        """Return the action (A,) to send for ``wanted`` (A,)."""
        if self.met:
            return wanted
        away = np.where(np.isnan(self._at), 0.0, wanted - self._at)
        self.met = bool((np.abs(away) <= self._step).all())
        self._at = self._at + np.clip(away, -self._step, self._step)
        return np.where(np.isnan(self._at), wanted, self._at).astype(np.float32)


def follow(
    robot: Robot,
    wanted: Callable[[], Vector],
    approach: Approach,
    goal: Goal,
    settings: RolloutSettings,
    sink: Sink,
    over: Callable[[], bool],
    interrupted: Callable[[], bool],
    watcher: RolloutWatcher | None = None,
) -> Outcome:
    """Let a robot follow a teleoperator until a person ends it, and return the outcome.

    Args:
        robot: a connected robot.
        wanted: returns what the person asks for now, an action (A,). Raises HardwareError.
        approach: how the robot comes to the teleoperator's pose.
        goal: the goal to record.
        settings: step limit, guards and the judge, who is asked in the end.
        sink: receives each step; the requested action is the teleoperator's.
        over: asked after every step; whether the person ends the episode.
        interrupted: asked after every step; then the robot is brought to rest and what there is is kept.
        watcher: shows the steps.

    Raises:
        SafetyStop: from a guard; HardwareError: from the robot or ``wanted``. The robot is brought to rest and the episode
            kept first.
    """
    steps = steps_of(robot, goal, 0, settings, sink)
    try:
        steps.begin()
        if watcher is not None:
            watcher.began(goal, steps.termination.limit)
        reason = None
        while reason is None:
            for _ in steps.take(approach(wanted()), 0.0, 0.0):
                raise AssertionError("no plan was asked for")
            if watcher is not None:
                watcher.stepped(steps.step, steps.observation, steps.termination.left)
            reason = "interrupted" if interrupted() else "person" if over() else steps.termination.over(steps.step)
        if reason == "interrupted":
            steps.rest()
        return steps.end(reason)
    except BaseException as error:
        steps.break_off(error)
        raise
