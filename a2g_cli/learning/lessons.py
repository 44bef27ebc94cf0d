"""What an adapter is taught: to imitate what was reached, or to bring about what the base means.

Both draw batches from the same recordings. Imitation is hindsight's rule. Correction is for a robot whose motors obey another
law than the base's demonstrations did (``motion.py``): the base, frozen, plans from where practice has been, and its chunk,
through both laws, is the target.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from a2g_cli.learning.motion import MotionLaw, columns
from a2g_cli.learning.segments import Segments
from a2g_cli.policy.act2goal import Act2Goal

TEMPERATURE = 0.3
"""Of the noise that the base's chunks begin from: that of acting."""
DENOISING = 5
"""Euler steps over the base's chunks."""


class Lesson(Protocol):
    """Where an adaptation's batches come from."""

    def subset(self, episodes: list[int]) -> "Lesson":
        """Return the lesson restricted to ``episodes``."""

    def batch(self, size: int, mixture: Mapping[str, float], generator: torch.Generator) -> dict[str, Tensor]:
        """Draw what ``Act2Goal.losses`` takes."""


@dataclass(frozen=True)
class Imitation:
    """What was reached was the goal, and what led there is right; less so where it took longer than the head expects."""

    segments: Segments
    yardstick: Act2Goal
    """Whose steps-to-go head expects; that head is never adapted."""
    patience: float
    """tau of the weights [steps]; 0 for none."""

    def subset(self, episodes: list[int]) -> "Imitation":
        """Return the lesson restricted to ``episodes``."""
        return replace(self, segments=self.segments.subset(episodes))

    def batch(self, size: int, mixture: Mapping[str, float], generator: torch.Generator) -> dict[str, Tensor]:
        """Draw relabelled segments, weighted."""
        batch = self.segments.batch(size, mixture, self.yardstick.config.hashing, generator)
        if self.patience > 0:
            batch["weight"] = hindsight_weights(self.yardstick, batch, self.patience)
        return batch


@dataclass(frozen=True)
class Correction:
    """What the base wants from where practice has been, towards goals asked for and reached, by the actions that bring it."""

    segments: Segments
    goals: Tensor
    """(E, V, C, h, w): what each episode was asked for."""
    base: Act2Goal
    """Without any adapter."""
    home: MotionLaw
    here: MotionLaw
    low: Tensor
    """(A,) limits of the actions, in the robot's units."""
    high: Tensor

    def subset(self, episodes: list[int]) -> "Correction":
        """Return the lesson restricted to ``episodes``."""
        return replace(self, segments=self.segments.subset(episodes), goals=self.goals[episodes])

    @torch.no_grad()
    def batch(self, size: int, mixture: Mapping[str, float], generator: torch.Generator) -> dict[str, Tensor]:
        """Draw segments, half of them towards the goal that was asked for, and have the base plan them."""
        config = self.base.config
        episode, step, goal_step = self.segments.draw(size, mixture, generator)
        batch = self.segments.gather(episode, step, goal_step, config.hashing)
        asked = (torch.rand(size, generator=generator) < 0.5).view(-1, 1, 1, 1, 1)
        batch["goal"] = torch.where(asked, self.goals[episode].float(), batch["goal"])
        frames = torch.randn(size, config.frames, *self.base.frame_shape, generator=generator)
        noise = TEMPERATURE * torch.randn(size, config.hashing.actions, len(config.action_names), generator=generator)
        chunk = self.base.act(batch["now"], batch["goal"], batch["proprioception"], frames, noise, DENOISING)
        dense = chunk.shape[1]
        batch["actions"][:, :dense] = self.corrected(chunk)
        # Only what is executed is taught: of distal actions the base knows no displacement.
        batch["mask"] = torch.zeros_like(batch["mask"])
        batch["mask"][:, :dense] = True
        return batch

    def corrected(self, chunk: Tensor) -> Tensor:
        """Return the actions (..., A) that bring here what ``chunk`` (..., A) would bring at home, within the limits."""
        config = self.base.config
        acting, _ = columns(self.here.names, config.action_names, config.proprioception_names)
        actions = chunk.clone()
        actions[..., acting] = self.here.command(self.home.displacement(chunk[..., acting]))
        return torch.minimum(torch.maximum(actions, self.low), self.high)


def hindsight_weights(model: Act2Goal, batch: Mapping[str, Tensor], patience: float) -> Tensor:
    """Return each relabelled sample's weight (B,): 1 where the goal was reached as fast as expected, less where slower."""
    with torch.no_grad():
        expected = model.steps_to_go.steps(batch["now"], batch["goal"])
    return torch.exp((expected - batch["steps_to_go"]).clamp(max=0.0) / patience)
