"""What guesses taught of where the arm stands: which of them arrived is enough to believe some places more than others.

Where a camera was moved as well, a picture tells an arm's place only roughly: what is tall leans in it. So each episode acts
on a guess, and Bayes' rule weighs all places by who arrived and who did not. Guesses are drawn from that belief (Thompson,
1933), so that what is likely is tried and what is known is not tried again. No truth, no reward: arrivals are the base's
own head's.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

DOUBT = 0.02
"""Deviation of what a leaning picture tells, in x and in y [m]."""
REACH, CELL = 0.07, 0.0025
"""Places that are thought of: so far away, so far apart, in x and in y [m]."""
NEAR = 0.016
"""A guess that is off by this much arrives 1/e as often as one that is right [m]."""
HIT, LUCK = 0.85, 0.04
"""How often episodes are seen to arrive that act on the right place, and on one far off."""


@dataclass(frozen=True)
class PosePosterior:
    """How likely the arm's place is off by each offset from where it was read."""

    offsets: Tensor
    """(n, 2): x and y [m]."""
    weights: Tensor
    """(n,): sum 1."""

    @property
    def mean(self) -> Tensor:
        """Return the offset (2,) to act on when no more is to be learned [m]."""
        return self.weights @ self.offsets

    @property
    def spread(self) -> float:
        """Return the root mean square distance from the mean [m]."""
        return float((self.weights @ (self.offsets - self.mean).square().sum(dim=1)).sqrt())

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Return ``count`` offsets (count, 2) to try [m]."""
        return self.offsets[torch.multinomial(self.weights, count, replacement=True, generator=generator)]


def pose_posterior(tried: Tensor, arrived: Tensor) -> PosePosterior:
    """Return what is believed after some episodes; without any, what a leaning picture tells.

    Args:
        tried: (N, 2) offsets that episodes acted on [m].
        arrived: (N,) bool, which of them were seen to arrive.
    """
    line = torch.arange(-REACH, REACH + CELL / 2, CELL, dtype=torch.double)
    offsets = torch.cartesian_prod(line, line)
    logs = -offsets.square().sum(dim=1) / (2 * DOUBT**2)
    if len(tried):
        away = torch.cdist(offsets, tried.double())
        rate = LUCK + (HIT - LUCK) * torch.exp(-((away / NEAR) ** 2))
        logs = logs + torch.where(arrived, rate, 1 - rate).log().sum(dim=1)
    return PosePosterior(offsets, logs.softmax(dim=0))
