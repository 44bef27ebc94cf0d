"""The pieces that experts' laws are blended from: ramps instead of switches, so that what a network learns has no cliffs."""

import numpy as np
from numpy.typing import NDArray

STEP = 0.018
"""Longest horizontal and longest vertical displacement in one step [m]."""


def ramp(value: float, low: float, high: float) -> float:
    """0 up to ``low``, 1 from ``high`` on, straight between."""
    return min(1.0, max(0.0, (float(value) - low) / (high - low)))


def smooth(value: float, low: float, high: float) -> float:
    """Like ``ramp``, without its kinks: 3 s^2 - 2 s^3."""
    share = ramp(value, low, high)
    return share * share * (3.0 - 2.0 * share)


def at_most(motion: NDArray[np.float64], step: float = STEP) -> NDArray[np.float64]:
    """Return ``motion`` (3,) shortened to ``step`` horizontally, as a whole, and vertically [m]."""
    short = np.array(motion, dtype=np.float64)
    short[:2] *= min(1.0, step / (float(np.hypot(*short[:2])) + 1e-9))
    short[2] = min(step, max(-step, short[2]))
    return short
