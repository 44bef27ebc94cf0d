"""Reads the frames of a recording at the size that a policy is trained at; the file stays as it is."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from a2g_cli.core.types import Image
from a2g_cli.data.recording.reader import Recording
from a2g_cli.policies.image_size import Size, in_words, resized


def read_frames(recording: Recording, camera: str, size: Size, rows: Iterable[int] | None = None) -> Image:
    """Return frames (n, H, W, 3) uint8 of ``camera`` at ``size``: all T + 1, or those of ``rows``.

    Frames are read one by one, so that memory depends on ``size`` and not on the recorded size.

    Raises:
        RecordingError: there is no such camera, or the file cannot be read.
        IndexError: a row is beyond T.
    """
    if rows is None and recording.spec.cameras.get(camera) == size:
        return recording.frames(camera)
    picked = list(range(recording.length + 1) if rows is None else rows)
    frames = np.empty((len(picked), *size, 3), np.uint8)
    for i, row in enumerate(picked):
        frames[i] = resized(recording.frame(camera, row), size)
    return frames


def resizing(paths: Sequence[Path], size: Size) -> str:
    """Return a message about the recordings whose frames are resized to ``size``; empty if there are none.

    Raises:
        RecordingError: a recording cannot be read.
    """
    messages = set()
    for path in paths:
        with Recording(path) as recording:
            messages |= {in_words(recording.spec.cameras, size)}
    return "; ".join(sorted(messages - {""}))
