"""What every robot must offer, and what an instrumented robot offers beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np

from a2g_cli.cameras.metadata import CameraMetadata
from a2g_cli.core.clock import Clock
from a2g_cli.core.safety_limits import SafetyLimits
from a2g_cli.core.types import Description, Goal, Image, Observation, State, Vector

Purpose = Literal["demonstration", "practice", "evaluation"]
"""Trials for different purposes come from disjoint random streams: what is judged was never trained on."""


@dataclass(frozen=True)
class RobotSpec:
    """What a policy has to know about a robot."""

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
    """The cameras that measure depth too, at the size of their pictures."""

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
        """The clock that its times are on."""

    def connect(self) -> None:
        """Open the hardware. Raises HardwareError. Moves nothing."""

    def observe(self) -> Observation:
        """Return the present observation, with each frame's own capture time. Raises HardwareError for one that is missing.

        It must not wait for a camera that has stopped, as the arm moves meanwhile. How old a frame may be is the user's
        ``frame_age``: the guards hold it (runtime/safety/frames.py). A driver may refuse what is older than 10 s.
        """

    def act(self, action: Vector) -> Vector:
        """Start one action (A,) and return the action really sent, after limits.

        The effect is complete one control period later: the session sleeps on ``clock`` until then.
        """

    def reset(self) -> None:
        """Bring robot and scene back to where an episode may start."""

    def rest(self) -> None:
        """Come to a soft stop and hold."""

    def close(self) -> None:
        """Let go of the hardware; harmless when called twice."""


def shift_of(robot: Robot) -> str:
    """Return how a robot's deployment differs from the demonstrations, in full (``"remounted:1"``); else ``"none"``."""
    return str(getattr(robot, "shift", "none"))


def views_of(robot: Robot) -> Mapping[str, CameraMetadata]:
    """Return camera name -> what its pictures show, of a connected robot that knows: its own ``views``; else empty."""
    views: Mapping[str, CameraMetadata] = getattr(robot, "views", {})
    return views


def notes_of(robot: Robot) -> Sequence[str]:
    """Return what a robot has to say to a person once it is connected: its own ``notes``, e.g. what it does not measure."""
    return tuple(getattr(robot, "notes", ()))


EPISODE_LIMIT = 80
"""Most actions in an episode on a robot that does not say how many its task needs [steps]."""


def limit_of(robot: Robot) -> int:
    """Return the most actions that an episode on a robot takes unless the user says otherwise: its own ``limit`` [steps]."""
    return int(getattr(robot, "limit", EPISODE_LIMIT))


def safety_of(robot: Robot) -> SafetyLimits:
    """Return what a robot declares about itself by its ``safety``; the user's word goes over it, name by name.

    What it leaves out is derived from its spec (runtime/safety/bounds.py).
    """
    declared = getattr(robot, "safety", None)
    return declared if isinstance(declared, SafetyLimits) else SafetyLimits()


@runtime_checkable
class RestPoseRobot(Protocol):
    """A robot that can be driven to its rest pose action by action, so that the guards watch it on its way."""

    def homeward(self, observation: Observation) -> tuple[Vector, float]:
        """Return the next action (A,) on the way to the rest pose, and about how many are left [steps]; 0: it is there."""


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
    """A robot whose world can be put into a chosen state and whose truth is known: a simulator, a measured cell."""

    def trial(self, purpose: Purpose, seed: int, index: int) -> Trial:
        """Draw start and goal; the same arguments give the same states under every shift. Never already solved."""

    def start_for(self, goal: Goal, seed: int, index: int) -> State:
        """Draw start ``index`` of ``seed`` for a goal that was chosen elsewhere: one that does not satisfy it yet.

        Raises GoalError for a goal of another scene or without truth, UsageError where there is no room for a start.
        """

    def begin(self, start: State) -> None:
        """Put the world into ``start``."""

    def photograph(self, state: State) -> dict[str, Image]:
        """Return one goal image per camera of ``state``; the present state is left as it was."""

    def state_from(self, values: Description) -> State:
        """Return the goal state that a person describes: see the robot's scene. Raises UsageError for one out of reach."""

    def state(self) -> State:
        """Return the true present state."""

    def succeeded(self, goal: Goal) -> bool:
        """Whether the goal's truth holds now. Raises GoalError for a goal that carries no truth."""


@runtime_checkable
class ResetFreeRobot(Protocol):
    """A robot whose world can be asked for something else as it stands: practice goes on without being reset."""

    @property
    def undone_by(self) -> tuple[str, ...]:
        """Which resets (runtime/reset.py) leave a world that something else can be asked of; empty: none but its own."""

    def next_goal(self, seed: int, index: int) -> Goal | None:
        """Draw goal ``index`` of ``seed`` for the world as it is, which does not satisfy it; None: there is none."""

    def out_of_reach(self) -> list[str]:
        """Return the names of things that the robot cannot fetch any more: they have fallen, or rolled away."""

    def rearranged(self, before: State) -> bool:
        """Whether anything but the robot itself is elsewhere than in ``before``, a true state of this world."""
