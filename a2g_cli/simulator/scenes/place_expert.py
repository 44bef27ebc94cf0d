"""The law of the scene ``place``: fetch, carry, let go, retreat. Distances blend one phase into the next.

What to do next depends only on where things, tool, fingers and goal are now: a thing that slipped out of the fingers is
simply a thing that has to be fetched, and a wrong one in the hand is put back where it belongs.
"""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from a2g_cli.core.types import State
from a2g_cli.simulator.scenes.motion import at_most, ramp, smooth
from a2g_cli.simulator.scenes.scene import REST

HEIGHT = 0.024
"""Height of a thing's centre when it rests on the table [m]."""
HOVER = 0.085
"""Height of the tool at which open fingers pass over things [m]."""
CARRY = 0.075
"""How high a held thing is lifted on its way [m]: over the others."""
PLACED = 0.018
"""A thing that stands this near to its goal is left alone [m]."""


def law(state: State, goal: State, grips: Mapping[str, float]) -> tuple[NDArray[np.float64], float]:
    """Return the wanted displacement (3,) of the tool, table frame [m], and the wanted opening.

    ``grips`` are the openings at which the fingers touch each thing.
    """
    tool, opening = np.array(state["tool"][:3]), state["tool"][3]
    where = {name: np.array(state[name][:3]) for name in grips}
    held = [name for name in grips if _is_held(where[name], tool, opening, grips[name])]
    astray = [name for name in grips if not _rests_at(name, state, goal)]
    if held:
        motion, opening = _carry(where[held[0]], np.array(goal[held[0]][:3]), opening, grips[held[0]])
    elif astray:
        farthest = max(astray, key=lambda name: math.dist(where[name], goal[name][:3]))
        motion, opening = _fetch(where[farthest], tool, opening)
    else:
        nearest = min(grips, key=lambda name: math.dist(where[name][:2], tool[:2]))
        motion, opening = _retreat(tool, opening, grips[nearest])
    return at_most(motion), opening


def _fetch(block: NDArray[np.float64], tool: NDArray[np.float64], opening: float) -> tuple[NDArray[np.float64], float]:
    """Come down on it through a funnel: the nearer above it, the lower; then close."""
    away = block - tool
    aside = float(np.hypot(away[0], away[1]))
    # Closed fingers open above it, not on it.
    still_closed = ramp(0.95 - opening, 0.0, 0.2) * ramp(tool[2], 0.045, 0.065)
    height = HEIGHT + (HOVER - HEIGHT) * max(smooth(aside, 0.006, 0.035), still_closed)
    # Too low to pass over things: rise first.
    free = 1.0 - ramp(height - tool[2], 0.008, 0.03)
    around = max(aside, abs(float(tool[2]) - HEIGHT))
    return np.array([free * away[0], free * away[1], height - tool[2]]), ramp(around, 0.007, 0.014)


def _carry(
    block: NDArray[np.float64], goal: NDArray[np.float64], opening: float, grip: float
) -> tuple[NDArray[np.float64], float]:
    """Lift, carry and lower along an arc over the way that is left; let go on the table at the goal."""
    way = goal[:2] - block[:2]
    left = float(np.hypot(way[0], way[1]))
    lifted = float(block[2]) - HEIGHT
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


def is_home(state: State, goal: State, grips: Mapping[str, float]) -> bool:
    """Whether all things are where ``goal`` has them and the arm is back at rest."""
    home = math.dist(state["tool"][:3], REST) < 0.012 and state["tool"][3] > 0.9
    return home and all(_rests_at(name, state, goal) for name in grips)


def _is_held(block: NDArray[np.float64], tool: NDArray[np.float64], opening: float, grip: float) -> bool:
    aside = float(np.hypot(*(block - tool)[:2]))
    return aside < 0.016 and abs(float(block[2] - tool[2])) < 0.025 and grip - 0.12 < opening < grip + 0.06


def _rests_at(name: str, state: State, goal: State) -> bool:
    thing = state[name]
    return math.dist(thing[:2], goal[name][:2]) < PLACED and abs(thing[2] - HEIGHT) < 0.008
