"""Resets between episodes: by the driver, to the rest pose, reset-free in a cycle of goals, or by a person."""

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
"""Longest drive to the rest pose [s]."""


def fresh_start(robot: Robot, goal: Goal, seed: int, index: int) -> None:
    """Bring robot and scene to a start for ``goal`` that does not satisfy it.

    Raises:
        GoalError: the goal belongs to another scene.
        UsageError: no start was found.
    """
    if isinstance(robot, InstrumentedRobot) and goal.truth is not None:
        robot.begin(robot.start_for(goal, seed, index))
    else:
        robot.reset()


def without_state(robot: Robot, goal: Goal) -> bool:
    """Whether ``goal`` has no ground-truth state, but the robot (a simulator) draws starts for such states.

    Photos and frames of recordings have no state. Fixed objects (a plate, a socket) would then stand elsewhere than in the
    image, so that no action reaches the goal.
    """
    return isinstance(robot, InstrumentedRobot) and goal.truth is None


def in_cycles(goals: Sequence[Goal], rounds: int, way: str) -> list[Goal]:
    """Return every goal ``rounds`` times, in the order of the episodes: goal by goal, or, for a cycle, round by round.

    Raises UsageError for a cycle with one goal: nothing would undo it.
    """
    if way != "cycle":
        return [goal for goal in goals for _ in range(rounds)]
    if len(goals) < 2:
        raise UsageError(
            "a cycle needs at least two goals, each of which is a start for the next: name them in that order."
        )
    return [*goals] * rounds


class Reset(Protocol):
    """Prepares the start of the next episode."""

    def between(self, robot: Robot, goal: Goal, index: int) -> bool:
        """Do the reset before episode ``index`` (from 0) of a run; return whether to go on."""

    def begin(self, robot: Robot, goal: Goal, index: int) -> None:
        """Bring robot and scene to the start, if ``between`` or the previous episode has not done so."""


@dataclass(frozen=True)
class RobotReset:
    """The driver's own reset before every episode; a simulator draws a start."""

    seed: int

    def between(self, robot: Robot, goal: Goal, index: int) -> bool:  # noqa: ARG002
        """Do nothing."""
        return True

    def begin(self, robot: Robot, goal: Goal, index: int) -> None:
        """Draw a start for the goal."""
        fresh_start(robot, goal, self.seed, index)


@dataclass(frozen=True)
class _FirstReset:
    """The driver's own reset, only before the first episode of a run."""

    seed: int

    def begin(self, robot: Robot, goal: Goal, index: int) -> None:
        """Draw a start for the first goal; later, leave everything as it is."""
        if index == 0:
            fresh_start(robot, goal, self.seed, 0)


@dataclass(frozen=True)
class ResetFree(_FirstReset):
    """No reset: each episode starts where the last one ended."""

    def between(self, robot: Robot, goal: Goal, index: int) -> bool:  # noqa: ARG002
        """Do nothing."""
        return True


@dataclass(frozen=True)
class PromptedReset(_FirstReset):
    """A person resets the scene and confirms it."""

    ask: Callable[[str], bool]
    """Asks a person, and returns whether to go on. Raises A2GError if nobody answers in time."""

    def between(self, robot: Robot, goal: Goal, index: int) -> bool:
        """Bring the robot to rest and ask; not before the first episode of a simulator."""
        if index == 0 and isinstance(robot, InstrumentedRobot):
            return True
        robot.rest()
        return self.ask(goal.name)


@dataclass(frozen=True)
class RestPoseReset(_FirstReset):
    """The robot drives to its rest pose; the drive is guarded, and recorded as a reset."""

    settings: RolloutSettings
    job: Callable[[Robot, Goal, int], Job]
    """(robot, goal, index) -> the job that records the drive before episode ``index``."""
    interrupted: Callable[[], bool]

    def between(self, robot: Robot, goal: Goal, index: int) -> bool:  # noqa: ARG002
        """Drive to the rest pose, except before the first episode of a simulator.

        Raises:
            UsageError, HardwareError, SafetyStop: see ``drive_to_rest``.
        """
        if index == 0 and isinstance(robot, InstrumentedRobot):
            return True
        drive_to_rest(robot, self.settings, lambda at: self.job(robot, at, index), self.interrupted)
        return not self.interrupted()


class RestPosePolicy(Policy):
    """The policy that drives a robot to its rest pose, one action at a time."""

    name = "reset"

    def __init__(self, robot: RestPoseRobot) -> None:
        self._robot = robot

    def plan(self, requests: Sequence[PlanRequest]) -> list[Plan]:
        """Return the next action for each request."""
        plans = []
        for request in requests:
            action, left = self._robot.action_to_rest_pose(request.observation)
            plans.append(Plan(np.asarray(action, np.float32)[None], left))
        return plans


def drive_to_rest(
    robot: Robot,
    settings: RolloutSettings,
    job_for: Callable[[Goal], Job],
    interrupted: Callable[[], bool],
) -> None:
    """Drive ``robot`` to its rest pose, as an episode whose goal is the first observation.

    Raises:
        UsageError: the driver has no rest pose.
        HardwareError: the robot did not get there in time.
        SafetyStop: a guard stopped it.
    """
    rest_pose = rest_pose_robot(robot)
    at = Goal("home", robot.observe().images, "reset:home")
    limit = round(HOME_SECONDS * robot.spec.rate)
    driving = replace(settings, limit=limit, arrived_below=0.5, stop_on_truth=False)
    for _, outcome in roll_out([robot], [job_for(at)], RestPosePolicy(rest_pose), driving, None, interrupted):
        if outcome.stopped_by == "steps":
            raise HardwareError(
                f"{robot.spec.name} did not reach its rest pose within {HOME_SECONDS:g} s. Check whether something blocks it."
            )


def rest_pose_robot(robot: Robot) -> RestPoseRobot:
    """Return ``robot`` as one with a rest pose. Raises UsageError if its driver has none."""
    if not isinstance(robot, RestPoseRobot):
        raise UsageError(
            f"{robot.spec.name} has no rest pose to drive to: use --reset prompt or cycle, or "
            "give it one (a driver's `action_to_rest_pose`; `home` of a lerobot arm)."
        )
    return robot


def check_way(way: str) -> str:
    """Return ``way`` if it is the name of a reset. Raises UnknownNameError."""
    if way not in WAYS:
        raise UnknownNameError("reset", way, WAYS)
    return way
