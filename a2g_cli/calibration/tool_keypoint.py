"""Where a picture shows the tool, in the coordinates that the demonstrations measured: a small net on latents.

Every cell of every view votes: whether the tool is here, where exactly, how high it looks, and so which place that makes.
Each vote must be right by itself, so the one that counts is cast where a picture shows the hand, and not by the arm's lean,
which tells a place as well, but a wrong one where the arm stands elsewhere. Votes are trained to go along when a picture is
shifted, turned and scaled, so that the net finds the tool where no demonstration had it.
``calibration/nominal_fit.py`` trains it.
"""

import torch
from torch import Tensor, nn

REACH = 1.5
"""How far a cell may place the tool from its own centre [half widths of a cell]."""
HIGHEST = 4.0
"""The tool's greatest height above or below its mean [deviations]."""
BENDS = 32


class ToolKeypoint(nn.Module):
    """Reads the tool's place x, y, z off the latents of all views."""

    def __init__(self, channels: int, views: int, width: int = 64) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(width, width, 1),
            nn.SiLU(),
            nn.Conv2d(width, 4, 1),
        )
        self.straight = nn.ModuleList(nn.Linear(3, 2) for _ in range(views))
        self.bent = nn.ModuleList(
            nn.Sequential(nn.Linear(3, BENDS), nn.SiLU(), nn.Linear(BENDS, 2)) for _ in range(views)
        )
        self.register_buffer("mean", torch.zeros(3))
        self.register_buffer("std", torch.ones(3))
        self.mean: Tensor
        self.std: Tensor

    def votes(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Return the votes of n cells a view, for latents (B, V, C, h, w).

        Returns:
            Their logits (B, V, n), and their points (B, V, n, 3): x and y in -1 .. 1 across the view, height [deviations].
        """
        found = self.net(latents.flatten(0, 1))
        height, width = found.shape[-2:]
        down = (torch.arange(height) + 0.5) / height * 2 - 1
        across = (torch.arange(width) + 0.5) / width * 2 - 1
        y, x = (part.flatten() for part in torch.meshgrid(down, across, indexing="ij"))
        logit, right, below, up = found.flatten(2).unbind(1)
        point = [x + right.tanh() * REACH / width, y + below.tanh() * REACH / height, HIGHEST * up.tanh()]
        shape = latents.shape[:2]
        return logit.unflatten(0, shape), torch.stack(point, -1).unflatten(0, shape)

    def places(self, points: Tensor) -> Tensor:
        """Return the places (B, V, n, 3) that points (B, V, n, 3) make, in deviations of the demonstrations'."""
        level = [
            straight(points[:, view]) + bent(points[:, view])
            for view, (straight, bent) in enumerate(zip(self.straight, self.bent, strict=True))
        ]
        return torch.cat([torch.stack(level, 1), points[..., 2:]], -1)

    def forward(self, latents: Tensor) -> Tensor:
        """Return the places (B, 3) that latents (B, V, C, h, w) show, in the robot's units."""
        logits, points = self.votes(latents)
        weight = logits.flatten(1).softmax(-1)
        place = (weight[..., None] * self.places(points).flatten(1, 2)).sum(1)
        return place * self.std + self.mean
