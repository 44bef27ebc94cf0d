"""Registration: which view of a camera makes its picture of the empty scene what the base's was.

Both are medians over many frames, in which nothing moves. Homography, gain and offset are found together by descent, from
coarse to fine; the error is robust, for the arm, its shadow and a thing or two may stand elsewhere.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from a2g_cli.calibration.camera import CameraWarp

BLURS = (0.09, 0.045, 0.022, 0.01)
"""Deviation of the blur at each stage, as a share of the picture's width."""
STEPS = 150
"""Of descent, at each stage."""
SMALL = 0.002
"""Weight that keeps the homography near to none where the picture does not say."""
SMOOTH = 0.01
"""Error below which a pixel's is squared, 0 to 1."""


@dataclass(frozen=True)
class Registered:
    """A view, and how well it does."""

    view: CameraWarp
    before: float
    """Mean error of a pixel's colour without it, 0 to 1."""
    after: float
    """The same with it."""


def register(home: Tensor, here: Tensor) -> Registered:
    """Return the view under which ``here`` looks like ``home``, both (H, W, 3) uint8 pictures of one size."""
    ours, theirs = (picture.movedim(-1, 0).float()[None] / 255 for picture in (home, here))
    bend = torch.zeros(3, 3, requires_grad=True)
    colour = torch.zeros(2, 3, requires_grad=True)
    optimiser = torch.optim.Adam([bend, colour], lr=0.01)
    free = torch.ones(3, 3)
    free[2, 2] = 0.0  # a homography's scale says nothing
    with torch.enable_grad():
        for stage, blur in enumerate(BLURS):
            wanted, found = (_blurred(picture, blur * picture.shape[-1]) for picture in (ours, theirs))
            optimiser.param_groups[0]["lr"] = 0.01 if stage < 2 else 0.004
            for _ in range(STEPS):
                optimiser.zero_grad()
                loss = _error(wanted, found, _view(bend * free, colour)) + SMALL * (bend * free).square().sum()
                loss.backward()
                optimiser.step()
    view = _view((bend * free).detach(), colour.detach())
    with torch.no_grad():
        wanted, found = (_blurred(picture, BLURS[-1] * picture.shape[-1]) for picture in (ours, theirs))
        return Registered(view, float(_error(wanted, found, CameraWarp.same())), float(_error(wanted, found, view)))


def _view(bend: Tensor, colour: Tensor) -> CameraWarp:
    return CameraWarp(torch.eye(3) + bend, 1 + colour[0], colour[1])


def _error(wanted: Tensor, found: Tensor, view: CameraWarp) -> Tensor:
    """Return the mean robust error over the pixels that this camera sees of the home picture."""
    grid = view.grid(*wanted.shape[-2:])
    seen = functional.grid_sample(found, grid, padding_mode="border", align_corners=False)
    seen = seen * view.gain.view(3, 1, 1) + view.offset.view(3, 1, 1)
    inside = (grid.abs() < 1).all(-1).float()[:, None]
    error = ((seen - wanted).square() + SMOOTH**2).sqrt()
    return (error * inside).sum() / (3 * inside.sum().clamp(min=1.0))


def _blurred(picture: Tensor, deviation: float) -> Tensor:
    """Return a picture (1, 3, H, W) blurred by a Gaussian [px]."""
    reach = max(1, round(3 * deviation))
    weight = torch.exp(-torch.arange(-reach, reach + 1).square() / (2 * max(deviation, 1e-3) ** 2))
    kernel = (weight / weight.sum()).view(1, 1, 1, -1).expand(3, 1, 1, -1)
    across = functional.conv2d(functional.pad(picture, (reach, reach, 0, 0), mode="replicate"), kernel, groups=3)
    return functional.conv2d(
        functional.pad(across, (0, 0, reach, reach), mode="replicate"), kernel.transpose(2, 3), groups=3
    )
