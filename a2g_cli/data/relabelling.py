"""Hindsight relabelling (HER, Andrychowicz et al. 2017; GCSL, Ghosh et al. 2020): a frame that was achieved becomes the goal.

A rule is index arithmetic and writes nothing: it maps an episode's length and the present step to the goal's frame index.
The rules are plugins (entry-point group ``a2g.relabelling``). Built in: ``final``, ``future``, ``successor`` (Act2Goal's).
"""

from collections.abc import Callable, Mapping
from functools import cache

import torch
from torch import Tensor

from a2g_cli.core import plugins
from a2g_cli.core.errors import PluginError, UsageError

Rule = Callable[[Tensor, Tensor, Tensor], Tensor]
"""``rule(lengths, steps, uniform)`` returns the goal's frame index (B,), from ``steps + 1`` to ``lengths``.

``lengths`` and ``steps`` are int64 (B,), as in ``relabel``; ``uniform`` (B,) is drawn from [0, 1), a rule's only randomness.
"""


def final(lengths: Tensor, steps: Tensor, uniform: Tensor) -> Tensor:
    """The episode's last frame."""
    return lengths


def future(lengths: Tensor, steps: Tensor, uniform: Tensor) -> Tensor:
    """A frame drawn uniformly from the later ones."""
    left = lengths - steps
    return steps + (uniform * left).long().clamp(max=left - 1) + 1


def successor(lengths: Tensor, steps: Tensor, uniform: Tensor) -> Tensor:
    """The next frame."""
    return steps + 1


@cache
def find_rule(name: str) -> Rule:
    """Return the relabelling rule called ``name``. Raises UnknownNameError, PluginError."""
    rule: Rule = plugins.load("relabelling rule", name)
    return rule


def parse_mixture(text: str) -> dict[str, float]:
    """Read a mixture of rules, ``"final"`` or ``"final:0.6,future:0.4"``; return rule -> share, which add up to 1.

    Raises:
        UnknownNameError: no such rule.
        PluginError: a rule cannot be imported.
        UsageError: a share that is not a positive number.
    """
    mixture: dict[str, float] = {}
    for part in text.split(","):
        name, _, share = part.strip().partition(":")
        find_rule(name)
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
    """Return the goal's frame index (B,) of each sample, always in ``steps + 1 .. lengths``.

    Args:
        mixture: rule -> share, adding up to 1.
        lengths: T of each sample's episode (B,); frame T is the last one.
        steps: the present frame (B,), in 0 .. T - 1.
        generator: the only source of randomness.

    Raises:
        PluginError: a rule fails, or returns something else than such an index.
    """
    uniform = torch.rand(steps.shape, generator=generator)
    goals = torch.stack([_apply(name, lengths, steps, uniform) for name in mixture])
    shares = torch.tensor(list(mixture.values()), dtype=torch.float64)
    choice = torch.multinomial(shares, steps.shape[0], replacement=True, generator=generator)
    return goals[choice, torch.arange(steps.shape[0])]


def _apply(name: str, lengths: Tensor, steps: Tensor, uniform: Tensor) -> Tensor:
    rule, what = find_rule(name), f"relabelling rule {name!r}"
    if plugins.is_built_in(rule):
        return rule(lengths, steps, uniform)
    with plugins.calling(what, "its call", error=PluginError):
        goals = rule(lengths, steps, uniform)
        if goals.shape != steps.shape or goals.dtype != torch.long or (goals <= steps).any() or (goals > lengths).any():
            raise PluginError(f"{what} must return int64 indices from step + 1 to length, one a sample, and does not.")
    return goals
