"""Videos and images of recordings, made when a browser asks for them and kept in memory for a while."""

import io
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import PIL.Image

from a2g_cli.core.errors import A2GError, UnknownNameError
from a2g_cli.core.types import Image
from a2g_cli.data.recording.reader import Recording
from a2g_cli.report.imagined import jpeg
from a2g_cli.report.media import encoded, joined

MOST_BYTES = 64 * 2**20
"""Bytes that are kept in memory; what was not asked for longest goes first."""
SIDE = 256
"""Most rows of a image [px]."""

IMAGINED = "imagined-"
"""Beginning of the names of images of what was imagined; the plan's number follows."""

Key = tuple[str, ...]


@dataclass
class Kept:
    """What was made, up to ``MOST_BYTES``. One thing is made at a time: the robot needs the other cores."""

    most: int = MOST_BYTES
    _made: "OrderedDict[Key, bytes]" = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, key: Key, make: Callable[[], bytes]) -> bytes:
        """Return what is kept under ``key``; ``make`` it first if it is not there. Raises what ``make`` raises."""
        with self._lock:
            if key not in self._made:
                self._made[key] = make()
                while sum(map(len, self._made.values())) > self.most and len(self._made) > 1:
                    self._made.popitem(last=False)
            self._made.move_to_end(key)
            return self._made[key]


def version(path: Path) -> str:
    """Return what changes when a file is replaced. Raises OSError."""
    state = path.stat()
    return f"{state.st_mtime_ns:x}-{state.st_size:x}"


def video(path: Path) -> bytes:
    """Return all cameras of a recording side by side, as an H.264 video.

    Raises:
        RecordingError: the recording is damaged.
        A2GError: it cannot be encoded, or it has no camera.
    """
    with Recording(path) as recording:
        if not recording.cameras:
            raise A2GError(f"{path.name} has no camera.")
        return encoded(recording)


def frame(path: Path, which: str) -> bytes:
    """Return a PNG of a recording: its ``goal``, or its ``first`` or ``last`` frame.

    Raises:
        RecordingError: the recording is damaged.
        A2GError: it has no such image.
    """
    with Recording(path) as recording:
        if which == "goal":
            images = dict(recording.goal.images)
        else:
            index = 0 if which == "first" else -1
            images = {camera: recording.frame(camera, index) for camera in recording.cameras}
    if not images:
        raise A2GError(f"{path.name} has no such image.")
    return png(joined(images))


def imagined(path: Path, number: int) -> bytes:
    """Return what plan ``number`` of a recording imagined, above what really happened, as a JPEG.

    Raises:
        RecordingError: the recording is damaged.
        UnknownNameError: it has no such plan.
    """
    with Recording(path) as recording:
        plans = recording.imagined
        if number >= len(plans):
            raise UnknownNameError("plan", str(number), [])
        return jpeg(plans[number], recording)


def png(image: Image) -> bytes:
    """Return ``image`` as a PNG of at most ``SIDE`` rows."""
    small = PIL.Image.fromarray(image)
    if small.height > SIDE:
        small = small.resize((max(1, round(small.width * SIDE / small.height)), SIDE), PIL.Image.Resampling.BOX)
    buffer = io.BytesIO()
    small.save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


def part(asked: str, size: int) -> tuple[int, int] | None:
    """Return the bytes (first, behind the last) that a Range header asks for; None: all of them.

    Only one range is known; browsers ask for no more. Raises ValueError: there are no such bytes.
    """
    unit, _, span = asked.strip().partition("=")
    if unit != "bytes" or "," in span or "-" not in span:
        return None
    first, _, last = span.strip().partition("-")
    if not (first or last) or not (first + last).isdecimal() or len(first + last) > 30:
        return None
    if not first:
        begin, end = max(0, size - int(last)), size
    else:
        begin, end = int(first), min(size, int(last) + 1) if last else size
    if begin >= end:
        raise ValueError(f"no bytes {span} of {size}")
    return begin, end
