"""The posterior of an offset in x and y, from which episodes reached their goal.

Each episode assumes an offset, and Bayes' rule weighs all offsets by the episodes that reached their goal and those that did
not. Offsets are drawn from the posterior (Thompson sampling, 1933): likely ones are tried more often. No reward and no ground
truth: a judge of practice says which episodes reached their goal.

Two searches use it: for the place of an arm whose camera was moved as well (``improvement/pose_search.py``), and for where
the arm has to aim to reach one goal (``improvement/aim_search.py``).
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class OffsetPrior:
    """What is believed before any episode, and how success depends on the error of an offset."""

    std: float
    """Standard deviation of the offset, in x and in y [m]."""
    tolerance: float
    """Error at which the chance of success has dropped to 1/e of that without error [m]."""
    radius: float
    """Largest offset of the grid, in x and in y [m]."""
    spacing: float
    """Of the grid [m]."""
    success: float = 0.85
    """Probability that an episode reaches its goal at the right offset ..."""
    chance: float = 0.04
    """... and far from it."""
    zero: float = 0.0
    """Probability that there is no offset at all."""


@dataclass(frozen=True)
class OffsetPosterior:
    """The probability of each offset of a grid."""

    offsets: Tensor
    """(n, 2): x and y [m]."""
    weights: Tensor
    """(n,) probabilities, sum 1."""

    @property
    def mean(self) -> Tensor:
        """Return the expected offset (2,) [m]."""
        return self.weights @ self.offsets

    @property
    def spread(self) -> float:
        """Return the root mean square distance from the mean [m]."""
        return float((self.weights @ (self.offsets - self.mean).square().sum(dim=1)).sqrt())

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Return ``count`` sampled offsets (count, 2) [m]."""
        return self.offsets[torch.multinomial(self.weights, count, replacement=True, generator=generator)]


def offset_posterior(tried: Tensor, reached: Tensor, prior: OffsetPrior) -> OffsetPosterior:
    """Return the posterior after N episodes; the prior for N = 0.

    Args:
        tried: (N, 2) offsets that the episodes assumed [m].
        reached: (N,) bool, whether each reached its goal.
        prior: what is believed without them.
    """
    line = torch.arange(-prior.radius, prior.radius + prior.spacing / 2, prior.spacing, dtype=torch.double)
    offsets = torch.cartesian_prod(line, line)
    logs = -offsets.square().sum(dim=1) / (2 * prior.std**2)
    if prior.zero:
        believed = (1 - prior.zero) * logs.softmax(dim=0)
        believed[len(offsets) // 2] += prior.zero
        logs = believed.log()
    if len(tried):
        error = torch.cdist(offsets, tried.double())
        probability = prior.chance + (prior.success - prior.chance) * torch.exp(-((error / prior.tolerance) ** 2))
        logs = logs + torch.where(reached, probability, 1 - probability).log().sum(dim=1)
    return OffsetPosterior(offsets, logs.softmax(dim=0))
