"""The frames of a recording at the size that a policy is trained at; what is on the disk stays as it is."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from a2g_cli.core.types import Image
from a2g_cli.data.recording.reader import Recording
from a2g_cli.policies.image_size import Size, in_words, resized


def read_frames(recording: Recording, camera: str, size: Size, rows: Iterable[int] | None = None) -> Image:
    """Return frames (n, H, W, 3) uint8 of ``camera`` at ``size``: all T + 1, or those of ``rows``.

    One frame at a time is held at its recorded size, so that memory depends on ``size`` alone.

    Raises:
        RecordingError: no such camera, or the file cannot be read.
        IndexError: a row beyond T.
    """
    if rows is None and recording.spec.cameras.get(camera) == size:
        return recording.frames(camera)
    picked = list(range(recording.length + 1) if rows is None else rows)
    frames = np.empty((len(picked), *size, 3), np.uint8)
    for place, row in enumerate(picked):
        frames[place] = resized(recording.frame(camera, row), size)
    return frames


def resizing(paths: Sequence[Path], size: Size) -> str:
    """Return in words what is done to the frames of recordings that are read at ``size``; empty for nothing.

    Raises:
        RecordingError: one of them cannot be read.
    """
    found = set()
    for path in paths:
        with Recording(path) as recording:
            found |= {in_words(recording.spec.cameras, size)}
    return "; ".join(sorted(found - {""}))
