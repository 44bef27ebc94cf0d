"""The action expert: turns the world model's hidden states into motor commands, by flow matching over the chunk.

As many blocks as the world model, narrower. Block i attends to the hidden states of the world model's block i; those keys
and values are made once per plan and serve every denoising step.
"""

from typing import Any

import torch
from torch import Tensor, nn

from a2g_cli.models.act2goal.layers import Block, Norm, TimeEmbedding, zero_linear
from a2g_cli.models.presets import Act2GoalConfig

KeysValues = list[tuple[Tensor, Tensor]]


class ActionExpert(nn.Module):
    """Velocity of a noisy chunk of dense and distal actions."""

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

    def compile(self, *words: Any, **options: Any) -> None:
        """Compile both of its passes, as ``nn.Module.compile`` does the one."""
        super().compile(*words, **options)
        self.read = torch.compile(self.read, *words, **options)  # type: ignore[method-assign]

    def read(self, hidden: list[Tensor]) -> KeysValues:
        """Return each block's keys and values of the world model's hidden states: once per plan."""
        return [
            block.cross.keys_values(self.context_norm(states))  # type: ignore[union-attr, operator]
            for block, states in zip(self.blocks, hidden, strict=True)
        ]

    def forward(self, actions: Tensor, time: Tensor, proprioception: Tensor, context: KeysValues) -> Tensor:
        """Predict the velocity of noisy ``actions``.

        Args:
            actions: normalised (n * B, P + M, A); n chunks in a row may share one context.
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
