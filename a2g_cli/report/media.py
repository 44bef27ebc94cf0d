"""Images and videos as data URIs, small enough that a report with two hundred of them can be sent by mail."""

import base64
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import PIL.Image

from a2g_cli.core.types import Image
from a2g_cli.data.recording.reader import Recording
from a2g_cli.display.video import FASTEST, SLOWEST, mp4_bytes, side_by_side

SIDE = 128
"""Height of videos [px]. Larger images are reduced to it; smaller ones are enlarged, which keeps their colours in H.264."""
BACKGROUND = 24
"""Dark pixels between images, and where there is none."""
MOST_FRAMES = 600
"""Most frames of a video; of a longer episode every second, or every third, and so on."""
BLOCK_BYTES = 16 * 2**20
"""Frames that are read at once have about this many bytes."""
VIDEO_BYTES = 12_500_000
"""Most bytes of all videos in a report, before they are written as text, which takes a third more."""


@dataclass(frozen=True)
class PageImage:
    """An image in the page."""

    uri: str
    width: int
    height: int
    alt: str


def page_image(image: Image, alt: str) -> PageImage:
    """Return ``image`` (H, W, 3) as a PNG; one that is higher than ``SIDE`` is reduced."""
    small = _reduced(image)
    buffer = io.BytesIO()
    PIL.Image.fromarray(small).save(buffer, format="PNG", optimize=False)
    return PageImage(data_uri("image/png", buffer.getvalue()), small.shape[1], small.shape[0], alt)


def joined(images: Mapping[str, Image]) -> Image:
    """Return the images of all cameras side by side."""
    return side_by_side(list(images.values()))


def blended(first: Image, second: Image) -> Image:
    """Return two images of one size laid over each other, half and half."""
    return ((first.astype(np.uint16) + second.astype(np.uint16)) // 2).astype(np.uint8)


@dataclass
class VideoBudget:
    """Makes videos until their bytes are used up."""

    left: int = field(default_factory=lambda: VIDEO_BYTES)
    refused: int = field(default=0, init=False)
    """Videos that were not made because the file would have become too large."""

    def take(self, size: int) -> bool:
        """Use up ``size`` bytes for something else; whether they were left."""
        if size > self.left:
            return False
        self.left -= size
        return True

    def video(self, recording: Recording) -> str | None:
        """Return all cameras of a recording side by side as a video; None if it does not fit.

        Raises:
            RecordingError: the recording is damaged.
            A2GError: the video cannot be encoded.
        """
        if self.left <= 0:
            self.refused += 1
            return None
        video = encoded(recording)
        if len(video) > self.left:
            self.refused += 1
            return None
        self.left -= len(video)
        return data_uri("video/mp4", video)


def encoded(recording: Recording) -> bytes:
    """Return all cameras of a recording side by side as an H.264 video.

    Raises:
        RecordingError: the recording is damaged.
        A2GError: it cannot be encoded, e.g. because there is no camera.
    """
    stride = math.ceil((recording.length + 1) / MOST_FRAMES)
    rate = recording.spec.rate / stride
    return mp4_bytes(_frames(recording, stride), rate if SLOWEST <= rate <= FASTEST else 10.0)


def _frames(recording: Recording, stride: int) -> Iterator[Image]:
    """Yield every ``stride``-th frame of all cameras, and the last: the end is what people look for."""
    steps = [*range(0, recording.length + 1, stride)]
    if steps[-1] != recording.length:
        steps.append(recording.length)
    if stride > 1:
        for step in steps:
            yield _sized([recording.frame(camera, step) for camera in recording.cameras])
        return
    # One read of many frames is faster than many reads.
    count = max(1, BLOCK_BYTES // sum(3 * rows * columns for rows, columns in recording.spec.cameras.values()))
    for first in range(0, len(steps), count):
        block = [recording.frames(camera, first, first + count) for camera in recording.cameras]
        for images in zip(*block, strict=True):
            yield _sized(images)


def _sized(images: Sequence[Image]) -> Image:
    small = _reduced(side_by_side(images))
    scale = max(1, SIDE // small.shape[0])
    return small if scale == 1 else small.repeat(scale, axis=0).repeat(scale, axis=1)


def _reduced(image: Image) -> Image:
    """Return ``image`` with at most ``SIDE`` rows."""
    rows, columns = image.shape[:2]
    if rows <= SIDE:
        return image
    size = (max(1, round(columns * SIDE / rows)), SIDE)
    return np.asarray(PIL.Image.fromarray(image).resize(size, PIL.Image.Resampling.BOX))


def data_uri(kind: str, data: bytes) -> str:
    """Return ``data`` as an address that holds it."""
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
