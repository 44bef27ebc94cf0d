"""The scene ``plug``: bring the peg in the gripper into a socket with little clearance, and let go of it."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from a2g_cli.core.errors import UnknownNameError, UsageError
from a2g_cli.core.types import Description, State
from a2g_cli.simulator.arm import FINGER_STROKE
from a2g_cli.simulator.scenes import plug_expert
from a2g_cli.simulator.scenes.plug_expert import PIN, SEATED
from a2g_cli.simulator.scenes.scene import REST, Scene, counted, let_go, rest_tool, rgba
from a2g_cli.simulator.shifts import Colour, Shift, blend, blend_colours

SOCKET_RANGE = np.array([0.085, 0.110])
"""The socket's centre lies within these of the workspace's centre, x and y [m]."""
START_RANGE = np.array([0.05, 0.08, 0.03])
"""The peg starts in the gripper within these of REST, per axis [m]; only away from the arm along x."""

PIN_RADIUS = 0.005
"""The pin's [m], its tip round: 1 cm across ..."""
HOLE = 0.0075
"""... and half the width of the square hole [m]: 1.5 cm (Act2Goal's plug-in task has the same two)."""
HANDLE = 0.018
"""Half width of the handle that the fingers hold [m]."""
HANDLE_HEIGHT = 0.016
"""Half its height [m]."""
SOCKET_HEIGHT = SEATED - HANDLE_HEIGHT
"""Height of the socket: the handle of a seated peg rests on it [m]."""
SOCKET_HALF = 0.030
"""Half its width [m]."""

IN_HOLE = 0.006
"""The peg counts as plugged in within this distance of the socket's centre, horizontally [m]."""
DEEP = 0.005
"""... and within this of its seated height [m], let go of (scene.py)."""

PEG_COLOUR: Colour = (0.87, 0.13, 0.11)
SOCKET_COLOUR: Colour = (0.16, 0.30, 0.62)
STRANGE_PEG: Colour = (0.95, 0.80, 0.10)
STRANGE_SOCKET: Colour = (0.55, 0.20, 0.60)


class Plug(Scene):
    """A peg, held from the start, and a socket."""

    name = "plug"
    limit = 80
    demonstration_limit = 120
    disturbance = 0.4
    knocks = False  # a peg that falls lies on its side, and this gripper cannot set it upright
    undone_by = ("rest-pose",)  # no demonstration pulls a peg out: the drive home does

    def __init__(self, shift: Shift) -> None:
        super().__init__(shift)
        novelty = shift.novelty
        self._handle = blend(HANDLE, 0.015, novelty)
        self._socket_half = blend(SOCKET_HALF, 0.036, novelty)
        self._grip = self._handle / FINGER_STROKE

    @property
    def things(self) -> Mapping[str, float]:
        """The peg: its state is that of its handle's centre."""
        return {"peg": 0.0}

    @property
    def fixtures(self) -> Sequence[str]:
        """The socket."""
        return ("socket",)

    def bodies_xml(self) -> str:
        """Return the MJCF of the peg, a handle with a pin below, and of the socket, four walls round a hole."""
        novelty = self.shift.novelty
        peg = rgba(blend_colours(PEG_COLOUR, STRANGE_PEG, novelty))
        socket = rgba(blend_colours(SOCKET_COLOUR, STRANGE_SOCKET, novelty))
        half, height = self._handle, HANDLE_HEIGHT
        shape = "cylinder" if novelty else "box"
        size = f"{half:.6g} {height}" if novelty else f"{half:.6g} {half:.6g} {height}"
        touch = 'condim="4" friction="1.2 .02 .001" contype="3" conaffinity="3"'
        wide = (self._socket_half - HOLE) / 2
        off, middle = HOLE + wide, SOCKET_HEIGHT / 2
        walls = "".join(
            f'<geom type="box" size="{sx:.6g} {sy:.6g} {middle:.6g}" pos="{x:.6g} {y:.6g} {middle:.6g}" rgba="{socket}"'
            ' friction=".3 .005 .0001" contype="3" conaffinity="3"/>'
            for x, y, sx, sy in (
                (off, 0.0, wide, self._socket_half),
                (-off, 0.0, wide, self._socket_half),
                (0.0, off, HOLE, wide),
                (0.0, -off, HOLE, wide),
            )
        )
        floor = f'<geom class="look" type="box" size="{HOLE} {HOLE} .001" pos="0 0 .001" rgba=".05 .05 .06 1"/>'
        return f"""
    <body name="peg">
      <freejoint name="peg"/>
      <geom name="peg" type="{shape}" size="{size}" mass=".05" rgba="{peg}" {touch}/>
      <geom name="pin" type="capsule" size="{PIN_RADIUS}" fromto="0 0 {-height + PIN_RADIUS} 0 0 {-height - PIN + PIN_RADIUS}"
        mass=".01" rgba=".75 .76 .78 1" friction=".3 .005 .0001" contype="3" conaffinity="3"/>
    </body>
    <body name="socket" mocap="true">{walls}{floor}</body>"""

    def is_held(self, state: State) -> bool:
        """Whether the fingers are closed on the peg or nearly so."""
        peg, tool = state["peg"], state["tool"]
        return math.dist(peg[:2], tool[:2]) < 0.02 and abs(peg[2] - tool[2]) < 0.025 and tool[3] < 0.62

    def draw_goal(self, random: np.random.Generator) -> State:
        """Draw where the socket stands, the peg in it."""
        return _plugged(random.uniform(-SOCKET_RANGE, SOCKET_RANGE))

    def draw_start(self, goal: State, random: np.random.Generator) -> State:
        """Put the peg into the gripper, somewhere over the mat's far end."""
        place = np.array(REST) + random.uniform([0.0, -START_RANGE[1], -START_RANGE[2]], START_RANGE)
        return self._in_hand(goal, place)

    def out_of_reach(self, state: State) -> list[str]:
        """Return the peg when it has fallen, or stands too far away."""
        return [] if self.is_held(state) or plug_expert.can_be_fetched(state["peg"]) else ["peg"]

    def draw_next(self, state: State, random: np.random.Generator) -> State | None:  # noqa: ARG002 - one goal a table
        """Ask for the peg in the socket that stands there, unless it is in it, or has fallen."""
        goal = _plugged(np.array(state["socket"]))
        return None if is_plugged(state, goal) or self.out_of_reach(state) else goal

    def action_to_rest_pose(self, state: State) -> tuple[NDArray[np.float64], float, bool]:
        """Take the peg along, out of the socket too: it starts in the gripper. One that has fallen is left."""
        if self.out_of_reach(state):
            return super().action_to_rest_pose(state)
        return plug_expert.action_to_rest_pose(state, self._grip)

    def default_state(self) -> State:
        """Return socket in the middle, peg in the gripper, arm at rest."""
        return self._in_hand({"socket": [0.0, 0.0]}, np.array(REST))

    def goal_state(self, values: Description) -> State:
        """Return the goal state with the peg in a socket that stands at ``values["socket"]``: x, y [m]; arm at rest."""
        for key in values:
            if key != "socket":
                raise UnknownNameError("object", key, ["socket"], "This is the object of the scene plug.")
        numbers = values.get("socket", ())
        if isinstance(numbers, str) or len(numbers) != 2:
            raise UsageError(f"the socket's place is X,Y in metres, not {counted(numbers)}.")
        for number, axis, most in zip(numbers, "xy", SOCKET_RANGE, strict=True):
            if not -most <= number <= most:
                raise UsageError(
                    f"socket {axis} = {number:g} m is out of range: use {-most:g} to {most:g} m, which is within reach and "
                    "in the image."
                )
        return _plugged(np.array(numbers, dtype=np.float64))

    def reached(self, state: State, goal: State) -> bool:
        """Whether the peg is in the socket as far as it goes, and let go of."""
        return is_plugged(state, goal)

    def law(self, state: State, goal: State) -> tuple[NDArray[np.float64], float]:
        """Return the expert's wanted displacement and opening."""
        return plug_expert.law(state, goal, self._grip)

    def done(self, state: State, goal: State) -> bool:
        """Whether the peg is in the socket and the arm back at rest."""
        return plug_expert.is_home(state, goal)

    def diverse_start(self, start: State, goal: State, random: np.random.Generator) -> State:  # noqa: ARG002
        """Return ``start`` with the peg in the gripper anywhere, one time in two close above the socket."""
        socket = np.array(start["socket"])
        if random.random() < 0.5:
            place = np.array(
                [*(socket + random.uniform(-0.03, 0.03, size=2)), SEATED + PIN + random.uniform(0.006, 0.05)]
            )
        else:
            place = random.uniform([-0.16, -0.15, 0.08], [0.13, 0.15, 0.20])
        return self._in_hand(start, place)

    def _in_hand(self, state: State, place: NDArray[np.float64]) -> State:
        position = [float(value) for value in place]
        return {
            "peg": [*position, 1.0, 0.0, 0.0, 0.0],
            "socket": list(state["socket"]),
            "tool": [*position, self._grip],
        }


def is_plugged(state: State, goal: State) -> bool:
    """Whether the peg is in the socket as far as it goes, and let go of."""
    peg, socket, tool = state["peg"], goal["socket"], state["tool"]
    inside = math.dist(peg[:2], socket) <= IN_HOLE and abs(peg[2] - SEATED) <= DEEP
    return inside and let_go(peg, tool)


def _plugged(socket: NDArray[np.float64]) -> State:
    x, y = (float(value) for value in socket)
    return {"peg": [x, y, SEATED, 1.0, 0.0, 0.0, 0.0], "socket": [x, y], "tool": rest_tool()}
