"""What happens between episodes: the driver's own reset, the way home, the next goal of a cycle, or a person."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from a2g_cli.core.errors import HardwareError, UnknownNameError, UsageError
from a2g_cli.core.types import Goal
from a2g_cli.policies.base import Plan, PlanRequest, Policy
from a2g_cli.robots.base import InstrumentedRobot, RestPoseRobot, Robot
from a2g_cli.runtime.rollout import Job, roll_out
from a2g_cli.runtime.termination import RolloutSettings

WAYS = ("own", "rest-pose", "cycle", "prompt")

HOME_SECONDS = 30.0
"""Longest that a robot may take to its rest pose [s]."""


def fresh_start(robot: Robot, goal: Goal, seed: int, index: int) -> None:
    """Bring robot and scene to a start for ``goal``; a start that satisfies it would say nothing.

    Raises:
        GoalError: the goal is another scene's. UsageError: there is no room for a start.
    """
    if isinstance(robot, InstrumentedRobot) and goal.truth is not None:
        robot.begin(robot.start_for(goal, seed, index))
    else:
        robot.reset()


def without_state(robot: Robot, goal: Goal) -> bool:
    """Whether ``goal`` lacks the state that it shows, on a robot whose starts are drawn for such states, as a simulator's.

    A photo, and a frame of a recording, has none. What stands fast (a plate, a socket) then stands elsewhere than in the
    picture, so that no action leads there.
    """
    return isinstance(robot, InstrumentedRobot) and goal.truth is None


def in_cycles(goals: Sequence[Goal], rounds: int, way: str) -> list[Goal]:
    """Return every goal ``rounds`` times: one after the other, or, for a cycle, each after the one that prepares it.

    Raises UsageError for a cycle of one goal: to reach it again something must undo it.
    """
    if way != "cycle":
        return [goal for goal in goals for _ in range(rounds)]
    if len(goals) < 2:
        raise UsageError(
            "a cycle needs two goals or more, each of which is a start for the next: name them in that order."
        )
    return [*goals] * rounds


class Reset(Protocol):
    """Brings the robot to where the next episode starts."""

    def between(self, robot: Robot, goal: Goal, index: int) -> bool:
        """Do what has to be done before episode ``index`` (from 0) of a run; return whether to go on."""

    def begin(self, robot: Robot, goal: Goal, index: int) -> None:
        """Put the scene into its start, where that is not what ``between`` or the episode before has done."""


@dataclass(frozen=True)
class RobotReset:
    """The driver's own reset before every episode: the simulator draws a start."""

    seed: int

    def between(self, robot: Robot, goal: Goal, index: int) -> bool:  # noqa: ARG002
        """Nothing is to be done."""
        return True

    def begin(self, robot: Robot, goal: Goal, index: int) -> None:
        """Draw a start for the goal."""
        fresh_start(robot, goal, self.seed, index)


@dataclass(frozen=True)
class _Once:
    """The driver's own reset before the first episode of a run alone."""

    seed: int

    def begin(self, robot: Robot, goal: Goal, index: int) -> None:
        """Draw a start for the first goal; afterwards things stay where they are."""
        if index == 0:
            fresh_start(robot, goal, self.seed, 0)


@dataclass(frozen=True)
class ResetFree(_Once):
    """No reset: where one goal was reached, the next one starts."""

    def between(self, robot: Robot, goal: Goal, index: int) -> bool:  # noqa: ARG002
        """Nothing is to be done."""
        return True


@dataclass(frozen=True)
class PromptedReset(_Once):
    """A person puts the scene back and says so."""

    ask: Callable[[str], bool]
    """Asks, and returns whether to go on. Raises A2GError when nobody answers in time."""

    def between(self, robot: Robot, goal: Goal, index: int) -> bool:
        """Bring the robot to rest and ask; a simulator's first scene nobody has to put up."""
        if index == 0 and isinstance(robot, InstrumentedRobot):
            return True
        robot.rest()
        return self.ask(goal.name)


@dataclass(frozen=True)
class RestPoseReset(_Once):
    """The robot drives to its rest pose, under the guards, and that is recorded as a reset."""

    settings: RolloutSettings
    job: Callable[[Robot, Goal, int], Job]
    """How the drive towards a goal, before an episode, is recorded."""
    interrupted: Callable[[], bool]

    def between(self, robot: Robot, goal: Goal, index: int) -> bool:  # noqa: ARG002
        """Drive home, unless a simulator has just been put there.

        Raises:
            UsageError: the robot cannot be driven home. HardwareError: it did not arrive. SafetyStop: a guard stopped it.
        """
        if index == 0 and isinstance(robot, InstrumentedRobot):
            return True
        drive_to_rest(robot, self.settings, lambda at: self.job(robot, at, index), self.interrupted)
        return not self.interrupted()


class RestPosePolicy(Policy):
    """The policy that leads to the rest pose, an action at a time."""

    name = "reset"

    def __init__(self, robot: RestPoseRobot) -> None:
        self._robot = robot

    def plan(self, requests: Sequence[PlanRequest]) -> list[Plan]:
        """Return the next action for each request."""
        plans = []
        for request in requests:
            action, left = self._robot.homeward(request.observation)
            plans.append(Plan(np.asarray(action, np.float32)[None], left))
        return plans


def drive_to_rest(
    robot: Robot,
    settings: RolloutSettings,
    job_for: Callable[[Goal], Job],
    interrupted: Callable[[], bool],
) -> None:
    """Drive ``robot`` to its rest pose as an episode of its own; its goal is what was seen when it set out.

    Raises:
        UsageError: the robot cannot be driven home. HardwareError: it did not arrive. SafetyStop: a guard stopped it.
    """
    homing = rest_pose_robot(robot)
    at = Goal("home", robot.observe().images, "reset:home")
    limit = round(HOME_SECONDS * robot.spec.rate)
    driving = replace(settings, limit=limit, arrived_below=0.5, stop_on_truth=False)
    for _, outcome in roll_out([robot], [job_for(at)], RestPosePolicy(homing), driving, None, interrupted):
        if outcome.stopped_by == "steps":
            raise HardwareError(
                f"{robot.spec.name} did not come home within {HOME_SECONDS:g} s: is something in its way?"
            )


def rest_pose_robot(robot: Robot) -> RestPoseRobot:
    """Return ``robot`` as one that can be driven home. Raises UsageError."""
    if not isinstance(robot, RestPoseRobot):
        raise UsageError(
            f"{robot.spec.name} has no rest pose that it can be driven to under the guards: use --reset prompt or cycle, or "
            "give it one (a driver's `homeward`; `home` of a lerobot arm)."
        )
    return robot


def check_way(way: str) -> str:
    """Return ``way`` if there is such a reset. Raises UnknownNameError."""
    if way not in WAYS:
        raise UnknownNameError("reset", way, WAYS)
    return way
