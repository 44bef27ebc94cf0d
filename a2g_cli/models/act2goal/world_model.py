"""The goal-conditioned visual world model, the planner ``flow``: imagines the frames from now to the goal by flow matching.

Tokens: [now + goal | proximal and distal frames]. The latents of now and goal are concatenated channel by channel. (The paper
concatenates along the sequence; with a small model, channels learn faster at half the cost.) Clean tokens have flow time 1,
which means data here; noisy ones have flow time t.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from a2g_cli.core.errors import CheckpointError, UsageError
from a2g_cli.models.act2goal.layers import Block, Norm, TimeEmbedding, zero_linear
from a2g_cli.models.act2goal.planner import Planner
from a2g_cli.models.flow import euler, interpolate, velocity
from a2g_cli.models.part_names import OWN
from a2g_cli.models.presets import Act2GoalConfig


def patchify(latents: Tensor, patch: int) -> Tensor:
    """Return tokens (..., h/p * w/p, C * p * p) of latents (..., C, h, w)."""
    *batch, channels, height, width = latents.shape
    x = latents.reshape(*batch, channels, height // patch, patch, width // patch, patch)
    x = x.movedim((-4, -2), (-5, -4))  # (..., h/p, w/p, C, p, p)
    return x.reshape(*batch, (height // patch) * (width // patch), channels * patch * patch)


def unpatchify(tokens: Tensor, patch: int, height: int, width: int) -> Tensor:
    """Undo ``patchify``: tokens (..., h/p * w/p, C * p * p) -> latents (..., C, h, w)."""
    *batch, _, features = tokens.shape
    x = tokens.reshape(*batch, height // patch, width // patch, features // patch**2, patch, patch)
    x = x.movedim((-5, -4), (-4, -2))
    return x.reshape(*batch, features // patch**2, height, width)


class WorldModel(Planner):
    """Predicts the velocity of the plan's frames; the action expert reads its hidden states.

    With a config that imagines no frames, it is an encoder of now and goal, for comparison.
    """

    def __init__(self, config: Act2GoalConfig, latent_size: tuple[int, int]) -> None:
        super().__init__()
        if config.planner == OWN["planner"] and config.planner_settings:
            raise CheckpointError(
                f"the planner 'flow' has no settings, but the config says {dict(config.planner_settings)}."
            )
        self.config, self.latent_size = config, latent_size
        self.context_patch, self.plan_patch = config.context_patch, config.plan_patch
        cells = latent_size[0] * latent_size[1]
        context_tokens, plan_tokens = cells // self.context_patch**2, cells // self.plan_patch**2
        views, frames, channels, width = (
            len(config.cameras),
            config.frames,
            config.latent_channels,
            config.model_width,
        )
        self.imagines = config.imagines
        plan_features = channels * self.plan_patch**2
        self.embed_context = nn.Linear(2 * channels * self.context_patch**2, width)
        self.context_position = nn.Parameter(torch.randn(context_tokens, width) * 0.02)
        self.view = nn.Parameter(torch.randn(views, 1, width) * 0.02)
        self.time = TimeEmbedding(width)
        self.blocks = nn.ModuleList(Block(width, config.model_heads) for _ in range(config.blocks))
        if self.imagines:
            self.embed_plan = nn.Linear(plan_features, width)
            self.plan_position = nn.Parameter(torch.randn(plan_tokens, width) * 0.02)
            self.frame = nn.Parameter(torch.randn(frames, 1, 1, width) * 0.02)
            self.out_norm = Norm(width)
            self.out = zero_linear(width, plan_features)

    def forward(self, now: Tensor, goal: Tensor, frames: Tensor, time: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Predict the velocity of noisy ``frames`` and return every block's hidden states.

        Args:
            now: latents (B, V, C, h, w) of the present frame of each of V cameras.
            goal: latents (B, V, C, h, w).
            frames: noisy latents (B, F, V, C, h, w) of the plan.
            time: flow time (B,) of ``frames``.

        Returns:
            Velocity (B, F, V, C, h, w), and one (B, N, width) a block.
        """
        plan = self.embed_plan(patchify(frames, self.plan_patch)) if self.imagines else None
        x, hidden = self.attend(now, goal, plan, time)
        if plan is None:
            return torch.zeros_like(frames), hidden
        tokens = self.out(self.out_norm(x)).unflatten(1, (*frames.shape[1:3], -1))
        return unpatchify(tokens, self.plan_patch, *self.latent_size), hidden

    def attend(self, now: Tensor, goal: Tensor, plan: Tensor | None, time: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the last block's states of the frames' tokens (B, F * V * N, width), and the hidden states of all tokens.

        ``plan`` (B, F, V, N, width) are the tokens without their positions; None if no frames are imagined.
        """
        batch = len(now)
        context = self.embed_context(patchify(torch.cat([now, goal], dim=2), self.context_patch))
        context = (context + self.context_position + self.view).flatten(1, 2)
        clean = self.time(torch.ones_like(time[:1])).unsqueeze(1)
        x, modulation = context, clean.expand(batch, -1, -1, -1)
        if plan is not None:
            plan = (plan + self.plan_position + self.view + self.frame).flatten(1, 3)
            noisy = self.time(time).unsqueeze(1)
            # Modulation is given once for each run of tokens; the longest run that divides both parts.
            run = math.gcd(context.shape[1], plan.shape[1])
            times = clean.expand(batch, context.shape[1] // run, -1, -1), noisy.expand(-1, plan.shape[1] // run, -1, -1)
            x, modulation = torch.cat([context, plan], dim=1), torch.cat(times, dim=1)
        hidden = []
        for block in self.blocks:
            x = block(x, modulation)
            hidden.append(x)
        return x[:, context.shape[1] :], hidden

    @classmethod
    def settings(cls, source: str | None) -> Mapping[str, Any]:
        """Return nothing. Raises UsageError for a ``source``."""
        if source is not None:
            raise UsageError(f"flow:{source}: the planner 'flow' has no settings: write flow alone.")
        return {}

    def cost(
        self, now: Tensor, goal: Tensor, frames: Tensor, noise: Tensor, time: Tensor, shown: Tensor
    ) -> tuple[Tensor, list[Tensor]]:
        """Return the mean squared error of the velocity; see ``Planner.cost``."""
        # At flow time 0 the point on the path is the noise itself.
        predicted, hidden = self(now, goal, interpolate(noise, frames, time), time)
        if not shown.any():
            return predicted.new_zeros(()), hidden
        return (predicted[shown] - velocity(noise[shown], frames[shown])).square().mean(), hidden

    def imagine(self, now: Tensor, goal: Tensor, noise: Tensor, steps: int) -> Tensor:
        """Return imagined frames, denoised in ``steps`` Euler steps."""
        return euler(lambda x, t: self(now, goal, x, t)[0], noise, steps)
