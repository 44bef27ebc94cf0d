"""Pictures as another deployment might show them: other colours, other light, a camera that was knocked.

The autoencoder learns from pictures that each look their own way; the policy from demonstrations of which every copy looks
one way throughout, now, goal and all frames between, as a deployment would.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class RandomFraming:
    """How far a camera may be off, either way."""

    turn: float
    """[rad]"""
    zoom: tuple[float, float]
    """Least and greatest, relative."""
    shift: float
    """Share of half the picture's side."""


ANY = RandomFraming(0.35, (0.8, 1.15), 0.2)
"""What an autoencoder should be able to show."""
KNOCKED = RandomFraming(0.1, (0.94, 1.07), 0.06)
"""What a policy should see through: at 64 pixels, two of them to any side."""


@dataclass(frozen=True)
class Look:
    """Ways of looking, n of them."""

    framing: Tensor
    """(n, 2, 3) affine map of the picture's plane, as torch's ``affine_grid`` takes it."""
    order: Tensor
    """(n, 3) which colour each colour is shown in."""
    gain: Tensor
    """(n, 3, 1, 1) of each colour."""
    offset: Tensor
    """(n, 1, 1, 1) of all colours."""

    @property
    def one(self) -> bool:
        """Whether there is a single way, for whatever is looked at."""
        return len(self.order) == 1


def draw_looks(size: int, framing: RandomFraming, generator: torch.Generator) -> Look:
    """Draw ``size`` looks: random framing (turn, zoom, shift), swapped and shifted colours, light."""

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(size, *shape, generator=generator)

    angle, zoom = uniform(-framing.turn, framing.turn), uniform(*framing.zoom)
    cos, sin = zoom * angle.cos(), zoom * angle.sin()
    shift = uniform(-framing.shift, framing.shift, 2)
    affine = torch.stack([torch.stack([cos, -sin, shift[:, 0]], -1), torch.stack([sin, cos, shift[:, 1]], -1)], -2)
    # Demonstrations may hold one red thing only; a blue one should not be invisible.
    order = torch.rand(size, 3, generator=generator).argsort(dim=1)
    order = torch.where(uniform(0, 1, 1) < 0.5, order, torch.arange(3))
    gain, offset = uniform(0.6, 1.3, 3, 1, 1), uniform(-0.15, 0.15, 1, 1, 1)
    light = uniform(0.7, 1.2, 1, 1, 1)
    return Look(affine, order, gain * light, offset)


def seen(images: Tensor, look: Look) -> Tensor:
    """Return images (B, 3, H, W) in [-1, 1] as they look: each its own way of B, or all the only one."""
    if look.one:
        look = replace(look, framing=look.framing.expand(len(images), -1, -1), order=look.order.expand(len(images), -1))
    grid = functional.affine_grid(look.framing.to(images), list(images.shape), align_corners=False)
    framed = functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
    coloured = framed.gather(1, look.order.to(images.device)[:, :, None, None].expand_as(framed))
    return (((coloured + 1) * look.gain.to(images) - 1) + look.offset.to(images)).clamp(-1, 1)


def augment(images: Tensor, generator: torch.Generator) -> Tensor:
    """Return images (B, 3, H, W) in [-1, 1], each with a look of its own, as far off as an autoencoder should know."""
    return seen(images, draw_looks(len(images), ANY, generator))
