"""What every camera must offer."""

from dataclasses import dataclass
from typing import Protocol

from a2g_cli.episode import Image


@dataclass(frozen=True)
class Frame:
    """One picture and when it was really taken."""

    image: Image
    captured_at: float
    """On the robot's clock [s]."""
    sequence: int
    """Grows by at least one with every new picture: the same number again is the same picture again."""


class Camera(Protocol):
    """A source of frames."""

    def open(self) -> None:
        """Start the stream. Raises HardwareError."""

    def read(self, timeout: float) -> Frame:
        """Return the newest frame. Raises HardwareError when none comes within ``timeout`` [s]."""

    def close(self) -> None:
        """Stop the stream; harmless when called twice."""
