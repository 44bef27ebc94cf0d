"""The scene ``place``: put the block where the picture shows it. Draws of start and goal, and what success means."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from a2g_cli.episode import State
from a2g_cli.errors import UnknownNameError, UsageError
from a2g_cli.simulator.arm import FINGER_STROKE
from a2g_cli.simulator.scenes import place_expert
from a2g_cli.simulator.scenes.place_expert import BLOCK_HEIGHT
from a2g_cli.simulator.scenes.scene import Scene, rest_tool
from a2g_cli.simulator.shifts import Colour, Shift, blend, blend_colours

BLOCK_RANGE = np.array([0.105, 0.130])
"""Block centres lie within these of the workspace's centre, x and y [m]: wholly in the picture, within reach."""
MAX_YAW = 0.1
"""Blocks are turned by no more than this [rad]."""
MIN_TRAVEL = 0.08
"""Start and goal are at least this far apart [m]."""

REACHED = 0.025
"""The block counts as placed within this distance of the goal, horizontally [m]."""
RESTING = 0.010
"""... and within this of its height on the table [m]."""
OPEN = 0.75
"""... and let go of: the gripper is open by more than this [0 to 1] ..."""
AWAY = 0.06
"""... or the tool is farther than this from the block [m]."""


@dataclass(frozen=True)
class Thing:
    """What lies on the table."""

    shape: str = "box"
    """``"box"`` or ``"cylinder"``."""
    half_width: float = 0.024
    """[m]."""
    half_height: float = 0.024
    """[m]."""
    colour: Colour = (0.87, 0.13, 0.11)


def thing_under(shift: Shift) -> Thing:
    """Return the thing as ``shift`` has it: on its way from a red block to a taller blue cylinder."""
    if not shift.novelty:
        return Thing()
    return Thing(
        shape="cylinder",
        half_width=blend(Thing.half_width, 0.020, shift.novelty),
        half_height=blend(Thing.half_height, 0.032, shift.novelty),
        colour=blend_colours(Thing.colour, (0.10, 0.30, 0.85), shift.novelty),
    )


class Place(Scene):
    """One block, to be put where the photo shows it."""

    name = "place"
    limit = 80
    demonstration_limit = 120

    def __init__(self, shift: Shift) -> None:
        super().__init__(shift)
        self.thing = thing_under(shift)
        self._grip = self.thing.half_width / FINGER_STROKE

    @property
    def things(self) -> Mapping[str, float]:
        """The block."""
        return {"block": self.thing.half_height - Thing.half_height}

    def bodies_xml(self) -> str:
        """Return the block's MJCF."""
        thing = self.thing
        size = (
            f"{thing.half_width:.6g} {thing.half_width:.6g} {thing.half_height:.6g}"
            if thing.shape == "box"
            else f"{thing.half_width:.6g} {thing.half_height:.6g}"
        )
        red, green, blue = thing.colour
        return f"""
    <body name="block" pos="0 0 {thing.half_height:.6g}">
      <freejoint name="block"/>
      <geom name="block" type="{thing.shape}" size="{size}" mass=".06" rgba="{red:.4g} {green:.4g} {blue:.4g} 1"
        condim="4" friction="1.2 .02 .001" contype="1" conaffinity="2"/>
    </body>"""

    def is_held(self, state: State) -> bool:
        """Whether the block stands between the fingers and they are closed on it or nearly so."""
        block, tool = state["block"], state["tool"]
        beside = math.hypot(block[0] - tool[0], block[1] - tool[1])
        return beside < 0.02 and abs(block[2] - tool[2]) < 0.035 and tool[3] < 0.68

    def draw(self, random: np.random.Generator) -> tuple[State, State]:
        """Draw a start state and a goal state."""
        start = random.uniform(-BLOCK_RANGE, BLOCK_RANGE)
        goal = random.uniform(-BLOCK_RANGE, BLOCK_RANGE)
        while math.dist(start, goal) < MIN_TRAVEL:
            goal = random.uniform(-BLOCK_RANGE, BLOCK_RANGE)
        yaws = random.uniform(-MAX_YAW, MAX_YAW, size=2)
        tool = rest_tool(random)
        return (
            {"block": block_pose(start, float(yaws[0])), "tool": tool},
            {"block": block_pose(goal, float(yaws[1])), "tool": rest_tool()},
        )

    def default_state(self) -> State:
        """Return block in the middle, arm at rest."""
        return {"block": block_pose(np.zeros(2), 0.0), "tool": rest_tool()}

    def goal_state(self, values: Mapping[str, Sequence[float]]) -> State:
        """Return the goal state with the block at ``values["block"]``: x, y [m], and perhaps its yaw [rad]; arm at rest."""
        for key in values:
            if key != "block":
                raise UnknownNameError("thing in the scene 'place'", key, ["block"])
        numbers = list(values.get("block", ()))
        if len(numbers) not in {2, 3}:
            raise UsageError(
                f"the block's place is X,Y in metres, or X,Y,YAW with radians, not {len(numbers)} numbers."
            )
        limits = [
            *((name, float(most), "m") for name, most in zip("xy", BLOCK_RANGE, strict=True)),
            ("yaw", MAX_YAW, "rad"),
        ]
        for number, (name, most, unit) in zip(numbers, limits, strict=False):
            if not -most <= number <= most:
                raise UsageError(
                    f"the block's {name} is {number:g} {unit}: within reach and in the picture is "
                    f"{-most:g} to {most:g} {unit}."
                )
        return {
            "block": block_pose(np.array(numbers[:2]), numbers[2] if len(numbers) == 3 else 0.0),
            "tool": rest_tool(),
        }

    def reached(self, state: State, goal: State) -> bool:
        """Whether the block rests on the table at the goal, let go of."""
        return is_placed(state, goal)

    def law(self, state: State, goal: State) -> tuple[NDArray[np.float64], float]:
        """Return the expert's wanted displacement and opening."""
        return place_expert.law(state, goal, self._grip)

    def done(self, state: State, goal: State) -> bool:
        """Whether the block is at the goal and the arm back at rest."""
        return place_expert.is_home(state, goal)

    def diverse_start(self, start: State, random: np.random.Generator) -> State:
        """Return ``start`` with the tool anywhere, open or closed, or, one time in three, holding the block somewhere."""
        block, tool = list(start["block"]), list(start["tool"])
        if random.random() < 1 / 3:
            x, y = random.uniform([-0.12, -0.14], [0.12, 0.14])
            # Held blocks sit straight between the fingers.
            block = [x, y, BLOCK_HEIGHT + random.uniform(0.0, 0.08), 1.0, 0.0, 0.0, 0.0]
            tool = [x, y, block[2], self._grip]
        else:
            tool = [*random.uniform([-0.18, -0.16, 0.02], [0.14, 0.16, 0.22]), float(random.random() < 0.5)]
            # Fingers beside or above the block, never inside it.
            if math.dist(tool[:2], block[:2]) < 0.11:
                tool[2] = max(tool[2], 0.08)
        return {"block": [float(value) for value in block], "tool": [float(value) for value in tool]}


def block_pose(xy: np.ndarray[tuple[int], np.dtype[np.float64]], yaw: float) -> list[float]:
    """Return the pose [x, y, z, qw, qx, qy, qz] of a block standing at ``xy`` (2,) [m], turned by ``yaw`` [rad]."""
    return [float(xy[0]), float(xy[1]), BLOCK_HEIGHT, math.cos(yaw / 2), 0.0, 0.0, math.sin(yaw / 2)]


def is_placed(state: State, goal: State) -> bool:
    """Whether the block rests on the table at the goal, let go of."""
    block, target, tool = state["block"], goal["block"], state["tool"]
    near = math.dist(block[:2], target[:2]) <= REACHED
    resting = abs(block[2] - target[2]) <= RESTING
    released = tool[3] > OPEN or math.dist(block[:3], tool[:3]) > AWAY
    return near and resting and released
