"""Where a finetuning's batches come from: hindsight behaviour cloning on recorded practice."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from a2g_cli.encoding.segments import Segments
from a2g_cli.models.act2goal.model import Act2Goal


class BatchSource(Protocol):
    """Draws the batches of a finetuning."""

    def subset(self, episodes: list[int]) -> "BatchSource":
        """Return the same source, restricted to ``episodes``."""

    def batch(self, size: int, mixture: Mapping[str, float], generator: torch.Generator) -> dict[str, Tensor]:
        """Draw ``size`` samples for ``Act2Goal.losses``; ``mixture``: relabelling rule -> share."""


@dataclass(frozen=True)
class HindsightBC:
    """Behaviour cloning in hindsight (GCSL): a frame that was reached is the goal, and the actions before it the labels.

    Slow ways to a goal count less, see ``hindsight_weights``.
    """

    segments: Segments
    yardstick: Act2Goal
    """The model whose steps-to-go head gives the expected number of steps. Finetuning never changes that head."""
    patience: float
    """tau of the weights [steps]; 0: all samples weigh 1."""

    def subset(self, episodes: list[int]) -> "HindsightBC":
        """Return the same source, restricted to ``episodes``."""
        return replace(self, segments=self.segments.subset(episodes))

    def batch(self, size: int, mixture: Mapping[str, float], generator: torch.Generator) -> dict[str, Tensor]:
        """Draw relabelled segments with their weights."""
        batch = self.segments.batch(size, mixture, self.yardstick.config.hashing, generator)
        if self.patience > 0:
            batch["weight"] = hindsight_weights(self.yardstick, batch, self.patience)
        return batch


def hindsight_weights(model: Act2Goal, batch: Mapping[str, Tensor], patience: float) -> Tensor:
    """Return each sample's weight (B,): exp(min(0, expected - taken) / tau), with tau = ``patience`` [steps].

    It is 1 where the goal was reached in the number of steps that the steps-to-go head expects or fewer, and less where
    it took longer.
    """
    with torch.no_grad():
        expected = model.steps_to_go.steps(batch["now"], batch["goal"])
    return torch.exp((expected - batch["steps_to_go"]).clamp(max=0.0) / patience)
