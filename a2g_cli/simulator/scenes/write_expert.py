"""The law of the scene ``write``: to the first dot of the goal that has no ink yet, and on along its stroke.

Nothing is remembered: what stands on the board says where to go on, also after a stroke went astray.
"""

import math

import numpy as np
from numpy.typing import NDArray

from a2g_cli.core.types import State
from a2g_cli.simulator.scenes.ink import covered, dots
from a2g_cli.simulator.scenes.motion import at_most, ramp, smooth
from a2g_cli.simulator.scenes.scene import REST

OPENING = 0.2
"""The fingers hold the pen at this opening throughout."""
DOWN = 0.022
"""Height of the tool while writing [m]."""
HOVER = 0.052
"""... and between strokes [m]."""
PACE = 0.009
"""Longest way of the pen in one step, writing [m]."""
COVERED = 0.005
"""A dot with ink within this distance is written [m]."""
ON_STROKE = 0.012
"""A pen this near to the next dot stays down [m]."""
LIFT = 0.006
"""Dots of the goal farther apart than this belong to different strokes [m]."""


def law(state: State, goal: State) -> tuple[NDArray[np.float64], float]:
    """Return the wanted displacement (3,) of the tool, table frame [m], and the opening that holds the pen."""
    tool = np.array(state["tool"][:3])
    wanted, ink = dots(goal["ink"]), dots(state["ink"])
    missing = np.flatnonzero(~covered(wanted, ink, COVERED))
    if not len(missing):
        home = np.array(REST) - tool
        free = smooth(float(tool[2]), 0.035, 0.06)
        return at_most(np.array([free * home[0], free * home[1], home[2]])), OPENING
    first = int(missing[0])
    away = float(math.dist(wanted[first], tool[:2]))
    if tool[2] < HOVER - 0.01 and away < ON_STROKE:
        way = _ahead(wanted, first) - tool[:2]
        # Not quite down yet: first down, then along.
        free = 1.0 - ramp(tool[2], DOWN + 0.005, DOWN + 0.015)
        way = way * min(1.0, PACE / (float(np.hypot(*way)) + 1e-9)) * free
        return at_most(np.array([way[0], way[1], DOWN - tool[2]])), OPENING
    way = wanted[first] - tool[:2]
    height = DOWN + (HOVER - DOWN) * smooth(away, 0.004, 0.016)
    free = 1.0 - ramp(HOVER - float(tool[2]), 0.004, 0.018) * smooth(away, 0.006, 0.016)
    return at_most(np.array([free * way[0], free * way[1], height - tool[2]])), OPENING


def is_home(state: State, goal: State) -> bool:
    """Whether all is written and the arm back at rest."""
    home = math.dist(state["tool"][:3], REST) < 0.012
    return home and bool(covered(dots(goal["ink"]), dots(state["ink"]), COVERED).all())


def _ahead(wanted: NDArray[np.float64], first: int) -> NDArray[np.float64]:
    """Return the point a little beyond dot ``first`` on the same stroke."""
    on, left = first, PACE * 0.6
    while on + 1 < len(wanted):
        step = float(math.dist(wanted[on], wanted[on + 1]))
        if step > LIFT or step > left:
            break
        left -= step
        on += 1
    point: NDArray[np.float64] = wanted[on]
    return point
