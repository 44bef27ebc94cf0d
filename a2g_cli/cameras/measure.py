"""Measures cameras that run at the same time: their true rate, their latency, and lost images."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from a2g_cli.cameras.reader import CameraReader
from a2g_cli.core.errors import HardwareError

_GLANCE = 0.001
"""Time between two checks of the newest frames [s]."""


@dataclass(frozen=True)
class Measured:
    """The measurements of one camera."""

    images: int
    rate: float
    """Images per second without the lost ones [Hz]; NaN for fewer than two images."""
    latency: float
    """Median time from capture until the image is available [s]."""
    latency_99: float
    """99th percentile of that time [s]."""
    lost: int
    """Images that the camera counted but that did not arrive."""
    frozen: bool
    """All images had the same bytes."""
    failure: str = ""
    """The camera's error; empty if it did not fail."""


def measure(readers: Mapping[str, CameraReader], seconds: float) -> dict[str, Measured]:
    """Watch open cameras for ``seconds`` [s] and return the measurements of each."""
    seen: dict[str, list[tuple[int, float, float, bool]]] = {name: [] for name in readers}
    failures = dict.fromkeys(readers, "")
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for name, reader in readers.items():
            if failures[name]:
                continue
            try:
                frame = reader.newest()
            except HardwareError as error:
                failures[name] = str(error)
                continue
            rows = seen[name]
            if frame is not None and (not rows or frame.sequence != rows[-1][0]):
                still = frame.unchanged_since is not None and frame.unchanged_since < frame.captured_at
                rows.append((frame.sequence, frame.captured_at, reader.age(frame), still))
        time.sleep(_GLANCE)
    return {name: _summary(rows, failures[name]) for name, rows in seen.items()}


def _summary(rows: list[tuple[int, float, float, bool]], failure: str) -> Measured:
    count = len(rows)
    span = rows[-1][1] - rows[0][1] if count > 1 else 0.0
    ages = [age for _, _, age, _ in rows] or [float("nan")]
    return Measured(
        images=count,
        rate=(count - 1) / span if span > 0 else float("nan"),
        latency=float(np.median(ages)),
        latency_99=float(np.percentile(ages, 99)),
        lost=rows[-1][0] - rows[0][0] + 1 - count if rows else 0,
        # The first image is left out: it was compared with one from before the measurement.
        frozen=count > 2 and all(still for _, _, _, still in rows[1:]),
        failure=failure,
    )
