"""The law of the scene ``place``: fetch, carry, let go, retreat. Distances blend one phase into the next.

What to do next depends only on where block, tool, fingers and goal are now: a block that slipped out of the fingers is
simply a block that has to be fetched.
"""

import math

import numpy as np
from numpy.typing import NDArray

from a2g_cli.episode import State
from a2g_cli.simulator.scenes.motion import at_most, ramp, smooth
from a2g_cli.simulator.scenes.scene import REST

BLOCK_HEIGHT = 0.024
"""Height of the block's centre when it rests on the table [m]."""
HOVER = 0.085
"""Height of the tool at which open fingers pass over a block [m]."""
CARRY = 0.06
"""How high a held block is lifted on its way [m]."""
PLACED = 0.018
"""A block that stands this near to its goal is left alone [m]."""


def law(state: State, goal: State, grip: float) -> tuple[NDArray[np.float64], float]:
    """Return the wanted displacement (3,) of the tool, table frame [m], and the wanted opening.

    ``grip`` is the opening at which the fingers touch the block.
    """
    block, tool = np.array(state["block"][:3]), np.array(state["tool"][:3])
    opening = state["tool"][3]
    if _is_held(block, tool, opening, grip):
        motion, opening = _carry(block, np.array(goal["block"][:3]), opening, grip)
    elif _rests_at(state, goal):
        motion, opening = _retreat(tool, opening, grip)
    else:
        motion, opening = _fetch(block, tool, opening)
    return at_most(motion), opening


def _fetch(block: NDArray[np.float64], tool: NDArray[np.float64], opening: float) -> tuple[NDArray[np.float64], float]:
    """Come down on the block through a funnel: the nearer above it, the lower; then close."""
    away = block - tool
    aside = float(np.hypot(away[0], away[1]))
    # Closed fingers open above the block, not on it.
    still_closed = ramp(0.95 - opening, 0.0, 0.2) * ramp(tool[2], 0.045, 0.065)
    height = BLOCK_HEIGHT + (HOVER - BLOCK_HEIGHT) * max(smooth(aside, 0.006, 0.035), still_closed)
    # Too low to pass over the block: rise first.
    free = 1.0 - ramp(height - tool[2], 0.008, 0.03)
    around = max(aside, abs(float(tool[2]) - BLOCK_HEIGHT))
    return np.array([free * away[0], free * away[1], height - tool[2]]), ramp(around, 0.007, 0.014)


def _carry(
    block: NDArray[np.float64], goal: NDArray[np.float64], opening: float, grip: float
) -> tuple[NDArray[np.float64], float]:
    """Lift, carry and lower along an arc over the way that is left; let go on the table at the goal."""
    way = goal[:2] - block[:2]
    left = float(np.hypot(way[0], way[1]))
    lifted = float(block[2]) - BLOCK_HEIGHT
    firm = ramp(grip + 0.06 - opening, 0.0, 0.03)
    rise = firm * (CARRY * smooth(left, 0.008, 0.06) - lifted)
    free = max(ramp(lifted, 0.002, 0.02), 1.0 - ramp(left, 0.02, 0.04))
    let_go = ramp(0.011 - left, 0.0, 0.004) * ramp(0.009 - lifted, 0.0, 0.004)
    return np.array([free * way[0], free * way[1], rise]), let_go


def _retreat(tool: NDArray[np.float64], opening: float, grip: float) -> tuple[NDArray[np.float64], float]:
    """Straight up from between open fingers, then home."""
    home = np.array(REST) - tool
    free = smooth(float(tool[2]), 0.05, 0.10)
    clear = max(free, ramp(opening, grip + 0.08, grip + 0.2))
    return np.array([free * home[0], free * home[1], clear * home[2]]), 1.0


def is_home(state: State, goal: State) -> bool:
    """Whether the block is at the goal and the arm back at rest."""
    home = math.dist(state["tool"][:3], REST) < 0.012 and state["tool"][3] > 0.9
    return home and _rests_at(state, goal)


def _is_held(block: NDArray[np.float64], tool: NDArray[np.float64], opening: float, grip: float) -> bool:
    aside = float(np.hypot(*(block - tool)[:2]))
    return aside < 0.016 and abs(float(block[2] - tool[2])) < 0.025 and grip - 0.12 < opening < grip + 0.06


def _rests_at(state: State, goal: State) -> bool:
    block = state["block"]
    return math.dist(block[:2], goal["block"][:2]) < PLACED and abs(block[2] - BLOCK_HEIGHT) < 0.008
