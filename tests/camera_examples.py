"""Images for cameras to play, and cameras that misbehave as real ones do."""

import time
from pathlib import Path

import av
import numpy as np
import PIL.Image

from a2g_cli.cameras.base import Frame
from a2g_cli.cameras.metadata import CameraMetadata
from a2g_cli.core.errors import HardwareError
from a2g_cli.core.types import Image

HEIGHT, WIDTH = 48, 64


def scene(index: int = 0, height: int = HEIGHT, width: int = WIDTH) -> Image:
    """Return a sharp, well-exposed image that is another one for every ``index``."""
    y, x = np.mgrid[:height, :width]
    image = np.full((height, width, 3), (150, 120, 90)) + (x + y)[..., None] * 0.3
    image[height // 4 : height // 2, width // 6 : width // 3] = (30, 60, 200)
    image[(x - width * 0.6 - index % 8) ** 2 + (y - height * 0.6) ** 2 < height * 1.2] = (200, 30, 40)
    noise = np.random.default_rng(index).normal(0, 1, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def folder(path: Path, count: int = 5) -> Path:
    """Make a folder of ``count`` images, the names of which sort wrongly as plain text."""
    path.mkdir(parents=True)
    for index in range(count):
        PIL.Image.fromarray(scene(index)).save(path / f"frame{index + 8}.png")
    return path


def video(path: Path, count: int = 20, rate: int = 20) -> Path:
    """Make a video of ``count`` images."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4" if path.suffix == ".mp4" else "mjpeg", rate=rate)
        stream.width, stream.height = WIDTH, HEIGHT
        stream.pix_fmt = "yuv420p" if path.suffix == ".mp4" else "yuvj420p"
        for index in range(count):
            for packet in stream.encode(av.VideoFrame.from_ndarray(scene(index), format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


class FaultyCamera:
    """Sends a new image every ``period`` [s]; tests freeze, stall and unplug it."""

    def __init__(self, period: float = 0.01) -> None:
        self.period = period
        self.frozen = self.stalled = self.unplugged = False
        self.opened = self.closed = 0
        self.view = CameraMetadata("faulty:1", WIDTH, HEIGHT, settings={"exposure": 100.0})
        self.warnings: tuple[str, ...] = ()
        self._sequence = 0
        self._still = scene(0)
        self._last: Frame | None = None

    def open(self) -> None:
        if self.unplugged:
            raise HardwareError("camera faulty:1 is not plugged in.")
        self.opened += 1

    def read(self, _timeout: float) -> Frame:
        time.sleep(self.period)
        if self.unplugged:
            raise HardwareError("camera faulty:1 was unplugged.")
        if self.stalled and self._last is not None:
            return self._last
        self._sequence += 1
        image = self._still if self.frozen else np.roll(self._still, self._sequence, axis=1)
        self._last = Frame(image.copy(), time.monotonic(), self._sequence)
        return self._last

    def close(self) -> None:
        self.closed += 1
