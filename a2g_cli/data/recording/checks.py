"""Checks of an episode's numbers, used by ``verify``, by imports and before training.

Frames are not read: a check takes milliseconds per episode.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from a2g_cli.core.types import Vector
from a2g_cli.data.recording.reader import Recording
from a2g_cli.robots.base import RobotSpec

MAX_AGE = 1.0
"""Oldest frame that an observation may use [s]; the world of an older one may have changed."""

_TOLERANCE = 1e-3
"""Largest accepted difference between the clocks of camera and robot [s]."""
_RATE_TOLERANCE = 0.1
"""Largest accepted difference between the median step and the control period, as a share of it."""


@dataclass(frozen=True)
class Numbers:
    """The numbers of an episode of T actions."""

    spec: RobotSpec
    actions: Vector
    """(T, A)."""
    requested: Vector
    """(T, A)."""
    proprioception: Vector
    """(T + 1, P)."""
    times: NDArray[np.float64]
    """(T + 1,) [s]."""
    captured_at: Mapping[str, NDArray[np.float64]]
    """Camera -> (T + 1,) [s]."""


def numbers_of(recording: Recording) -> Numbers:
    """Return the numbers of ``recording``. Raises RecordingError."""
    return Numbers(
        recording.spec,
        recording.actions,
        recording.requested,
        recording.proprioception,
        recording.times,
        {camera: recording.captured_at(camera) for camera in recording.cameras},
    )


def faults(numbers: Numbers) -> Iterator[str]:
    """Yield the faults for which no training can use an episode: numbers that are not finite, times that do not grow."""
    arrays: dict[str, NDArray[Any]] = {
        "actions": numbers.actions,
        "actions_requested": numbers.requested,
        "proprioception": numbers.proprioception,
        "times": numbers.times,
        **{f"captured_at/{camera}": row for camera, row in numbers.captured_at.items()},
    }
    for name, array in arrays.items():
        if count := int((~np.isfinite(array)).sum()):
            yield f"{name}: {count} of {array.size} numbers are NaN or infinite"
    rate = numbers.spec.rate
    if not (np.isfinite(rate) and rate > 0):
        yield f"spec: a control rate of {rate} Hz"
    with np.errstate(invalid="ignore"):  # infinite ones, which are reported above
        if count := int((np.diff(numbers.times) <= 0).sum()):
            yield f"times: {count} of {len(numbers.actions)} steps do not advance"
        for camera, captured in numbers.captured_at.items():
            if count := int((np.diff(captured) < 0).sum()):
                yield f"captured_at/{camera}: {count} frames are older than the frame before them"


def doubts(numbers: Numbers, max_age: float = MAX_AGE) -> Iterator[str]:
    """Yield other contradictions to the robot's spec or clock. Frames may be ``max_age`` [s] old.

    Training can use such an episode, but it may not show what really happened.
    """
    spec, times = numbers.spec, numbers.times
    low, high = np.asarray(spec.action_low, np.float32), np.asarray(spec.action_high, np.float32)
    outside = np.logical_or(numbers.actions < low, numbers.actions > high)
    if outside.any():
        names = [name for index, name in enumerate(spec.action_names) if outside[:, index].any()]
        yield f"actions: {int(outside.any(axis=1).sum())} sent beyond the limits of {', '.join(names)}"
    if not np.isfinite(times).all():
        return
    if (np.diff(times) > 0).all() and np.isfinite(spec.rate) and spec.rate > 0:
        usual = float(np.median(np.diff(times)))
        if abs(usual * spec.rate - 1) > _RATE_TOLERANCE:
            yield (
                f"times: the usual step takes {usual:.4g} s, which is {1 / usual:.4g} Hz; the spec says {spec.rate:g} Hz"
            )
    for camera, captured in numbers.captured_at.items():
        if not np.isfinite(captured).all():
            continue
        if count := int((np.diff(captured) == 0).sum()):
            yield f"captured_at/{camera}: {count} frames were used twice"
        ages = times - captured
        if (ages < -_TOLERANCE).any():
            yield f"captured_at/{camera}: a frame was captured {-ages.min():.3f} s after it was used"
        if (ages > max_age).any():
            yield f"captured_at/{camera}: a frame was {ages.max():.3f} s old when it was used, {max_age:g} s is the most"
