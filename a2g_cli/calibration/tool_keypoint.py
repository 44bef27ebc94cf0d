"""A network that finds the tool in an image, and gives its position in the coordinates that the demonstrations measured.

Every cell of every view votes: whether the tool is in this cell, at which point, how high, and so at which position. Each
vote must be right by itself, so votes come from cells that show the hand. The lean of the arm tells the position too, but a
wrong one when the base was moved. When an image is shifted, rotated and scaled, the votes must move with it, so that the
network finds the tool where no demonstration had it. ``nominal_fit.py`` trains it.
"""

import torch
from torch import Tensor, nn

MAX_OFFSET = 1.5
"""How far from its centre a cell may place the tool [half widths of a cell]."""
MAX_HEIGHT = 4.0
"""The tool's largest distance from its mean height [standard deviations]."""
HIDDEN = 32


class ToolKeypoint(nn.Module):
    """Estimates the tool's position x, y, z from the latents of all views."""

    def __init__(self, channels: int, views: int, width: int = 64) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(width, width, 1),
            nn.SiLU(),
            nn.Conv2d(width, 4, 1),
        )
        # The names of these layers are those of the weights in ``home.safetensors``.
        self.straight = nn.ModuleList(nn.Linear(3, 2) for _ in range(views))
        self.bent = nn.ModuleList(
            nn.Sequential(nn.Linear(3, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, 2)) for _ in range(views)
        )
        self.register_buffer("mean", torch.zeros(3))
        self.register_buffer("std", torch.ones(3))
        self.mean: Tensor
        self.std: Tensor

    def votes(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Return the votes of the n cells of each view, for latents (B, V, C, h, w).

        Returns:
            Logits (B, V, n), and points (B, V, n, 3): x and y in -1 to 1 across the view, height [standard deviations].
        """
        out = self.net(latents.flatten(0, 1))
        height, width = out.shape[-2:]
        rows = (torch.arange(height) + 0.5) / height * 2 - 1
        columns = (torch.arange(width) + 0.5) / width * 2 - 1
        y, x = (part.flatten() for part in torch.meshgrid(rows, columns, indexing="ij"))
        logit, right, below, up = out.flatten(2).unbind(1)
        point = [
            x + right.tanh() * MAX_OFFSET / width,
            y + below.tanh() * MAX_OFFSET / height,
            MAX_HEIGHT * up.tanh(),
        ]
        shape = latents.shape[:2]
        return logit.unflatten(0, shape), torch.stack(point, -1).unflatten(0, shape)

    def positions(self, points: Tensor) -> Tensor:
        """Return the positions (B, V, n, 3) of points (B, V, n, 3), in the demonstrations' standard deviations."""
        horizontal = [
            straight(points[:, view]) + bent(points[:, view])
            for view, (straight, bent) in enumerate(zip(self.straight, self.bent, strict=True))
        ]
        return torch.cat([torch.stack(horizontal, 1), points[..., 2:]], -1)

    def forward(self, latents: Tensor) -> Tensor:
        """Return the positions (B, 3) of the tool in latents (B, V, C, h, w), in the robot's units."""
        logits, points = self.votes(latents)
        weight = logits.flatten(1).softmax(-1)
        position = (weight[..., None] * self.positions(points).flatten(1, 2)).sum(1)
        return position * self.std + self.mean
