"""Which arrays of an environment are images, and how they become HxWx3 bytes.

Environments have images of bytes or of fractions, with the channels last or first, in grey, in a batch of one, and in
stacks. Bytes are taken as they are; the range of other numbers is the observation space's, else the first image's.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from a2g_cli.core.types import Image

LEAST_SIDE = 16
"""Sides from which an array without the plain shape of an image, HxWx3 bytes, may be one [px]: a matrix is smaller."""
RANGES = ((0.0, 1.0), (0.0, 255.0), (-1.0, 1.0))
"""From black to white. The last only where the observation space says so: numbers alone do not tell it."""
SLACK = 0.01
"""Share of the range by which a renderer's numbers may leave it."""

Frames = NDArray[Any]
"""NxHxWxC: N images, of 1 (grey), 3 (RGB) or 4 channels (RGB and another one)."""
Range = tuple[float, float]


@dataclass(frozen=True)
class Found:
    """An array that has the shape of an image, or of several."""

    frames: Frames
    range: Range | None
    """From black to white; None: its numbers are no brightness."""

    @property
    def count(self) -> int:
        """How many images it holds."""
        return len(self.frames)

    @property
    def certain(self) -> bool:
        """Whether it is surely an image: one channel of anything but bytes may as well be depth, or a mask."""
        return self.range is not None and (self.frames.shape[3] > 1 or self.frames.dtype == np.uint8)

    def words(self) -> str:
        """Return what it is: ``"4 images of 64x48"``, width first."""
        count, height, width, channels = self.frames.shape
        kind = {1: "one channel", 3: "RGB", 4: "four channels"}[channels]
        several = f"{count} images of " if count > 1 else ""
        shown = "" if self.frames.dtype == np.uint8 else f" from {_least(self.frames):g} to {_most(self.frames):g}"
        return f"{several}{width}x{height}, {kind}, {self.frames.dtype}{shown}"


def look(array: NDArray[Any], space: Any = None) -> Found | None:
    """Return the images in an array; None where it does not have the shape of any.

    Args:
        array: an entry of an observation, or what ``render`` has returned.
        space: its observation space, where there is one: a Box's bounds may say its range.
    """
    frames = frames_of(array) if array.dtype.kind in "biuf" else None
    return None if frames is None or not frames.size else Found(frames, _range(frames, space))


def frames_of(array: NDArray[Any]) -> Frames | None:
    """Return an array as NxHxWxC; None where it does not have the shape of an image."""
    if array.ndim >= 4 and array.shape[0] == 1:  # a batch of one
        return frames_of(array[0])
    shaped = {2: _in_grey, 3: _of_three_axes, 4: _of_four_axes}.get(array.ndim)
    return None if shaped is None else shaped(array)


def _in_grey(array: NDArray[Any]) -> Frames | None:
    return array[None, :, :, None] if min(array.shape) >= LEAST_SIDE else None


def _of_three_axes(array: NDArray[Any]) -> Frames | None:
    first, _, last = shape = array.shape
    if last in {1, 3, 4} and (min(shape[:2]) >= LEAST_SIDE or (last == 3 and array.dtype == np.uint8)):
        return array[None]
    if first in {1, 3} and min(shape[1:]) >= LEAST_SIDE:
        return np.moveaxis(array, 0, 2)[None]
    if sorted(shape)[1] >= LEAST_SIDE:  # images in grey, one behind the other along the shortest side
        return np.moveaxis(array, int(np.argmin(shape)), 0)[..., None]
    return None


def _of_four_axes(array: NDArray[Any]) -> Frames | None:
    shape = array.shape
    if shape[3] in {1, 3, 4} and min(shape[1:3]) >= LEAST_SIDE:
        return array
    return np.moveaxis(array, 1, 3) if shape[1] in {1, 3, 4} and min(shape[2:]) >= LEAST_SIDE else None


def to_image(frame: NDArray[Any], range_: Range) -> Image:
    """Return one frame HxWxC as HxWx3 bytes. Raises ValueError for numbers beyond its range, or that are none."""
    if frame.shape[2] == 4:
        frame = frame[..., :3]
    if frame.dtype != np.uint8:
        low, high = range_
        least, most = _least(frame), _most(frame)
        slack = SLACK * (high - low)
        if not (least >= low - slack and most <= high + slack):  # a number that is none compares as false
            raise ValueError(f"it holds {least:g} to {most:g}, not {low:g} to {high:g} as before")
        frame = np.rint(np.clip((np.asarray(frame, np.float32) - low) / (high - low), 0.0, 1.0) * 255.0).astype(
            np.uint8
        )
    return np.repeat(frame, 3, axis=2) if frame.shape[2] == 1 else frame


def _range(frames: Frames, space: Any) -> Range | None:
    if frames.dtype == np.uint8:
        return 0.0, 255.0
    if frames.dtype.kind == "b":
        return None
    colours = frames[..., :3]
    least, most = _least(colours), _most(colours)
    low, high = np.unique(getattr(space, "low", ())), np.unique(getattr(space, "high", ()))
    said = (float(low[0]), float(high[0])) if low.size == high.size == 1 else None
    fractions = frames.dtype.kind == "f"
    ranges = [one for one in RANGES if one == said] or [one for one in RANGES[:2] if fractions or one[1] > 1]
    return next((one for one in ranges if one[0] <= least and most <= one[1]), None)


def _least(array: NDArray[Any]) -> float:
    return float(array.min())


def _most(array: NDArray[Any]) -> float:
    return float(array.max())
