"""What every camera must offer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from a2g_cli.cameras.metadata import CameraMetadata
from a2g_cli.core.types import Depth, Image


@dataclass(frozen=True)
class Frame:
    """One picture and when it was really taken."""

    image: Image
    captured_at: float
    """On the robot's clock [s]; hardware stamps ``time.monotonic()``."""
    sequence: int
    """Grows by at least one with every new picture: the same number again is the same picture again."""
    depth: Depth | None = None
    """What the camera measured with this picture, where it was asked to."""
    unchanged_since: float | None = None
    """When the first of the pictures with these very bytes was captured [s], on the clock of ``captured_at``.

    Equal to ``captured_at`` for a picture that differs from the one before; None where nobody compared: a
    ``CameraReader`` does. A live sensor's noise changes every picture, so a difference of seconds is a frozen camera.
    """


class Camera(Protocol):
    """A source of frames. It is opened, read and closed by one thread."""

    def open(self) -> None:
        """Start the stream. Raises HardwareError."""

    def read(self, timeout: float) -> Frame:
        """Return the newest frame, and wait up to ``timeout`` [s] for one that was not returned before.

        Raises HardwareError when none comes.
        """

    def close(self) -> None:
        """Stop the stream; harmless when called twice."""


def view_of(camera: Camera) -> CameraMetadata | None:
    """Return what an open camera's pictures show and how: its own ``view``; None for a camera that does not say."""
    view = getattr(camera, "view", None)
    return view if isinstance(view, CameraMetadata) else None


def warnings_of(camera: Camera) -> Sequence[str]:
    """Return what an open camera has to say to a person, e.g. that it hangs on USB 2: its own ``warnings``."""
    return tuple(getattr(camera, "warnings", ()))
