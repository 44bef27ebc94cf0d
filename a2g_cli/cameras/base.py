"""The Protocol of a camera, and its frames."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from a2g_cli.cameras.metadata import CameraMetadata
from a2g_cli.core.types import Depth, Image


@dataclass(frozen=True)
class Frame:
    """One image and when it was taken."""

    image: Image
    captured_at: float
    """On the robot's clock [s]; for hardware, ``time.monotonic()``."""
    sequence: int
    """Grows by at least one with every new image; the same number means the same image."""
    depth: Depth | None = None
    """The depth image of this frame, if it was asked for."""
    unchanged_since: float | None = None
    """When the first of the images with the same bytes was captured [s], on the clock of ``captured_at``.

    Equal to ``captured_at`` if the image differs from the one before; None unless a ``CameraReader`` compared them. The
    noise of a live sensor changes every image: a difference of seconds means that the camera is frozen.
    """


class Camera(Protocol):
    """A source of frames. One thread opens, reads and closes it."""

    def open(self) -> None:
        """Start the stream. Raises HardwareError."""

    def read(self, timeout: float) -> Frame:
        """Return the newest frame that was not returned before; wait up to ``timeout`` [s] for it.

        Raises HardwareError if none comes.
        """

    def close(self) -> None:
        """Stop the stream; harmless when called twice."""


def view_of(camera: Camera) -> CameraMetadata | None:
    """Return the metadata of an open camera, its ``view``; None for a camera without it."""
    view = getattr(camera, "view", None)
    return view if isinstance(view, CameraMetadata) else None


def warnings_of(camera: Camera) -> Sequence[str]:
    """Return the warnings of an open camera for the user, its ``warnings``, e.g. that it is on USB 2."""
    return tuple(getattr(camera, "warnings", ()))
