"""What a goal photo adds to the scene, and how much of it a frame shows: learned from the start frames of practice alone.

The background is the median of the frames in which an episode begins. Where the photo differs from it, something has to
change. A frame is compared with the photo there and nowhere else, so the arm counts only where it hides the change. What
was put down a little beside its place still counts: the change may be shifted by up to 1.5 pixels of 64.

No network takes part, so no adapter can learn to please this measure.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from a2g_cli.core.types import Image

Pixels = NDArray[np.float32]
Mask = NDArray[np.bool_]
Values = TypeVar("Values", Mask, Pixels)

DIFFERS = 30
"""Two pixels differ if one of their channels does by more than this [of 255]."""
OFTEN = 0.6
"""Pixels that move in more than this share of the start frames show the arm: no change is seen there."""
NEVER = 0.05
"""The arm was not where pixels move in fewer than this share of the start frames."""
SMALLEST = 4
"""Smallest part of a change [px of 64 x 64]."""
PART = 0.6
"""A smaller part than this share of the largest, at a place where the arm was, is the arm as the photo shows it."""
CLIP = 60.0
"""Most that one pixel counts, mean over the channels [of 255]: an arm in front of the change is no worse than nothing."""
FLOOR = 0.3
"""Least distance from the background that counts in the score, as a share of the photo's."""
SIDE = 64
"""Images are averaged down to about this many pixels a side before they are compared."""
_HALF, _WHOLE = (-1.0, -0.5, 0.0, 0.5, 1.0), (-1.5, 0.0, 1.5)
SHIFTS = [(y, x) for y in _HALF for x in _HALF] + [(y, x) for y in _WHOLE for x in _WHOLE if (y, x) != (0.0, 0.0)]
"""(down, right) by which the change is shifted [px of 64]."""
_NEIGHBOURS = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)]


@dataclass(frozen=True)
class GoalChange:
    """What one camera's goal photo adds to the scene."""

    mask: Mask
    """(h, w): where the photo differs from the background."""
    region: Mask
    """(h, w): the mask and what lies up to three pixels beside it: P pixels, which are compared."""
    background: Pixels
    """(P, 3)."""
    shifted: Pixels
    """(number of SHIFTS, P, 3): the background with the change at each shift."""

    def score(self, frames: Image) -> Pixels:
        """Return how far each of frames (n, H, W, 3) is from the photo (n,): 0 at the goal, about 1 at the start.

        It is v**2 / b: v, the distance from the photo at the best shift, b, that from the background, both as shares of the
        distance between photo and background.
        """
        seen = reduced(frames)[:, self.region]
        unit = float(_distance(self.shifted[SHIFTS.index((0.0, 0.0))][None], self.background)[0])
        away = np.min([_distance(seen, shifted) for shifted in self.shifted], axis=0) / unit
        moved = np.maximum(_distance(seen, self.background) / unit, FLOOR)
        score: Pixels = np.maximum(away, 0.02) ** 2 / moved
        return score


def goal_change(starts: Image, goal: Image) -> GoalChange | None:
    """Return what ``goal`` (H, W, 3) adds to the scene of the frames ``starts`` (n, H, W, 3); None if nothing is seen.

    Args:
        starts: the first frames of all episodes, before anything was achieved. What is different from episode to episode,
            as the arm and the things that have to be moved, is no part of the background.
        goal: the photo, by the same camera.
    """
    frames, photo = reduced(starts), reduced(goal[None])[0]
    background: Pixels = np.median(frames, axis=0).astype(np.float32)
    visited = np.mean([_differ(frame, background) for frame in frames], axis=0)
    mask = _without_arm(_differ(photo, background) & (visited < OFTEN), visited)
    if not mask.any():
        return None
    region = _grown(mask, 3) & (visited < OFTEN)
    change = np.where(_grown(mask, 1)[..., None], photo - background, np.float32(0))
    shifted = np.stack([(background + _shifted(change, y, x))[region] for y, x in SHIFTS])
    return GoalChange(mask, region, background[region], shifted)


def reduced(frames: Image) -> Pixels:
    """Return frames (n, H, W, 3) averaged over squares of pixels, so that the shorter side has 64 to 127 pixels."""
    side = max(1, min(frames.shape[1:3]) // SIDE)
    height, width = (length // side for length in frames.shape[1:3])
    if side == 1:
        return frames.astype(np.float32)
    squares = frames[:, : height * side, : width * side].reshape(len(frames), height, side, width, side, 3)
    return squares.mean(axis=(2, 4), dtype=np.float32)


def _distance(frames: Pixels, other: Pixels) -> Pixels:
    """Return the clipped distances of (n, P, 3) from (P, 3), summed over the pixels: (n,)."""
    channels = np.abs(frames - other)
    total: Pixels = np.minimum(channels.mean(axis=-1), CLIP).sum(axis=-1)
    return total


def _differ(one: Pixels, other: Pixels) -> Mask:
    differ: Mask = np.abs(one - other).max(axis=-1) > DIFFERS
    return differ


def _without_arm(mask: Mask, visited: NDArray[np.float64]) -> Mask:
    """Return the connected parts of ``mask`` that are large, or lie where the arm never was."""
    parts = [part for part in _parts(mask) if part.sum() >= SMALLEST]
    largest = max((part.sum() for part in parts), default=0)
    kept = [part for part in parts if part.sum() >= PART * largest or visited[part].mean() <= NEVER]
    return np.any(kept, axis=0) if kept else np.zeros_like(mask)


def _parts(mask: Mask) -> Iterator[Mask]:
    """Yield the connected parts of ``mask``, diagonals included."""
    left = mask.copy()
    while left.any():
        part = np.zeros_like(mask)
        part[tuple(np.argwhere(left)[0])] = True
        while (wider := _grown(part, 1) & left).sum() > part.sum():
            part = wider
        left &= ~part
        yield part


def _grown(mask: Mask, pixels: int) -> Mask:
    for _ in range(pixels):
        mask = np.any([_moved(mask, y, x) for y, x in _NEIGHBOURS], axis=0)
    return mask


def _shifted(values: Pixels, down: float, right: float) -> Pixels:
    """Return ``values`` (h, w, 3) shifted by fractions of a pixel, by linear interpolation; 0 comes in from outside."""
    top, left = int(np.floor(down)), int(np.floor(right))
    low, far = down - top, right - left
    total = np.zeros_like(values)
    for y, share_y in ((top, 1 - low), (top + 1, low)):
        for x, share_x in ((left, 1 - far), (left + 1, far)):
            if share_y * share_x > 0:
                total += np.float32(share_y * share_x) * _moved(values, y, x)
    return total


def _moved(values: Values, down: int, right: int) -> Values:
    """Return ``values`` moved by whole pixels; 0 comes in from outside."""
    height, width = values.shape[:2]
    moved = np.zeros_like(values)
    moved[max(0, down) : height + min(0, down), max(0, right) : width + min(0, right)] = values[
        max(0, -down) : height + min(0, -down), max(0, -right) : width + min(0, -right)
    ]
    return moved
