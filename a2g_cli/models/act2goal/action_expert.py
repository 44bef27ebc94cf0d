"""The action expert: generates actions from the world model's hidden states, by flow matching.

It has as many blocks as the world model, and they are narrower. Block i attends to the hidden states of the world model's
block i; these keys and values are computed once per plan and used by every denoising step.
"""

from typing import Any

import torch
from torch import Tensor, nn

from a2g_cli.models.act2goal.layers import Block, Norm, TimeEmbedding, zero_linear
from a2g_cli.models.presets import Act2GoalConfig

KeysValues = list[tuple[Tensor, Tensor]]


class ActionExpert(nn.Module):
    """Predicts the velocity of noisy actions, dense and distal ones."""

    def __init__(self, config: Act2GoalConfig) -> None:
        super().__init__()
        width, actions = config.expert_width, len(config.action_names)
        self.embed_action = nn.Linear(actions, width)
        self.embed_proprioception = nn.Linear(len(config.proprioception_names), width)
        self.position = nn.Parameter(torch.randn(1 + config.hashing.actions, width) * 0.02)
        self.time = TimeEmbedding(width)
        self.blocks = nn.ModuleList(
            Block(width, config.expert_heads, context_width=config.model_width) for _ in range(config.blocks)
        )
        self.context_norm = Norm(config.model_width)
        self.out_norm = Norm(width)
        self.out = zero_linear(width, actions)

    def compile(self, *args: Any, **options: Any) -> None:
        """Compile ``forward``, as ``nn.Module.compile`` does, and ``read``."""
        super().compile(*args, **options)
        self.read = torch.compile(self.read, *args, **options)  # type: ignore[method-assign]

    def read(self, hidden: list[Tensor]) -> KeysValues:
        """Return the keys and values of the world model's hidden states for each block; once per plan."""
        return [
            block.cross.keys_values(self.context_norm(states))  # type: ignore[union-attr, operator]
            for block, states in zip(self.blocks, hidden, strict=True)
        ]

    def forward(self, actions: Tensor, time: Tensor, proprioception: Tensor, context: KeysValues) -> Tensor:
        """Predict the velocity of noisy ``actions``.

        Args:
            actions: normalised (n * B, P + M, A); n chunks in a row share one context.
            time: flow time (n * B,).
            proprioception: normalised (n * B, proprioception size).
            context: from ``read``, batch B.

        Returns:
            Velocity (n * B, P + M, A).
        """
        state = self.embed_proprioception(proprioception).unsqueeze(1)
        x = torch.cat([state, self.embed_action(actions)], dim=1) + self.position
        modulation = self.time(time).unsqueeze(1)
        for block, keys_values in zip(self.blocks, context, strict=True):
            x = block(x, modulation, keys_values)
        out: Tensor = self.out(self.out_norm(x[:, 1:]))
        return out
