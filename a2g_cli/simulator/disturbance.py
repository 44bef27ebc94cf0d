"""Random pushes on the tool, so that demonstrations show how to recover.

A push is added to the arm's target, not to the recorded action: the expert's labels stay correct while it visits more
states (DART, Laskey et al. 2017). A push is an Ornstein-Uhlenbeck walk w with unit variance per axis,

    w <- rho w + sqrt(1 - rho^2) n        push = length * max(0, |w| - threshold) * w / |w|

which is zero most of the time and pushes for a few steps in one direction otherwise. Now and then comes a knock: one
hard shove, and the fingers spring open.
"""

import math

import numpy as np
from numpy.typing import NDArray

MEMORY = 0.75
"""rho, per control step."""
THRESHOLD = 1.9
"""Without unit: |w| of three axes exceeds it about a third of the time."""
LENGTH = 0.018
"""Push per unit above the threshold [m]."""
LONGEST = 0.025
"""Longest push [m]."""
KNOCK_PROBABILITY = 0.006
"""Per control step; about one in five demonstrations has a knock."""
KNOCK_LENGTH = 0.03
"""[m]."""


class Disturbance:
    """The pushes of one episode. At ``strength`` 0 there are none, at 1 they move the tool by one or two centimetres."""

    def __init__(self, strength: float, random: np.random.Generator, knocks: bool = True) -> None:
        self._knock_probability = KNOCK_PROBABILITY * min(1.0, strength) if knocks else 0.0
        self._strength = strength
        self._random = random
        self._walk = random.normal(size=3)

    def next(self) -> tuple[NDArray[np.float64], bool]:
        """Return the next push (3,) [m] and whether the fingers spring open in this step."""
        self._walk = MEMORY * self._walk + math.sqrt(1 - MEMORY**2) * self._random.normal(size=3)
        knocked = bool(self._random.random() < self._knock_probability)
        length = float(np.linalg.norm(self._walk))
        size = KNOCK_LENGTH if knocked else min(LONGEST, LENGTH * max(0.0, length - THRESHOLD))
        return self._strength * size * self._walk / length, knocked
