"""What a scene is: things on the table, draws of start and goal, a test of success, and an expert's law.

A state is ``{"tool": [x, y, z, opening], <thing>: [x, y, z, qw, qx, qy, qz], <fixture>: [x, y], ...}`` in the table frame
[m]: origin at the workspace's centre on the mat, x away from the arm, y to the arm's left, z up. The same under every shift.
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
"""Where the tool waits, table frame [m]: retracted and high, hiding nothing of the workspace."""
REST_VARIATION = 0.02
"""The tool starts within this of REST, per axis [m]."""
OPEN = 0.75
"""A thing counts as let go of when the gripper is open by more than this [0 to 1] ..."""
AWAY = 0.06
"""... or the tool is farther than this from it [m]."""
STANDING = 0.005
"""What has moved by less than this has not been moved [m]."""
HIGH = 0.03
"""Less than this below its rest pose the tool passes over everything [m]."""
REST_POSITION = 0.005
"""How near to its rest pose the tool is there [m]."""


class Scene(ABC):
    """One task under one shift. Knows MJCF and states; physics and pictures are the tabletop's."""

    name: ClassVar[str]
    limit: ClassVar[int]
    """Steps that an evaluation episode may take, unless the user says otherwise."""
    demonstration_limit: ClassVar[int]
    """Steps that the expert may take."""
    disturbance: ClassVar[float] = 1.0
    """How far this task can bear the pushes of demonstrations, relative (simulator/disturbance.py)."""
    knocks: ClassVar[bool] = True
    """Whether it bears that the fingers spring open: what they lose, they can fetch again."""
    undone_by: ClassVar[tuple[str, ...]] = ()
    """Which resets leave a table that something else can be asked of (runtime/reset.py): ``cycle`` where a policy can undo
    what it did, ``rest-pose`` where the drive to the rest pose does."""

    def __init__(self, shift: Shift) -> None:
        self.shift = shift

    # --- what stands on the table ---

    @property
    def things(self) -> Mapping[str, float]:
        """Bodies that move freely, each with a free joint of its own name -> height of its centre above the state's z [m].

        A state's z is that of the thing in the demonstrations, whatever stands there under a shift.
        """
        return {}

    @property
    def fixtures(self) -> Sequence[str]:
        """Bodies that stand fast during an episode but elsewhere in each: mocap bodies of these names, placed at x, y."""
        return ()

    def surface_xml(self) -> str:
        """Return the MJCF of what the arm works on; its top is z = 0."""
        return (
            f'<geom name="mat" type="box" size=".165 .195 .01" pos="0 0 -.01" rgba="{rgba(self.shift.mat_colour)}"'
            ' contype="2" conaffinity="1" friction=".8 .02 .001"/>'
        )

    @abstractmethod
    def bodies_xml(self) -> str:
        """Return the MJCF bodies of all things and fixtures.

        Fingers, mat and table have contype 2, conaffinity 1: a thing has contype 1, conaffinity 2, or 3 to meet other things.
        """

    def assets_xml(self) -> str:
        """Return MJCF ``asset`` children: textures and materials."""
        return ""

    def on_hand_xml(self) -> str:
        """Return MJCF that rides on the hand, whose origin is the wrist; the tool point is TOOL_DROP below it."""
        return ""

    def is_held(self, state: State) -> bool:  # noqa: ARG002
        """Whether the fingers are closed on something in ``state``: then they are told to press, not to stay."""
        return False

    # --- what MuJoCo's state does not hold (ink on a board) ---

    def begin(self, state: State) -> None:  # noqa: B027
        """The live world was put into ``state``."""

    def moved(self, tool: NDArray[np.float64]) -> None:  # noqa: B027
        """The live tool (3,) has moved a little [m]; called several times in a control period."""

    def marks(self) -> State:
        """Return the live part of the state that MuJoCo does not hold."""
        return {}

    def dress(self, model: Any, state: State) -> Sequence[int]:  # noqa: ARG002
        """Make ``model`` look like the marks in ``state``; return the ids of textures whose pixels changed."""
        return ()

    # --- what is asked ---

    def draw(self, random: np.random.Generator) -> tuple[State, State]:
        """Draw a start and a goal that the start does not satisfy."""
        goal = self.draw_goal(random)
        return self.draw_start(goal, random), goal

    @abstractmethod
    def draw_goal(self, random: np.random.Generator) -> State:
        """Draw a goal."""

    @abstractmethod
    def draw_start(self, goal: State, random: np.random.Generator) -> State:
        """Draw a start from which ``goal`` can be reached, and which does not satisfy it: the table is set for this photo.

        Raises UsageError where there is no room for one.
        """

    def draw_next(self, state: State, random: np.random.Generator) -> State | None:  # noqa: ARG002
        """Draw a goal for the table as it stands in ``state``, which does not satisfy it; what is not asked for stays.

        None where nothing can be asked of what lies there: it has fallen, or is out of reach.
        """
        return None

    def out_of_reach(self, state: State) -> list[str]:  # noqa: ARG002
        """Return the things that the arm cannot fetch any more: they rolled away."""
        return []

    def rearranged(self, before: State, now: State) -> bool:
        """Whether anything but the arm stands elsewhere in ``now`` than in ``before``; what rolls on out of reach aside."""
        gone = self.out_of_reach(before)
        return any(math.dist(before[name][:3], now[name][:3]) > STANDING for name in self.things if name not in gone)

    def group(self, goal: State) -> str:  # noqa: ARG002
        """Return which kind of goal it is, for results that are told apart by kind; "" where there is one kind."""
        return ""

    @abstractmethod
    def default_state(self) -> State:
        """Return the state of a scene that nobody has set up yet."""

    def fits(self, state: State) -> bool:
        """Whether ``state``, which may come from anywhere, is one of this scene's."""
        own = self.default_state()
        return set(state) == set(own) and all(len(state[name]) == len(own[name]) for name in own)

    @abstractmethod
    def goal_state(self, values: Description) -> State:
        """Return the goal state that a person describes.

        Raises:
            UnknownNameError: there is no such thing.
            UsageError: wrong count of numbers, or out of reach or of the picture.
        """

    @abstractmethod
    def reached(self, state: State, goal: State) -> bool:
        """Whether ``state`` satisfies ``goal``: a geometric test, published in the README."""

    # --- how an expert does it ---

    @abstractmethod
    def law(self, state: State, goal: State) -> tuple[NDArray[np.float64], float]:
        """Return the tool's wanted displacement (3,), table frame [m], and its opening: a function of the states alone."""

    @abstractmethod
    def done(self, state: State, goal: State) -> bool:
        """Whether the expert has nothing left to do: the goal is reached and the arm back at rest."""

    def homeward(self, state: State) -> tuple[NDArray[np.float64], float, bool]:
        """Return displacement (3,), table frame [m], and opening on the way to the rest pose, and whether it is reached.

        Let go, up, across: nothing is swept off the table.
        """
        way = np.array(REST) - state["tool"][:3]
        there = float(np.abs(way).max()) < REST_POSITION and state["tool"][3] > 1 - REST_POSITION
        if way[2] > HIGH:
            way[:2] = 0.0
        return way, 1.0, there

    def diverse_start(self, start: State, goal: State, random: np.random.Generator) -> State:  # noqa: ARG002
        """Return ``start`` changed into one from the midst of the work, so that demonstrations cover recovery."""
        return start


def let_go(thing: Sequence[float], tool: Sequence[float]) -> bool:
    """Whether the fingers have let go of a thing at x, y, z [m]: they are open, or elsewhere."""
    return tool[3] > OPEN or math.dist(thing[:3], tool[:3]) > AWAY


def rgba(colour: Colour) -> str:
    """Return a colour as MJCF writes it."""
    return " ".join(f"{part:.4g}" for part in (*colour, 1.0))


def counted(values: Sequence[float] | str) -> str:
    """Return what a person gave, in words: ``"3 numbers"``, or what is no number, in quotes."""
    return repr(values) if isinstance(values, str) else f"{len(values)} numbers"


def rest_tool(random: np.random.Generator | None = None) -> list[float]:
    """Return the tool's part of a state at rest, gripper open; near rest when ``random`` is given."""
    away = np.zeros(3) if random is None else random.uniform(-REST_VARIATION, REST_VARIATION, size=3)
    return [*(np.array(REST) + away).tolist(), 1.0]
