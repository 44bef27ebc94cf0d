"""The camera warp: maps a camera's image to the image that the camera of the training domain would take.

A homography of the pixels, because a camera that was moved sees the plane of the table under another homography; and a gain
and an offset per colour, because of other light. What stands on the table, centimetres above its plane, is off by a fraction
of a pixel. ``registration.py`` fits it.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

MIN_DISPLACEMENT = 0.012
"""A camera was moved when its pixels are displaced by more than this on average [share of the image's width] ..."""
MIN_COLOUR_CHANGE = 0.06
"""... and sees other colours when they change by more than this, 0 to 1."""


@dataclass(frozen=True)
class CameraWarp:
    """What is done to one camera's images."""

    homography: Tensor
    """(3, 3): a pixel of the training domain's image -> where it lies in this camera's, both in -1 to 1 from edge to edge."""
    gain: Tensor
    """(3,) factors of red, green and blue, whose values are 0 to 1."""
    offset: Tensor
    """(3,) added after the gain."""

    @classmethod
    def identity(cls) -> "CameraWarp":
        """Return the warp that changes nothing."""
        return cls(torch.eye(3), torch.ones(3), torch.zeros(3))

    def grid(self, height: int, width: int) -> Tensor:
        """Return where each pixel of the training domain's image lies in this camera's (1, H, W, 2), x before y."""
        rows = (torch.arange(height) + 0.5) / height * 2 - 1
        columns = (torch.arange(width) + 0.5) / width * 2 - 1
        y, x = torch.meshgrid(rows, columns, indexing="ij")
        points = torch.stack([x, y, torch.ones_like(x)], -1) @ self.homography.T
        # The clamp keeps out points at or behind the camera's plane.
        return (points[..., :2] / points[..., 2:].clamp(min=0.2))[None]

    def to_nominal(self, images: Tensor) -> Tensor:
        """Return images (B, 3, H, W), values 0 to 1, as the camera of the training domain would take them."""
        grid = self.grid(*images.shape[-2:]).expand(len(images), -1, -1, -1)
        sampled = functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
        return (sampled * self.gain.view(3, 1, 1) + self.offset.view(3, 1, 1)).clamp(0, 1)

    def pixels_to_nominal(self, images: Tensor) -> Tensor:
        """Do the same to uint8 images (B, H, W, 3)."""
        warped = self.to_nominal(images.movedim(-1, 1).float() / 255)
        return (warped * 255).round().to(torch.uint8).movedim(1, -1)

    def distance(self, other: "CameraWarp") -> tuple[float, float]:
        """Return the mean displacement of a pixel [share of the image's width] and the largest change of a colour, 0 to 1."""
        displacement = self.grid(64, 64) - other.grid(64, 64)
        # A colour changes linearly with its value: the largest change is that of black or of white.
        colours = [(self.gain * value + self.offset) - (other.gain * value + other.offset) for value in (0.0, 1.0)]
        return float(displacement.norm(dim=-1).mean()) / 2, float(torch.stack(colours).abs().max())

    def differs(self, other: "CameraWarp") -> bool:
        """Whether the warps differ by more than ``MIN_DISPLACEMENT`` or ``MIN_COLOUR_CHANGE``."""
        displacement, colour = self.distance(other)
        return displacement > MIN_DISPLACEMENT or colour > MIN_COLOUR_CHANGE

    def to_json(self) -> dict[str, Any]:
        """Return what ``from_json`` reads."""
        rows = {name: value.view(-1, 3).tolist() for name, value in vars(self).items()}
        return {name: [[round(number, 6) for number in row] for row in value] for name, value in rows.items()}

    @classmethod
    def from_json(cls, data: Any) -> "CameraWarp":
        """Read what ``to_json`` wrote. Raises KeyError, TypeError or ValueError for an invalid warp."""
        homography, gain, offset = (
            torch.tensor(data[name], dtype=torch.float32) for name in ("homography", "gain", "offset")
        )
        warp = cls(homography.reshape(3, 3), gain.reshape(3), offset.reshape(3))
        numbers = torch.cat([homography.flatten(), gain.flatten(), offset.flatten()])
        if (
            not numbers.isfinite().all()
            or numbers.abs().max() > 100
            or abs(float(torch.linalg.det(warp.homography))) < 1e-3
        ):
            raise ValueError("a camera warp has numbers that are not finite or too large, or cannot be inverted")
        return warp
