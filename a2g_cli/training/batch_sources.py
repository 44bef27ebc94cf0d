"""What an adapter is taught: to imitate what was reached, or to do what the calibrated base does.

Both draw batches from the same recordings. Imitation is hindsight's rule. Correction teaches a calibration
(``calibration/transform.py``) instead of applying it: the base, frozen, sees practice as at home, and what it would do
here is the target.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from a2g_cli.calibration.transform import DomainTransform
from a2g_cli.encoding.segments import Segments
from a2g_cli.models.act2goal.model import Act2Goal

TEMPERATURE = 0.3
"""Of the noise that the base's chunks begin from: that of acting."""
DENOISING = 5
"""Euler steps over the base's chunks."""


class BatchSource(Protocol):
    """Where an adaptation's batches come from."""

    def subset(self, episodes: list[int]) -> "BatchSource":
        """Return the lesson restricted to ``episodes``."""

    def batch(self, size: int, mixture: Mapping[str, float], generator: torch.Generator) -> dict[str, Tensor]:
        """Draw what ``Act2Goal.losses`` takes."""


@dataclass(frozen=True)
class HindsightBC:
    """What was reached was the goal, and what led there is right; less so where it took longer than the head expects."""

    segments: Segments
    yardstick: Act2Goal
    """Whose steps-to-go head expects; that head is never adapted."""
    patience: float
    """tau of the weights [steps]; 0 for none."""

    def subset(self, episodes: list[int]) -> "HindsightBC":
        """Return the lesson restricted to ``episodes``."""
        return replace(self, segments=self.segments.subset(episodes))

    def batch(self, size: int, mixture: Mapping[str, float], generator: torch.Generator) -> dict[str, Tensor]:
        """Draw relabelled segments, weighted."""
        batch = self.segments.batch(size, mixture, self.yardstick.config.hashing, generator)
        if self.patience > 0:
            batch["weight"] = hindsight_weights(self.yardstick, batch, self.patience)
        return batch


@dataclass(frozen=True)
class Distillation:
    """What the base, told by a calibration, does from where practice has been, towards goals asked for and reached.

    A LoRA adapter that is taught this carries the calibration in its weights, and needs none when it acts.
    """

    segments: Segments
    goals: Tensor
    """(E, V, C, h, w): what each episode was asked for."""
    told: Segments
    """The same episodes as they would have been at home."""
    told_goals: Tensor
    base: Act2Goal
    """Without any adapter."""
    calibration: DomainTransform
    low: Tensor
    """(A,) limits of the actions, in the robot's units."""
    high: Tensor

    def subset(self, episodes: list[int]) -> "Distillation":
        """Return the lesson restricted to ``episodes``."""
        return replace(
            self,
            segments=self.segments.subset(episodes),
            goals=self.goals[episodes],
            told=self.told.subset(episodes),
            told_goals=self.told_goals[episodes],
        )

    @torch.no_grad()
    def batch(self, size: int, mixture: Mapping[str, float], generator: torch.Generator) -> dict[str, Tensor]:
        """Draw segments, half of them towards the goal that was asked for, and have the base plan them."""
        config = self.base.config
        drawn = self.segments.draw(size, mixture, generator)
        batch, told = (one.gather(*drawn, config.hashing) for one in (self.segments, self.told))
        asked = (torch.rand(size, generator=generator) < 0.5).view(-1, 1, 1, 1, 1)
        batch["goal"] = torch.where(asked, self.goals[drawn[0]].float(), batch["goal"])
        told["goal"] = torch.where(asked, self.told_goals[drawn[0]].float(), told["goal"])
        frames = torch.randn(size, config.frames, *self.base.frame_shape, generator=generator)
        noise = TEMPERATURE * torch.randn(size, config.hashing.actions, len(config.action_names), generator=generator)
        chunk = self.base.act(told["now"], told["goal"], told["proprioception"], frames, noise, DENOISING)
        dense = chunk.shape[1]
        batch["actions"][:, :dense] = self.corrected(chunk)
        # Only what is executed is taught: of distal actions the base knows no displacement.
        batch["mask"] = torch.zeros_like(batch["mask"])
        batch["mask"][:, :dense] = True
        return batch

    def corrected(self, chunk: Tensor) -> Tensor:
        """Return the actions (..., A) that bring here what ``chunk`` (..., A) would bring at home, within the limits."""
        config = self.base.config
        actions = self.calibration.from_nominal(chunk, config.action_names, config.proprioception_names)
        return torch.minimum(torch.maximum(actions, self.low), self.high)


def hindsight_weights(model: Act2Goal, batch: Mapping[str, Tensor], patience: float) -> Tensor:
    """Return each relabelled sample's weight (B,): 1 where the goal was reached as fast as expected, less where slower."""
    with torch.no_grad():
        expected = model.steps_to_go.steps(batch["now"], batch["goal"])
    return torch.exp((expected - batch["steps_to_go"]).clamp(max=0.0) / patience)
