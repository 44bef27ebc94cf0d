"""A camera that plays a folder of images or a video file, to try things out and for tests."""

import itertools
import re
import time
from collections.abc import Iterator
from pathlib import Path

from a2g_cli.cameras.base import Frame
from a2g_cli.cameras.metadata import CameraMetadata
from a2g_cli.cameras.pace import Pace
from a2g_cli.core.errors import HardwareError, UsageError
from a2g_cli.core.photos import read_photo, why
from a2g_cli.core.types import Image
from a2g_cli.core.workspace import expanded

RATE = 30.0
"""The rate of a folder [Hz]."""
_MAX_SIDE = 8192
_KINDS = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".avif", ".heic", ".heif"}


class ImagesCamera:
    """Plays the images in a folder, in the order of their names, or a video file, at the rate of a camera.

    Args:
        path: the folder or the file.
        rate: images per second [Hz]; None for a video's own rate, or 30 for a folder.
        loop: start again after the last image; otherwise the camera fails there.
    """

    def __init__(self, path: str, rate: float | None = None, loop: bool = True) -> None:
        self._path = expanded(path).resolve()
        if not self._path.is_dir() and not self._path.is_file():
            raise UsageError(f"camera images:{path}: there is no such folder or video file.")
        if rate is not None and not 0 < rate <= 1000:
            raise UsageError(f"camera images:{path}: images cannot be played at {rate} Hz; expected 0 to 1000.")
        self._asked_rate = rate
        self._loop = loop
        self._images: Iterator[Image] | None = None
        self._rate = RATE
        self._pace = Pace(RATE)
        self._sequence = 0
        self.view: CameraMetadata | None = None
        """The metadata of an open camera."""

    def open(self) -> None:
        """Read the first image. Raises HardwareError if there is none."""
        if self._images is not None:
            return
        images = self._endless()
        first = next(images)
        self._images = itertools.chain([first], images)
        self._sequence = 0
        self._pace = Pace(self._rate)
        self.view = CameraMetadata(f"images:{self._path}", first.shape[1], first.shape[0])

    def read(self, timeout: float) -> Frame:
        """Return the next image when it is due. Raises HardwareError: not open, ended, unreadable, none in time."""
        if self._images is None or self.view is None:
            raise HardwareError(f"camera images:{self._path} is not open; call open() first.")
        if not self._pace.due_within(timeout):
            time.sleep(timeout)
            raise HardwareError(f"camera images:{self._path} has no image within {timeout:g} s: {self._rate:g} Hz.")
        moment = self._pace.wait()
        image = next(self._images)
        self._sequence += 1
        if image.shape[:2] != (self.view.height, self.view.width):
            raise HardwareError(
                f"{self._path}: an image is {image.shape[1]}x{image.shape[0]}, "
                f"the first one {self.view.width}x{self.view.height}; a camera has one size."
            )
        return Frame(image, moment, self._sequence)

    def close(self) -> None:
        """Let go of the files; harmless when called twice."""
        self._images = None

    def _endless(self) -> Iterator[Image]:
        play = self._folder if self._path.is_dir() else self._video
        count = 0
        while self._loop or count == 0:
            for image in play():
                count += 1
                yield image
            if count == 0:
                raise HardwareError(f"camera images:{self._path} holds no image.")
        raise HardwareError(f"camera images:{self._path} has ended, and does not loop.")

    def _folder(self) -> Iterator[Image]:
        self._rate = self._asked_rate or RATE
        for path in sorted(self._path.iterdir(), key=_natural):
            if path.suffix.lower() in _KINDS:
                try:
                    yield read_photo(path).pixels
                except (OSError, ValueError) as error:
                    raise HardwareError(f"{path} cannot be read as an image: {why(error)}.") from error

    def _video(self) -> Iterator[Image]:
        import av

        try:
            with av.open(str(self._path)) as container:
                if not container.streams.video:
                    raise HardwareError(f"camera images:{self._path} holds no image.")
                stream = container.streams.video[0]
                if max(stream.width, stream.height) > _MAX_SIDE:
                    raise HardwareError(f"{self._path} has images of {stream.width}x{stream.height}: too large.")
                self._rate = self._asked_rate or float(stream.average_rate or RATE)
                for frame in container.decode(stream):
                    yield frame.to_ndarray(format="rgb24")
        except (av.FFmpegError, OSError, ValueError) as error:
            raise HardwareError(f"{self._path} cannot be played: {why(error)}.") from error


def _natural(path: Path) -> list[tuple[int, str]]:
    """Return a sort key that puts ``frame2`` before ``frame10``."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", path.name)]
