"""MP4 as LeRobot uses it: one stream of images at a constant rate; frames are found by their number."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np

from a2g_cli.core.errors import A2GError
from a2g_cli.core.types import Image
from a2g_cli.data.formats.incoming import check_downloaded

KEYFRAMES = 2
"""Every second frame is a key frame, so that a frame in the middle is decoded at once: LeRobot's own choice."""

_SAME_RATE = 0.01
"""Largest accepted difference between the rates of video and dataset, as a share."""
_SHORT = 0.75
"""How much shorter than the episode a stretch of video may be [frames]: its end is rounded."""


def write_mp4(path: Path, frames: Iterator[Image], rate: float, lossless: bool) -> dict[str, Any]:
    """Write (H, W, 3) frames at ``rate`` [Hz] and return LeRobot's ``info`` of the video.

    Raises:
        A2GError: the encoder refuses.
        OSError: the disk does.
    """
    first = next(frames)
    height, width = first.shape[:2]
    odd = height % 2 or width % 2  # halved chroma needs even sides
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


@dataclass(frozen=True)
class Stretch:
    """The part of a video that shows one episode."""

    path: Path
    start: float
    """[s]."""
    end: float | None
    """[s]; None for the video's end."""
    count: int
    """Frames that the episode needs."""
    rate: float
    """Rows per second, by the dataset [Hz]."""
    size: tuple[int, int]
    """(H, W) [px]."""


def video_size(path: Path) -> tuple[int, int]:
    """Return (H, W) [px] of a video. Raises ValueError, OSError."""
    with _opened(path) as file:
        stream = file.streams.video[0]
        return int(stream.height), int(stream.width)


def read_mp4(stretch: Stretch, first: int = 0) -> Iterator[Image]:
    """Yield the frames (H, W, 3) of a stretch, from its frame ``first`` on.

    Raises:
        ValueError: it is too short, of another rate or size, or not a video that FFmpeg reads.
        OSError: the file cannot be read.
    """
    path, size, count = stretch.path, stretch.size, stretch.count - first
    yielded = 0
    try:
        with _opened(path) as file:
            stream = file.streams.video[0]
            if (stream.height, stream.width) != size:
                raise ValueError(f"{path.name} is {stream.width}x{stream.height}, {size[1]}x{size[0]} was announced")
            rate = float(stream.average_rate or 0) or stretch.rate
            _check_length(stretch, rate, float((stream.duration or 0) * (stream.time_base or 0)))
            start = stretch.start + first / rate
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
        raise ValueError(
            f"{path.name} has {first + yielded} frames from {stretch.start:.3f} s on, {stretch.count} are needed"
        )


def _check_length(stretch: Stretch, rate: float, whole: float) -> None:
    """Raise ValueError if the frames would belong to another episode, or to other moments than the rows.

    ``rate`` [Hz] and ``whole`` [s], its length, are the video's own; the length is 0 if the video does not say it.
    """
    name = stretch.path.name
    if stretch.end is not None and (stretch.end - stretch.start) * rate < stretch.count - _SHORT:
        shown = (stretch.end - stretch.start) * rate
        raise ValueError(f"{name} shows {shown:.0f} frames of it, {stretch.count} are needed")
    end = stretch.end if stretch.end is not None else whole
    if end and abs(rate - stretch.rate) > _SAME_RATE * stretch.rate:
        # As many frames as rows: only the rate that was written into the video is wrong.
        shown = (end - stretch.start) * rate
        if abs(shown - stretch.count) > 1 + _SHORT:
            raise ValueError(
                f"{name} has {rate:g} frames a second, the dataset {stretch.rate:g}: which frame belongs to which row is "
                "not known"
            )


def _opened(path: Path) -> Any:
    """Open a video. Raises OSError if it is missing, FFmpegError or ValueError if it is not a video."""
    if not path.is_file():
        raise FileNotFoundError(
            f"the video {path.parent.parent.name}/{path.parent.name}/{path.name} is missing: download the videos too"
        )
    check_downloaded(path)
    # Other demuxers can read further files that the video names.
    return av.open(str(path), format="mp4")
