"""Hindsight relabelling as index arithmetic: what an episode achieved is treated as if it had been its goal.

Nothing is written anywhere: a rule maps (length, step) to the index of the frame that becomes the goal. Rules after HER
(Andrychowicz et al. 2017) and GCSL (Ghosh et al. 2020):

    final      the achieved last frame of the episode
    future     a frame drawn uniformly from those that came later
    successor  the very next frame (the rule in Act2Goal's algorithm)
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from a2g_cli.core.errors import UnknownNameError, UsageError

RULES = ("final", "future", "successor")


def parse_mixture(text: str) -> dict[str, float]:
    """Read a mixture of rules: ``"final"`` or ``"final:0.6,future:0.4"``.

    Raises:
        UnknownNameError: no such rule.
        UsageError: a share that is not a positive number.
    """
    mixture: dict[str, float] = {}
    for part in text.split(","):
        name, _, share = part.strip().partition(":")
        if name not in RULES:
            raise UnknownNameError("relabelling rule", name, RULES)
        try:
            value = float(share) if share else 1.0
        except ValueError:
            value = -1.0
        if not 0 < value < float("inf"):
            raise UsageError(f"the share of rule {name!r} must be a positive number, not {share!r}.")
        mixture[name] = mixture.get(name, 0.0) + value
    total = sum(mixture.values())
    return {name: share / total for name, share in mixture.items()}


def relabel(mixture: Mapping[str, float], lengths: Tensor, steps: Tensor, generator: torch.Generator) -> Tensor:
    """Return the goal's frame index (B,) for each sample, always in ``steps + 1 .. lengths``.

    Args:
        mixture: rule -> share, adding up to 1.
        lengths: T of each sample's episode (B,); frame T is the achieved final one.
        steps: the present frame (B,), in 0 .. T - 1.
        generator: the source of chance.
    """
    left = lengths - steps
    ahead = (torch.rand(steps.shape, generator=generator) * left).long().clamp(max=left - 1) + 1
    candidates = {"final": lengths, "future": steps + ahead, "successor": steps + 1}
    names = list(mixture)
    shares = torch.tensor([mixture[name] for name in names], dtype=torch.float64)
    choice = torch.multinomial(shares, steps.shape[0], replacement=True, generator=generator)
    return torch.stack([candidates[name] for name in names])[choice, torch.arange(steps.shape[0])]
