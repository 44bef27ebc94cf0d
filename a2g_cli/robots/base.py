"""The Protocol of a robot, and the optional ones: rest pose, instrumented, reset-free."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np

from a2g_cli.cameras.metadata import CameraMetadata
from a2g_cli.core.clock import Clock
from a2g_cli.core.safety_limits import SafetyLimits
from a2g_cli.core.types import Description, Goal, Image, Observation, State, Vector

Purpose = Literal["demonstration", "practice", "evaluation"]
"""Trials for different purposes come from disjoint random streams: no evaluation uses a trial that was practised."""


@dataclass(frozen=True)
class RobotSpec:
    """What a policy must know about a robot."""

    name: str
    """Driver and setting, e.g. ``"sim:place"``."""
    action_names: tuple[str, ...]
    action_units: tuple[str, ...]
    action_low: tuple[float, ...]
    action_high: tuple[float, ...]
    rate: float
    """Control rate [Hz]."""
    proprioception_names: tuple[str, ...]
    proprioception_units: tuple[str, ...]
    cameras: Mapping[str, tuple[int, int]]
    """Camera name -> (height, width) [px]."""
    depth: tuple[str, ...] = ()
    """The cameras that also measure depth, at the size of their images."""

    def clip(self, action: Vector) -> Vector:
        """Return ``action`` (A,) within the limits."""
        return np.clip(action, self.action_low, self.action_high).astype(np.float32)


class Robot(Protocol):
    """A robot with its cameras. It never moves before ``act`` or ``reset``."""

    @property
    def spec(self) -> RobotSpec:
        """The robot's names, units, limits and rate."""

    @property
    def clock(self) -> Clock:
        """The clock of all its times."""

    def connect(self) -> None:
        """Open the hardware. Raises HardwareError. Moves nothing."""

    def observe(self) -> Observation:
        """Return the present observation with the capture time of each frame. Raises HardwareError if a frame is missing.

        It must not wait for a camera that has stopped, because the arm moves meanwhile. The guards enforce the user's limit
        ``frame_age`` (runtime/safety/frames.py); a driver may refuse frames that are older than 10 s.
        """

    def act(self, action: Vector) -> Vector:
        """Start one action (A,) and return the action that was sent, after limits.

        Its effect is complete one control period later; the control loop sleeps on ``clock`` until then.
        """

    def reset(self) -> None:
        """Bring robot and scene to the start of an episode."""

    def rest(self) -> None:
        """Come to a soft stop and hold."""

    def close(self) -> None:
        """Release the hardware; harmless when called twice."""


def shift_of(robot: Robot) -> str:
    """Return the shift of a robot's deployment, with its strength (``"base-pose:1"``); ``"none"`` if it has none."""
    return str(getattr(robot, "shift", "none"))


def views_of(robot: Robot) -> Mapping[str, CameraMetadata]:
    """Return camera name -> metadata of a connected robot, its ``views``; empty for a robot without them."""
    views: Mapping[str, CameraMetadata] = getattr(robot, "views", {})
    return views


def notes_of(robot: Robot) -> Sequence[str]:
    """Return the notes of a connected robot for the user, its ``notes``, e.g. what it does not measure."""
    return tuple(getattr(robot, "notes", ()))


EPISODE_LIMIT = 80
"""Most actions in an episode, for a robot without a ``limit`` [steps]."""


def limit_of(robot: Robot) -> int:
    """Return the default for the most actions in an episode on a robot, its ``limit`` [steps]."""
    return int(getattr(robot, "limit", EPISODE_LIMIT))


def safety_of(robot: Robot) -> SafetyLimits:
    """Return the limits that a robot declares, its ``safety``. The user's limits replace them, name by name.

    Missing limits are derived from the spec (runtime/safety/bounds.py).
    """
    declared = getattr(robot, "safety", None)
    return declared if isinstance(declared, SafetyLimits) else SafetyLimits()


@runtime_checkable
class RestPoseRobot(Protocol):
    """A robot that can be driven to its rest pose action by action, so that the guards watch every step."""

    def action_to_rest_pose(self, observation: Observation) -> tuple[Vector, float]:
        """Return the next action (A,) to the rest pose, and about how many are left [steps]; 0 when it is there."""


@dataclass(frozen=True)
class Trial:
    """One start and one goal, drawn from a seed."""

    purpose: Purpose
    seed: int
    index: int
    start: State
    goal: Goal


@runtime_checkable
class InstrumentedRobot(Protocol):
    """A robot whose world can be set to a chosen state and whose true state is known: a simulator, a measured cell."""

    def trial(self, purpose: Purpose, seed: int, index: int) -> Trial:
        """Draw a start and a goal that is not reached yet. The same arguments give the same states under every shift."""

    def start_for(self, goal: Goal, seed: int, index: int) -> State:
        """Draw start ``index`` of ``seed`` for a given goal; the start does not reach it yet.

        Raises GoalError for a goal of another scene or without truth, UsageError if there is no room for a start.
        """

    def begin(self, start: State) -> None:
        """Set the world to ``start``."""

    def photograph(self, state: State) -> dict[str, Image]:
        """Return one goal photo per camera of ``state``, without changing the present state."""

    def state_from(self, values: Description) -> State:
        """Return the goal state that a person describes; see the scene. Raises UsageError if it is out of reach."""

    def state(self) -> State:
        """Return the true present state."""

    def succeeded(self, goal: Goal) -> bool:
        """Whether the present state reaches the goal. Raises GoalError for a goal without truth."""


@runtime_checkable
class ReportingRobot(Protocol):
    """A robot that says whether its own task is done, whatever goal it is shown, and can begin at a start of a seed.

    Most Gymnasium environments are (``info["success"]``). It shows no goals: they are photos or frames of recordings.
    """

    def start_for(self, goal: Goal, seed: int, index: int) -> State:
        """Draw start ``index`` of ``seed``."""

    def begin(self, start: State) -> None:
        """Begin at ``start``."""

    def reported_success(self) -> bool | None:
        """Whether its task is done now; None as long as it has said nothing."""


@runtime_checkable
class ExpertRobot(Protocol):
    """A robot whose world knows how its goals are reached: a simulator with a scripted expert."""

    def expert_action(self, goal: Goal) -> Vector | None:
        """Return the next action (A,) to ``goal``; None where there is nothing left to do. Raises UsageError."""


@runtime_checkable
class ResetFreeRobot(Protocol):
    """A robot that can draw a new goal for the world as it is: practice continues without a reset."""

    @property
    def undone_by(self) -> tuple[str, ...]:
        """The resets (runtime/reset.py) after which ``next_goal`` works; empty if only its own does."""

    def next_goal(self, seed: int, index: int) -> Goal | None:
        """Draw goal ``index`` of ``seed`` that the world does not reach yet; None if there is none."""

    def out_of_reach(self) -> list[str]:
        """Return the names of objects that the robot cannot reach any more: they have fallen or rolled away."""

    def rearranged(self, before: State) -> bool:
        """Whether an object has moved since ``before``, a true state of this world."""
