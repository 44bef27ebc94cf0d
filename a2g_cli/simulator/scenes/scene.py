"""The base class of scenes: objects on the table, draws of start and goal, a test of success, and an expert's control law.

A state is ``{"tool": [x, y, z, opening], <object>: [x, y, z, qw, qx, qy, qz], <fixture>: [x, y], ...}`` in the table frame
[m]: origin at the workspace's centre on the mat, x away from the arm, y to the arm's left, z up. Shifts do not change it.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from a2g_cli.core.types import Description, State
from a2g_cli.simulator.shifts import Colour, Shift

REST = (-0.16, 0.0, 0.16)
"""The tool's rest pose, table frame [m]: retracted and high, so that it hides nothing of the workspace."""
REST_VARIATION = 0.02
"""Largest distance of the tool's start from REST, per axis [m]."""
OPEN = 0.75
"""An object counts as released if the gripper is open by more than this [0 to 1] ..."""
AWAY = 0.06
"""... or if the tool is farther than this from it [m]."""
STANDING = 0.005
"""An object that moved by less than this counts as not moved [m]."""
HIGH = 0.03
"""If the tool is less than this below its rest pose, it passes over all objects [m]."""
REST_POSITION = 0.005
"""Distance from the rest pose at which the tool counts as there [m]."""


class Scene(ABC):
    """One task under one shift: its MJCF and its states. The tabletop does the physics and the images."""

    name: ClassVar[str]
    limit: ClassVar[int]
    """Default for the most steps in an episode."""
    demonstration_limit: ClassVar[int]
    """Most steps in a demonstration."""
    disturbance: ClassVar[float] = 1.0
    """Strength of the pushes in demonstrations that this task tolerates, relative (simulator/disturbance.py)."""
    knocks: ClassVar[bool] = True
    """Whether the fingers may spring open in demonstrations: the arm can fetch what it loses."""
    undone_by: ClassVar[tuple[str, ...]] = ()
    """The resets (runtime/reset.py) after which a new goal can be drawn: ``cycle`` if a policy can undo what it did,
    ``rest-pose`` if the way to the rest pose does."""

    def __init__(self, shift: Shift) -> None:
        self.shift = shift

    # --- what stands on the table ---

    @property
    def things(self) -> Mapping[str, float]:
        """Bodies that move freely, each with a free joint of the same name -> height of its centre above the state's z [m].

        A state's z is that of the object in the demonstrations, even if a shift replaces the object.
        """
        return {}

    @property
    def fixtures(self) -> Sequence[str]:
        """Mocap bodies that do not move in an episode, and stand at another x, y in each."""
        return ()

    def surface_xml(self) -> str:
        """Return the MJCF of the work surface; its top is z = 0."""
        return (
            f'<geom name="mat" type="box" size=".165 .195 .01" pos="0 0 -.01" rgba="{rgba(self.shift.mat_colour)}"'
            ' contype="2" conaffinity="1" friction=".8 .02 .001"/>'
        )

    @abstractmethod
    def bodies_xml(self) -> str:
        """Return the MJCF bodies of all objects and fixtures.

        Fingers, mat and table have contype 2, conaffinity 1: an object has contype 1, conaffinity 2, or 3 to collide with
        other objects.
        """

    def assets_xml(self) -> str:
        """Return MJCF ``asset`` children: textures and materials."""
        return ""

    def on_hand_xml(self) -> str:
        """Return MJCF that is attached to the hand, whose origin is the wrist; the tool point is TOOL_DROP below it."""
        return ""

    def is_held(self, state: State) -> bool:  # noqa: ARG002
        """Whether the fingers hold something in ``state``: then they are commanded to press."""
        return False

    # --- what MuJoCo's state does not hold (ink on a board) ---

    def begin(self, state: State) -> None:  # noqa: B027
        """Called when the world was set to ``state``."""

    def moved(self, tool: NDArray[np.float64]) -> None:  # noqa: B027
        """Called when the tool (3,) has moved [m], several times per control period."""

    def marks(self) -> State:
        """Return the part of the present state that MuJoCo does not hold."""
        return {}

    def dress(self, model: Any, state: State) -> Sequence[int]:  # noqa: ARG002
        """Draw the marks in ``state`` into ``model``; return the ids of textures that changed."""
        return ()

    # --- tasks ---

    def draw(self, random: np.random.Generator) -> tuple[State, State]:
        """Draw a start and a goal that the start does not reach."""
        goal = self.draw_goal(random)
        return self.draw_start(goal, random), goal

    @abstractmethod
    def draw_goal(self, random: np.random.Generator) -> State:
        """Draw a goal."""

    @abstractmethod
    def draw_start(self, goal: State, random: np.random.Generator) -> State:
        """Draw a start that does not reach ``goal``, and from which it can be reached.

        Raises UsageError if there is no room for one.
        """

    def draw_next(self, state: State, random: np.random.Generator) -> State | None:  # noqa: ARG002
        """Draw a goal that ``state`` does not reach; other objects stay where they are.

        None if there is no such goal: the objects have fallen, or are out of reach.
        """
        return None

    def out_of_reach(self, state: State) -> list[str]:  # noqa: ARG002
        """Return the names of objects that the arm cannot reach any more."""
        return []

    def rearranged(self, before: State, now: State) -> bool:
        """Whether an object has moved between ``before`` and ``now``, except those that were out of reach."""
        gone = self.out_of_reach(before)
        return any(math.dist(before[name][:3], now[name][:3]) > STANDING for name in self.things if name not in gone)

    def group(self, goal: State) -> str:  # noqa: ARG002
        """Return the group of a goal, for results by group; "" if there is only one."""
        return ""

    @abstractmethod
    def default_state(self) -> State:
        """Return the initial state of the scene."""

    def fits(self, state: State) -> bool:
        """Whether ``state``, which is untrusted, is a state of this scene."""
        own = self.default_state()
        return set(state) == set(own) and all(len(state[name]) == len(own[name]) for name in own)

    @abstractmethod
    def goal_state(self, values: Description) -> State:
        """Return the goal state that a person describes.

        Raises:
            UnknownNameError: there is no such object.
            UsageError: a wrong count of numbers, or a place out of reach or outside the image.
        """

    @abstractmethod
    def reached(self, state: State, goal: State) -> bool:
        """Whether ``state`` reaches ``goal``, by a geometric test that the README describes."""

    # --- expert ---

    @abstractmethod
    def law(self, state: State, goal: State) -> tuple[NDArray[np.float64], float]:
        """Return the tool's wanted displacement (3,), table frame [m], and its opening, as a function of the states."""

    @abstractmethod
    def done(self, state: State, goal: State) -> bool:
        """Whether the expert has finished: the goal is reached and the arm is at its rest pose."""

    def action_to_rest_pose(self, state: State) -> tuple[NDArray[np.float64], float, bool]:
        """Return displacement (3,), table frame [m], and opening on the way to the rest pose, and whether it is reached.

        The tool releases, rises, and then moves across, so that it pushes nothing off the table.
        """
        way = np.array(REST) - state["tool"][:3]
        there = float(np.abs(way).max()) < REST_POSITION and state["tool"][3] > 1 - REST_POSITION
        if way[2] > HIGH:
            way[:2] = 0.0
        return way, 1.0, there

    def diverse_start(self, start: State, goal: State, random: np.random.Generator) -> State:  # noqa: ARG002
        """Return ``start`` changed to one in the middle of the task, so that demonstrations cover recovery."""
        return start


def let_go(thing: Sequence[float], tool: Sequence[float]) -> bool:
    """Whether the fingers have released an object at x, y, z [m]: they are open, or away from it."""
    return tool[3] > OPEN or math.dist(thing[:3], tool[:3]) > AWAY


def rgba(colour: Colour) -> str:
    """Return a colour in MJCF's syntax."""
    return " ".join(f"{part:.4g}" for part in (*colour, 1.0))


def counted(values: Sequence[float] | str) -> str:
    """Return a value of a description in words: ``"3 numbers"``, or text in quotes."""
    return repr(values) if isinstance(values, str) else f"{len(values)} numbers"


def rest_tool(random: np.random.Generator | None = None) -> list[float]:
    """Return the tool's part of a state at the rest pose, gripper open; near it if ``random`` is given."""
    away = np.zeros(3) if random is None else random.uniform(-REST_VARIATION, REST_VARIATION, size=3)
    return [*(np.array(REST) + away).tolist(), 1.0]
