"""What is wrong with the numbers of an episode: one set of checks for ``verify``, for imports and before any training.

Only numbers are read here, no frames: it costs milliseconds an episode.
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
"""A frame older than this when it was used shows a world that has moved on [s]."""

_TOLERANCE = 1e-3
"""Clocks of cameras are compared with the robot's: what they may disagree by [s]."""
_RATE_TOLERANCE = 0.1
"""What the usual step may differ from the control period, as a share of it."""


@dataclass(frozen=True)
class Numbers:
    """All of an episode of T actions that is no picture."""

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
    """Yield what makes an episode useless to learn from: numbers that are none, and time that does not go forward."""
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
    with np.errstate(invalid="ignore"):  # infinite ones, which are named above
        if count := int((np.diff(numbers.times) <= 0).sum()):
            yield f"times: {count} of {len(numbers.actions)} steps do not move on"
        for camera, captured in numbers.captured_at.items():
            if count := int((np.diff(captured) < 0).sum()):
                yield f"captured_at/{camera}: {count} frames are older than the frame before them"


def doubts(numbers: Numbers, max_age: float = MAX_AGE) -> Iterator[str]:
    """Yield what else contradicts the robot's spec or its clock. Frames may be ``max_age`` [s] old.

    A policy can learn from such an episode; what it shows may not be what happened.
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
