"""Image registration: fits the camera warp under which a background looks like that of the training domain.

Both are medians over many frames. Homography, gain and offset are fitted together by gradient descent, from coarse to fine;
the error is robust, because the arm, its shadow and some objects may be elsewhere.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from a2g_cli.calibration.camera import CameraWarp

BLURS = (0.09, 0.045, 0.022, 0.01)
"""Standard deviation of the Gaussian blur at each stage [share of the image's width]."""
STEPS = 150
"""Gradient steps at each stage."""
REFINING = 40
"""Gradient steps from a warp that is near."""
REGULARISATION = 0.002
"""Weight of the squared homography's difference from the identity."""
SMOOTHING = 0.01
"""Error below which the robust error is quadratic, 0 to 1 (Charbonnier)."""


@dataclass(frozen=True)
class Registration:
    """A fitted warp and its errors."""

    warp: CameraWarp
    before: float
    """Mean error of a pixel's colour without the warp, 0 to 1."""
    after: float
    """The same with the warp."""


def register(nominal: Tensor, observed: Tensor, start: CameraWarp | None = None) -> Registration:
    """Return the warp under which ``observed`` looks like ``nominal``, both (H, W, 3) uint8 images of one size.

    With ``start``, which has to be near, only the last stage is done, and only in part.
    """
    images = [image.movedim(-1, 0).float()[None] / 255 for image in (nominal, observed)]
    bend = torch.zeros(3, 3) if start is None else start.homography - torch.eye(3)
    colour = torch.zeros(2, 3) if start is None else torch.stack([start.gain - 1, start.offset])
    bend, colour = bend.requires_grad_(), colour.requires_grad_()
    optimiser = torch.optim.Adam([bend, colour], lr=0.01)
    free = torch.ones(3, 3)
    free[2, 2] = 0.0  # a homography is defined up to scale
    with torch.enable_grad():
        for stage, blur in list(enumerate(BLURS))[0 if start is None else -1 :]:
            target, source = (_blurred(image, blur * image.shape[-1]) for image in images)
            optimiser.param_groups[0]["lr"] = 0.01 if stage < 2 else 0.004
            for _ in range(STEPS if start is None else REFINING):
                optimiser.zero_grad()
                loss = _error(target, source, _warp(bend * free, colour))
                loss = loss + REGULARISATION * (bend * free).square().sum()
                loss.backward()
                optimiser.step()
    warp = _warp((bend * free).detach(), colour.detach())
    with torch.no_grad():
        target, source = (_blurred(image, BLURS[-1] * image.shape[-1]) for image in images)
        before, after = _error(target, source, CameraWarp.identity()), _error(target, source, warp)
        return Registration(warp, float(before), float(after))


def _warp(bend: Tensor, colour: Tensor) -> CameraWarp:
    return CameraWarp(torch.eye(3) + bend, 1 + colour[0], colour[1])


def _error(target: Tensor, source: Tensor, warp: CameraWarp) -> Tensor:
    """Return the mean robust error over the pixels of ``target`` that lie inside ``source``."""
    grid = warp.grid(*target.shape[-2:])
    warped = functional.grid_sample(source, grid, padding_mode="border", align_corners=False)
    warped = warped * warp.gain.view(3, 1, 1) + warp.offset.view(3, 1, 1)
    inside = (grid.abs() < 1).all(-1).float()[:, None]
    error = ((warped - target).square() + SMOOTHING**2).sqrt()
    return (error * inside).sum() / (3 * inside.sum().clamp(min=1.0))


def _blurred(image: Tensor, deviation: float) -> Tensor:
    """Return an image (1, 3, H, W) under a Gaussian blur of standard deviation ``deviation`` [px]."""
    radius = max(1, round(3 * deviation))
    weight = torch.exp(-torch.arange(-radius, radius + 1).square() / (2 * max(deviation, 1e-3) ** 2))
    kernel = (weight / weight.sum()).view(1, 1, 1, -1).expand(3, 1, 1, -1)
    rows = functional.conv2d(functional.pad(image, (radius, radius, 0, 0), mode="replicate"), kernel, groups=3)
    return functional.conv2d(
        functional.pad(rows, (0, 0, radius, radius), mode="replicate"), kernel.transpose(2, 3), groups=3
    )
