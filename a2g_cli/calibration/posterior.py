"""The posterior of the arm's position, from which episodes reached their goal.

Where a camera was moved as well, an image shows the position of the arm only roughly, because tall things lean in a warped
image. So each episode assumes a position, and Bayes' rule weighs all positions by the episodes that reached their goal and
those that did not. Positions are drawn from the posterior (Thompson sampling, 1933): likely ones are tried more often. No
reward and no ground truth: the base's own steps-to-go head judges whether the goal was reached.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

PRIOR_STD = 0.02
"""Standard deviation of the position that a warped image shows, in x and in y [m]."""
RADIUS, SPACING = 0.07, 0.0025
"""The grid of positions: its largest offset and its spacing, in x and in y [m]."""
TOLERANCE = 0.016
"""Error at which the chance of success has dropped to 1/e of that without error [m]."""
SUCCESS, CHANCE = 0.85, 0.04
"""Probability that an episode reaches its goal, at the right position and far from it."""


@dataclass(frozen=True)
class PosePosterior:
    """The probability of each offset of the arm from the position that an image shows."""

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


def pose_posterior(tried: Tensor, reached: Tensor) -> PosePosterior:
    """Return the posterior after N episodes; the prior for N = 0.

    Args:
        tried: (N, 2) offsets that the episodes assumed [m].
        reached: (N,) bool, whether each reached its goal.
    """
    line = torch.arange(-RADIUS, RADIUS + SPACING / 2, SPACING, dtype=torch.double)
    offsets = torch.cartesian_prod(line, line)
    logs = -offsets.square().sum(dim=1) / (2 * PRIOR_STD**2)
    if len(tried):
        error = torch.cdist(offsets, tried.double())
        probability = CHANCE + (SUCCESS - CHANCE) * torch.exp(-((error / TOLERANCE) ** 2))
        logs = logs + torch.where(reached, probability, 1 - probability).log().sum(dim=1)
    return PosePosterior(offsets, logs.softmax(dim=0))
