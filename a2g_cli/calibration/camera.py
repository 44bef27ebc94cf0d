"""How a camera's picture becomes what it would have been at home: a homography of the pixels, a gain and offset a colour.

A camera that was bumped sees the table's plane under another homography; a lamp that was changed gives other colours. What
stands on the table, centimetres above its plane, is off by a fraction of a pixel.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class CameraWarp:
    """What is done to one camera's pictures."""

    homography: Tensor
    """(3, 3): a pixel of the home picture -> where it lies in this camera's, both in -1 .. 1 from edge to edge."""
    gain: Tensor
    """(3,) of red, green and blue, in 0 .. 1."""
    offset: Tensor
    """(3,) added after the gain."""

    @classmethod
    def same(cls) -> "CameraWarp":
        """Return the view that changes nothing."""
        return cls(torch.eye(3), torch.ones(3), torch.zeros(3))

    def grid(self, height: int, width: int) -> Tensor:
        """Return where each pixel of the home picture lies in this camera's (1, H, W, 2), x before y."""
        down = (torch.arange(height) + 0.5) / height * 2 - 1
        across = (torch.arange(width) + 0.5) / width * 2 - 1
        y, x = torch.meshgrid(down, across, indexing="ij")
        places = torch.stack([x, y, torch.ones_like(x)], -1) @ self.homography.T
        # Behind the camera nothing is seen: the line at infinity is kept out.
        return (places[..., :2] / places[..., 2:].clamp(min=0.2))[None]

    def to_nominal(self, images: Tensor) -> Tensor:
        """Return pictures (B, 3, H, W), values 0 to 1, as the home camera would have taken them."""
        grid = self.grid(*images.shape[-2:]).expand(len(images), -1, -1, -1)
        seen = functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
        return (seen * self.gain.view(3, 1, 1) + self.offset.view(3, 1, 1)).clamp(0, 1)

    def pixels_to_nominal(self, images: Tensor) -> Tensor:
        """The same for uint8 pictures (B, H, W, 3)."""
        seen = self.to_nominal(images.movedim(-1, 1).float() / 255)
        return (seen * 255).round().to(torch.uint8).movedim(1, -1)

    def moved(self, other: "CameraWarp", size: int = 64) -> float:
        """Return how far apart two views put a picture's pixels: the mean, as a share of the picture's width."""
        apart = self.grid(size, size) - other.grid(size, size)
        return float(apart.norm(dim=-1).mean()) / 2

    def recoloured(self, other: "CameraWarp") -> float:
        """Return how far apart two views put a colour: the most that black, white or any between differs, 0 to 1."""
        ends = [(self.gain * value + self.offset) - (other.gain * value + other.offset) for value in (0.0, 1.0)]
        return float(torch.stack(ends).abs().max())

    def to_json(self) -> dict[str, Any]:
        """Return what ``from_json`` reads."""
        rows = {name: value.view(-1, 3).tolist() for name, value in vars(self).items()}
        return {name: [[round(number, 6) for number in row] for row in value] for name, value in rows.items()}

    @classmethod
    def from_json(cls, told: Any) -> "CameraWarp":
        """Read what ``to_json`` wrote. Raises KeyError, TypeError or ValueError for what cannot be a view."""
        homography, gain, offset = (
            torch.tensor(told[name], dtype=torch.float32) for name in ("homography", "gain", "offset")
        )
        view = cls(homography.reshape(3, 3), gain.reshape(3), offset.reshape(3))
        numbers = torch.cat([homography.flatten(), gain.flatten(), offset.flatten()])
        if (
            not numbers.isfinite().all()
            or numbers.abs().max() > 100
            or abs(float(torch.linalg.det(view.homography))) < 1e-3
        ):
            raise ValueError("its numbers make no picture")
        return view
