"""The scene ``place``: put the block where the picture shows it. Draws of start and goal, and what success means."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from a2g_cli.episode import State
from a2g_cli.errors import UnknownNameError, UsageError

BLOCK_RANGE = np.array([0.105, 0.130])
"""Block centres lie within these of the workspace's centre, x and y [m]: wholly in the picture, within reach."""
BLOCK_HEIGHT = 0.024
"""Height of the block's centre when it rests on the table [m]."""
MAX_YAW = 0.1
"""Blocks are turned by no more than this [rad]."""
MIN_TRAVEL = 0.08
"""Start and goal are at least this far apart [m]."""

REST = (-0.16, 0.0, 0.16)
"""Where the tool waits, table frame [m]: retracted and high, hiding nothing of the workspace."""
REST_VARIATION = 0.02
"""The tool starts within this of REST, per axis [m]."""

REACHED = 0.025
"""The block counts as placed within this distance of the goal, horizontally [m]."""
RESTING = 0.010
"""... and within this of its height on the table [m]."""
OPEN = 0.75
"""... and let go of: the gripper is open by more than this [0 to 1] ..."""
AWAY = 0.06
"""... or the tool is farther than this from the block [m]."""


def draw_start_and_goal(random: np.random.Generator) -> tuple[State, State]:
    """Draw a start state and a goal state."""
    start = random.uniform(-BLOCK_RANGE, BLOCK_RANGE)
    goal = random.uniform(-BLOCK_RANGE, BLOCK_RANGE)
    while math.dist(start, goal) < MIN_TRAVEL:
        goal = random.uniform(-BLOCK_RANGE, BLOCK_RANGE)
    yaws = random.uniform(-MAX_YAW, MAX_YAW, size=2)
    tool = np.array(REST) + random.uniform(-REST_VARIATION, REST_VARIATION, size=3)
    return (
        {"block": block_pose(start, float(yaws[0])), "tool": [*tool.tolist(), 1.0]},
        {"block": block_pose(goal, float(yaws[1])), "tool": [*REST, 1.0]},
    )


def block_pose(xy: np.ndarray[tuple[int], np.dtype[np.float64]], yaw: float) -> list[float]:
    """Return the pose [x, y, z, qw, qx, qy, qz] of a block standing at ``xy`` (2,) [m], turned by ``yaw`` [rad]."""
    return [float(xy[0]), float(xy[1]), BLOCK_HEIGHT, math.cos(yaw / 2), 0.0, 0.0, math.sin(yaw / 2)]


def default_state() -> State:
    """Return the state of a scene that nobody has set up yet: block in the middle, arm at rest."""
    return {"block": block_pose(np.zeros(2), 0.0), "tool": [*REST, 1.0]}


def goal_state(values: Mapping[str, Sequence[float]]) -> State:
    """Return the goal state with the block at ``values["block"]``: x, y [m], and perhaps its yaw [rad]; arm at rest.

    Raises:
        UnknownNameError: something else than a block.
        UsageError: not two or three numbers, or a place where no goal is ever drawn: out of reach or out of the picture.
    """
    for key in values:
        if key != "block":
            raise UnknownNameError("thing in the scene 'place'", key, ["block"])
    numbers = list(values.get("block", ()))
    if len(numbers) not in {2, 3}:
        raise UsageError(f"the block's place is X,Y in metres, or X,Y,YAW with radians, not {len(numbers)} numbers.")
    limits = [
        *((name, float(most), "m") for name, most in zip("xy", BLOCK_RANGE, strict=True)),
        ("yaw", MAX_YAW, "rad"),
    ]
    for number, (name, most, unit) in zip(numbers, limits, strict=False):
        if not -most <= number <= most:
            raise UsageError(
                f"the block's {name} is {number:g} {unit}: within reach and in the picture is {-most:g} to {most:g} {unit}."
            )
    return {
        "block": block_pose(np.array(numbers[:2]), numbers[2] if len(numbers) == 3 else 0.0),
        "tool": [*REST, 1.0],
    }


def is_placed(state: State, goal: State) -> bool:
    """Whether the block rests on the table at the goal, let go of."""
    block, target, tool = state["block"], goal["block"], state["tool"]
    near = math.dist(block[:2], target[:2]) <= REACHED
    resting = abs(block[2] - target[2]) <= RESTING
    released = tool[3] > OPEN or math.dist(block[:3], tool[:3]) > AWAY
    return near and resting and released
