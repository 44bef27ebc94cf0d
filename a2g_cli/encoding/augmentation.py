"""Image augmentation: other colours, other light, a camera that was moved, as in another deployment.

The autoencoder learns from images that are augmented one by one. The policy learns from copies of demonstrations: each copy
has one appearance for its goal and all its frames, as a deployment has.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class RandomFraming:
    """Ranges from which a camera's framing is drawn, in both directions."""

    turn: float
    """[rad]"""
    zoom: tuple[float, float]
    """Smallest and largest factor."""
    shift: float
    """Share of half the image's side."""


AUTOENCODER_RANGES = RandomFraming(0.35, (0.8, 1.15), 0.2)
"""For the autoencoder."""
POLICY_RANGES = RandomFraming(0.1, (0.94, 1.07), 0.06)
"""For the policy: at 64 pixels, a shift of two pixels."""


@dataclass(frozen=True)
class Appearance:
    """How n images are changed."""

    framing: Tensor
    """(n, 2, 3) affine map of the image's plane, for torch's ``affine_grid``."""
    order: Tensor
    """(n, 3) permutation of the colour channels."""
    gain: Tensor
    """(n, 3, 1, 1) factor of each colour."""
    offset: Tensor
    """(n, 1, 1, 1) added to all colours."""


def draw_appearances(size: int, framing: RandomFraming, generator: torch.Generator) -> Appearance:
    """Draw ``size`` appearances: framing (turn, zoom, shift), order of colours, gains and offsets of colours."""

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(size, *shape, generator=generator)

    angle, zoom = uniform(-framing.turn, framing.turn), uniform(*framing.zoom)
    cos, sin = zoom * angle.cos(), zoom * angle.sin()
    shift = uniform(-framing.shift, framing.shift, 2)
    affine = torch.stack([torch.stack([cos, -sin, shift[:, 0]], -1), torch.stack([sin, cos, shift[:, 1]], -1)], -2)
    # Demonstrations may show one red object only; the networks should also see a blue one.
    order = torch.rand(size, 3, generator=generator).argsort(dim=1)
    order = torch.where(uniform(0, 1, 1) < 0.5, order, torch.arange(3))
    gain, offset = uniform(0.6, 1.3, 3, 1, 1), uniform(-0.15, 0.15, 1, 1, 1)
    light = uniform(0.7, 1.2, 1, 1, 1)
    return Appearance(affine, order, gain * light, offset)


def apply_appearance(images: Tensor, appearance: Appearance) -> Tensor:
    """Return images (B, 3, H, W) in [-1, 1] changed by ``appearance``, which holds B appearances, or one for all images."""
    if len(appearance.order) == 1:
        framing, order = appearance.framing.expand(len(images), -1, -1), appearance.order.expand(len(images), -1)
        appearance = replace(appearance, framing=framing, order=order)
    grid = functional.affine_grid(appearance.framing.to(images), list(images.shape), align_corners=False)
    framed = functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
    coloured = framed.gather(1, appearance.order.to(images.device)[:, :, None, None].expand_as(framed))
    return (((coloured + 1) * appearance.gain.to(images) - 1) + appearance.offset.to(images)).clamp(-1, 1)


def augment(images: Tensor, generator: torch.Generator) -> Tensor:
    """Return images (B, 3, H, W) in [-1, 1], each with its own random appearance, in the ranges for the autoencoder."""
    return apply_appearance(images, draw_appearances(len(images), AUTOENCODER_RANGES, generator))
