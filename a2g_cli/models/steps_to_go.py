"""Estimates how many steps are left to the goal, from the latents of now and goal.

Used to show progress, to stop and to weight hindsight samples (after "Self-Improving Embodied Foundation Models", arXiv
2509.15155). It shares no weights with the policy, so adapting the policy does not change how success is measured.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from a2g_cli.models.presets import Act2GoalConfig


class StepsToGo(nn.Module):
    """Predicts log(1 + steps): an error of one step counts more near the goal than far from it."""

    def __init__(self, config: Act2GoalConfig, latent_size: tuple[int, int]) -> None:
        super().__init__()
        features = 3 * len(config.cameras) * config.latent_channels * latent_size[0] * latent_size[1]
        width = config.steps_width
        self.net = nn.Sequential(
            nn.Linear(features, width),
            nn.SiLU(),
            nn.RMSNorm(width),
            nn.Linear(width, width),
            nn.SiLU(),
            nn.Linear(width, 1),
        )

    def forward(self, now: Tensor, goal: Tensor) -> Tensor:
        """Return predicted log(1 + steps) (B,) for latents now, goal (B, V, C, h, w)."""
        pair = torch.cat([now, goal, goal - now], dim=2).flatten(1)
        out: Tensor = self.net(pair)
        return out.squeeze(-1)

    def steps(self, now: Tensor, goal: Tensor) -> Tensor:
        """Return the estimated number of steps left (B,), at least 0."""
        return torch.expm1(self(now, goal).clamp(min=0.0, max=10.0))

    def loss(self, now: Tensor, goal: Tensor, steps: Tensor) -> Tensor:
        """Return the smooth L1 error in log(1 + steps), a scalar."""
        return functional.smooth_l1_loss(self(now, goal), torch.log1p(steps.float()), beta=0.1)
