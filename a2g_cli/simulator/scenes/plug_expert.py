"""The law of the scene ``plug``: over the socket, down through a funnel as narrow as the hole, let go, retreat."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from a2g_cli.core.types import State
from a2g_cli.simulator.scenes.motion import at_most, ramp, smooth
from a2g_cli.simulator.scenes.scene import REST, REST_POSITION

SEATED = 0.040
"""Height of the handle's centre when the peg is in the socket as far as it goes [m]."""
PIN = 0.022
"""Length of the pin below the handle [m]."""
HOVER = 0.022
"""Clearance of the pin's tip over the socket while the peg is not above the hole [m]."""
UPRIGHT = 0.97
"""Cosine of the most that a peg may lean and still be taken."""
REACH = np.array([0.18, 0.16])
"""Where it may stand then: within these of the workspace's centre, x and y [m]."""


def law(state: State, goal: State, grip: float) -> tuple[NDArray[np.float64], float]:
    """Return the wanted displacement (3,) of the tool, table frame [m], and the wanted opening.

    ``grip`` is the opening at which the fingers touch the handle.
    """
    peg, tool, opening = np.array(state["peg"][:3]), np.array(state["tool"][:3]), state["tool"][3]
    socket = np.array(goal["socket"])
    if _is_seated(peg, socket):
        motion, opening = _release(peg, tool, opening, grip)
    elif _is_held(peg, tool, opening, grip):
        motion, opening = _insert(peg, socket)
    else:
        motion, opening = _fetch(peg, tool)
    return at_most(motion), opening


def _insert(peg: NDArray[np.float64], socket: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Carry the peg over the hole, then down: the nearer above it, the lower."""
    way = socket - peg[:2]
    left = float(np.hypot(way[0], way[1]))
    over = SEATED + PIN + HOVER
    height = SEATED - 0.004 + (over - SEATED) * smooth(left, 0.0025, 0.012)
    # The pin is in the hole, or too low beside it: up first.
    free = 1.0 if left < 0.004 else 1.0 - ramp(height - float(peg[2]), 0.008, 0.03)
    return np.array([free * way[0], free * way[1], height - float(peg[2])]), 0.0


def _release(
    peg: NDArray[np.float64], tool: NDArray[np.float64], opening: float, grip: float
) -> tuple[NDArray[np.float64], float]:
    """Open, straight up from between open fingers, then home."""
    home = np.array(REST) - tool
    free = smooth(float(tool[2] - peg[2]), 0.03, 0.07)
    clear = max(free, ramp(opening, grip + 0.1, grip + 0.25))
    return np.array([free * home[0], free * home[1], clear * home[2]]), 1.0


def _fetch(peg: NDArray[np.float64], tool: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Take a peg that stands upright, let go of too early: come down on its handle and close."""
    away = peg - tool
    aside = float(np.hypot(away[0], away[1]))
    height = float(peg[2]) + 0.06 * smooth(aside, 0.006, 0.03)
    free = 1.0 - ramp(height - float(tool[2]), 0.008, 0.03)
    around = max(aside, abs(float(away[2])))
    return np.array([free * away[0], free * away[1], height - float(tool[2])]), ramp(around, 0.007, 0.014)


def can_be_fetched(peg: Sequence[float]) -> bool:
    """Whether a peg at x, y, z, turned by the quaternion w, x, y, z, stands upright and within reach, or is held."""
    upright = 1.0 - 2.0 * (peg[4] ** 2 + peg[5] ** 2)  # what is left of its own vertical
    return upright > UPRIGHT and bool((np.abs(peg[:2]) < REACH).all())


def action_to_rest_pose(state: State, grip: float) -> tuple[NDArray[np.float64], float, bool]:
    """Return displacement and opening that fetch the peg and bring it to where the tool waits, and whether it is there."""
    peg, tool, opening = np.array(state["peg"][:3]), np.array(state["tool"][:3]), state["tool"][3]
    if not _is_held(peg, tool, opening, grip):
        motion, opening = _fetch(peg, tool)
        return at_most(motion), opening, False
    way = np.array(REST) - tool
    there = float(np.abs(way).max()) < REST_POSITION
    # Straight up until the pin is out of the hole, and over the socket's walls.
    way[:2] *= ramp(float(peg[2]), SEATED + PIN, SEATED + PIN + HOVER)
    return at_most(way), 0.0, there


def is_home(state: State, goal: State) -> bool:
    """Whether the peg is in the socket and the arm back at rest."""
    home = math.dist(state["tool"][:3], REST) < 0.012 and state["tool"][3] > 0.9
    return home and _is_seated(np.array(state["peg"][:3]), np.array(goal["socket"]))


def _is_seated(peg: NDArray[np.float64], socket: NDArray[np.float64]) -> bool:
    return math.dist(peg[:2], socket) < 0.006 and abs(float(peg[2]) - SEATED) < 0.0035


def _is_held(peg: NDArray[np.float64], tool: NDArray[np.float64], opening: float, grip: float) -> bool:
    aside = float(np.hypot(*(peg - tool)[:2]))
    return aside < 0.016 and abs(float(peg[2] - tool[2])) < 0.022 and grip - 0.15 < opening < grip + 0.08
