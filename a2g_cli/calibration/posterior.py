"""The posterior of an offset in x and y, from which episodes reached their goal, and from how near the others came.

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
    graded: float = 0.0
    """Weight of how far episodes stayed from their goal; 1 would take them for independent and the line below for exact."""
    far: float = 0.03
    """Beyond this error of an offset, more of it makes an episode no worse [m]."""


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


def offset_posterior(
    tried: Tensor, reached: Tensor, prior: OffsetPrior, remaining: Tensor | None = None
) -> OffsetPosterior:
    """Return the posterior after N episodes; the prior for N = 0.

    Args:
        tried: (N, 2) offsets that the episodes assumed [m].
        reached: (N,) bool, whether each reached its goal.
        prior: what is believed without them.
        remaining: (N,) how far each stayed from its goal, in any unit, at least 0; NaN where that is not known.
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
        if remaining is not None and prior.graded:
            known = ~remaining.isnan()
            logs = logs + prior.graded * _fit(error[:, known].clamp(max=prior.far), remaining[known].double())
    return OffsetPosterior(offsets, logs.softmax(dim=0))


FEWEST = 6
"""A line through fewer episodes than this shows nothing."""


def _fit(error: Tensor, remaining: Tensor) -> Tensor:
    """Return the log likelihood (n,) of each offset of the grid, up to a constant: how well a line fits.

    At the right offset, the logarithm of what remains grows with the error of what was tried, whatever its slope and spread,
    which are fitted: log L = -(N - 3) / 2 log(sum of squared residuals).

    Args:
        error: (n, N) from each offset of the grid to each that was tried [m].
        remaining: (N,) how far the episodes stayed from their goal.
    """
    count = len(remaining)
    least = 0.05 * float(remaining.median()) if count else 0.0  # nearer than this is as good as there
    if count < FEWEST or least <= 0:
        return torch.zeros(len(error), dtype=torch.double)
    y = remaining.clamp(min=least).log()
    y = y - y.mean()
    x = error - error.mean(dim=1, keepdim=True)
    own, shared, total = x.square().sum(dim=1).clamp(min=1e-12), x @ y, y.square().sum().clamp(min=1e-12)
    explained = shared.clamp(min=0).square() / own  # a falling line would say that errors help
    return -0.5 * (count - 3) * (1 - explained / total).clamp(min=1e-6).log()
