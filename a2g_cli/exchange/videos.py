"""MP4 as LeRobot keeps it: one stream of pictures at a constant rate, frames found by their number."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np

from a2g_cli.episode import Image
from a2g_cli.errors import A2GError

KEYFRAMES = 2
"""Every second frame stands alone, so that one in the middle is found at once: LeRobot's own choice."""


def write_mp4(path: Path, frames: Iterator[Image], rate: float, lossless: bool) -> dict[str, Any]:
    """Write (H, W, 3) frames at ``rate`` [Hz] and return what LeRobot's ``info`` says of a video.

    Raises:
        A2GError: the encoder refuses.
        OSError: the disk does.
    """
    first = next(frames)
    height, width = first.shape[:2]
    odd = height % 2 or width % 2  # halved chroma has no half pixels
    codec, pixels = ("libx264rgb", "rgb24") if lossless else ("libx264", "yuv444p" if odd else "yuv420p")
    options = {"crf": "0" if lossless else "18", "g": str(KEYFRAMES), "preset": "veryfast"}
    try:
        with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as file:
            stream = file.add_stream(codec, rate=Fraction(rate).limit_denominator(10000), options=options)
            stream.height, stream.width, stream.pix_fmt = height, width, pixels
            for image in chain([first], frames):
                file.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")))
            file.mux(stream.encode())
    except av.error.FFmpegError as error:
        if isinstance(error, OSError):
            raise
        raise A2GError(f"the video {path.name} cannot be encoded: {error}") from error
    return {
        "video.height": height,
        "video.width": width,
        "video.codec": "h264",
        "video.pix_fmt": "gbrp" if lossless else pixels,
        "video.is_depth_map": False,
        "video.fps": rate,
        "video.channels": 3,
        "has_audio": False,
    }


def read_mp4(path: Path, start: float, count: int, size: tuple[int, int]) -> Iterator[Image]:
    """Yield ``count`` frames of ``size`` (H, W) from ``start`` [s] on.

    Raises:
        ValueError: no such stretch, another size, or not a video that FFmpeg reads.
        OSError: the file cannot be read.
    """
    yielded = 0
    try:
        # No demuxer that reads other files than the one it was given.
        with av.open(str(path), format="mp4") as file:
            stream = file.streams.video[0]
            if (stream.height, stream.width) != size:
                raise ValueError(f"{path.name} is {stream.width}x{stream.height}, {size[1]}x{size[0]} was announced")
            rate = float(stream.average_rate or 0) or 30.0
            if start > 0:
                file.seek(int(start / stream.time_base), stream=stream)
            decoded = (frame for frame in file.decode(stream) if frame.time is not None)
            wanted = (frame for frame in decoded if frame.time >= start - 0.5 / rate)
            for frame in islice(wanted, count):
                if (frame.height, frame.width) != size:
                    raise ValueError(f"{path.name} changes its size")
                yielded += 1
                yield frame.to_ndarray(format="rgb24")
    except (av.error.FFmpegError, IndexError, ZeroDivisionError, OverflowError) as error:
        raise ValueError(f"{path.name} is not a video that can be read: {error}") from error
    if yielded != count:
        raise ValueError(f"{path.name} has {yielded} frames from {start:.3f} s on, {count} are needed")
