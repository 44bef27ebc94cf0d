"""Writes episodes as video files."""

import io
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import chain, pairwise
from pathlib import Path

import numpy as np

from a2g_cli.core.errors import A2GError, UsageError
from a2g_cli.core.files import replacing
from a2g_cli.core.types import Image

_GIF_TICK = 0.01
"""Unit of time in a GIF [s]; viewers slow down frames that are shorter than two units."""

MOST_PIXELS = 2**28
"""Of images side by side."""
SLOWEST, FASTEST = 0.001, 100_000.0
"""Rates that a video can have [Hz]."""


def write_video(path: Path, frames: Iterable[Image], rate: float, scale: int = 4) -> None:
    """Write ``frames`` to ``path`` at ``rate`` [Hz], enlarged ``scale`` times, in the format of the suffix.

    The file appears under its name only when it is complete.

    Raises:
        UsageError: a suffix other than .mp4 or .gif, no frames, or frames of different sizes.
        A2GError: the file cannot be written.
    """
    if path.suffix.lower() not in _WRITERS:
        raise UsageError(
            f"{path.name!r} is not the name of a video: expected a name that ends in {' or '.join(_WRITERS)}."
        )
    if not SLOWEST <= rate <= FASTEST or scale < 1:
        raise UsageError(
            f"{rate:g} Hz and scale {scale}: expected a rate of {SLOWEST:g} to {FASTEST:g} Hz and a scale of at least 1."
        )
    try:
        with replacing(path, ".partial") as partial:
            _WRITERS[path.suffix.lower()](partial, _enlarged(frames, scale), rate)
    except OSError as error:
        raise A2GError(f"{path} cannot be written: {error.strerror or error}") from error


def side_by_side(images: Sequence[Image], gap: int = 2, scale: int = 1) -> Image:
    """Return ``images`` from left to right as one image, all as high as the highest; pixels are repeated, not blended.

    Args:
        images: At least one.
        gap: Dark columns between two images, before scaling [px].
        scale: Each pixel becomes ``scale`` by ``scale`` pixels.

    Raises:
        A2GError: more than ``MOST_PIXELS``, as of a very wide image beside a very high one.
    """
    height = max(image.shape[0] for image in images)
    width = sum(gap + image.shape[1] * height / image.shape[0] for image in images)
    if height * width * scale**2 > MOST_PIXELS:
        raise A2GError(
            f"{len(images)} images side by side are {width * scale:.0f}x{height * scale}: too large to be shown."
        )
    bar = np.full((height, gap, 3), 24, np.uint8)
    parts: list[Image] = []
    for image in images:
        parts += [_of_height(image, height), bar]
    return _repeat(np.concatenate(parts[:-1], axis=1), scale)


def _of_height(image: Image, height: int) -> Image:
    """Return ``image`` resized to ``height`` [px] by nearest neighbour; the aspect is kept."""
    if image.shape[0] == height:
        return image
    width = max(1, round(image.shape[1] * height / image.shape[0]))
    rows = np.arange(height) * image.shape[0] // height
    columns = np.arange(width) * image.shape[1] // width
    nearest: Image = image[rows[:, None], columns]
    return nearest


def _repeat(image: Image, scale: int) -> Image:
    return image if scale == 1 else image.repeat(scale, axis=0).repeat(scale, axis=1)


def _enlarged(frames: Iterable[Image], scale: int) -> Iterator[Image]:
    """Yield ``frames`` enlarged, with even sides. Raises UsageError for no frames, or frames of different sizes."""
    shape = None
    for index, frame in enumerate(frames):
        shape = shape or frame.shape
        if frame.shape != shape:
            raise UsageError(
                f"frame {index} is {_size(frame.shape)}, but the first is {_size(shape)}: all frames of a video need "
                "one size."
            )
        large = _repeat(frame, scale)
        odd_rows, odd_columns = large.shape[0] % 2, large.shape[1] % 2
        yield (
            np.pad(large, ((0, odd_rows), (0, odd_columns), (0, 0)), mode="edge") if odd_rows or odd_columns else large
        )
    if shape is None:
        raise UsageError("the episode has no frames, so there is no video to write.")


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[0]}"


def mp4_bytes(frames: Iterable[Image], rate: float, crf: int = 26) -> bytes:
    """Return ``frames`` as an H.264 video at ``rate`` [Hz], for a page that holds many small ones.

    Args:
        frames: at least one, all of one size.
        rate: [Hz], above 0.
        crf: how much quality is given up for size: 18 looks as the original, 30 does not.

    Raises:
        UsageError: no frames, or frames of different sizes.
        A2GError: they cannot be encoded.
    """
    buffer = io.BytesIO()
    _encode_mp4(buffer, _enlarged(frames, 1), rate, {}, {"crf": str(crf), "preset": "veryfast", "g": "30"})
    return buffer.getvalue()


def _write_mp4(path: Path, frames: Iterator[Image], rate: float) -> None:
    _encode_mp4(str(path), frames, rate, {"movflags": "faststart"}, {"crf": "18"})


def _encode_mp4(
    target: str | io.BytesIO, frames: Iterator[Image], rate: float, options: dict[str, str], codec: dict[str, str]
) -> None:
    """Write ``frames`` into a file or a buffer; ``options`` are the container's, ``codec`` those of H.264."""
    import av
    import av.error

    first = next(frames)
    try:
        with av.open(target, "w", format="mp4", options=options) as file:
            stream = file.add_stream("h264", rate=Fraction(rate).limit_denominator(1000), options=codec)
            stream.height, stream.width = first.shape[:2]
            stream.pix_fmt = "yuv420p"
            for image in chain([first], frames):
                file.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            file.mux(stream.encode())
    except av.error.FFmpegError as error:
        if isinstance(error, OSError):
            raise
        raise A2GError(f"the video cannot be encoded: {error}") from error


def _write_gif(path: Path, frames: Iterator[Image], rate: float) -> None:
    import PIL.Image

    stride = math.ceil(2 * _GIF_TICK * rate)
    images = [PIL.Image.fromarray(frame) for index, frame in enumerate(frames) if index % stride == 0]
    # Moments are rounded, not durations, so that the total length is right.
    moments = [round(index * stride / rate / _GIF_TICK) * 10 for index in range(len(images) + 1)]
    durations = [end - start for start, end in pairwise(moments)]
    images[0].save(path, format="GIF", save_all=True, append_images=images[1:], duration=durations, loop=0)


_WRITERS: dict[str, Callable[[Path, Iterator[Image], float], None]] = {".mp4": _write_mp4, ".gif": _write_gif}
