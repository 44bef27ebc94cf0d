"""Wraps any camera: its driver's exceptions become HardwareError, and its frames are checked."""

import time
from collections.abc import Sequence
from typing import Any

from a2g_cli.cameras.base import Camera, Frame, view_of, warnings_of
from a2g_cli.cameras.metadata import CameraMetadata
from a2g_cli.core.errors import HardwareError
from a2g_cli.core.plugins import calling, is_built_in
from a2g_cli.robots.promises import check_depth, check_image, check_time, kind_of


class CheckedCamera:
    """``camera``, whose driver may come from any package: see ``robots.checked.CheckedRobot``.

    Args:
        camera: a camera that is not open; its times are on the machine's monotonic clock.
        what: the camera in messages, e.g. ``"camera 'front'"``.
    """

    def __init__(self, camera: Camera, what: str) -> None:
        self._camera, self._what, self._built_in = camera, what, is_built_in(camera)

    @property
    def view(self) -> CameraMetadata | None:
        """The camera's metadata, if the driver gives them. Raises HardwareError."""
        with calling(self._what, "view", self._built_in):
            return view_of(self._camera)

    @property
    def warnings(self) -> Sequence[str]:
        """Warnings for the user. Raises HardwareError."""
        with calling(self._what, "warnings", self._built_in):
            return warnings_of(self._camera)

    def open(self) -> None:
        """Start the stream. Raises HardwareError."""
        self._call("open")

    def read(self, timeout: float) -> Frame:
        """Return the newest frame, and wait up to ``timeout`` [s] for a new one. Raises HardwareError."""
        frame = self._call("read", timeout)
        if not isinstance(frame, Frame):
            raise HardwareError(f"{self._what}: read returned {kind_of(frame)}; expected a Frame.")
        check_image(self._what, frame.image)
        if frame.depth is not None:
            check_depth(self._what, frame.depth, frame.image.shape[:2])
        check_time(self._what, "read returned the captured_at", frame.captured_at, time.monotonic())
        return frame

    def close(self) -> None:
        """Stop the stream. Raises HardwareError."""
        self._call("close")

    def _call(self, name: str, *words: Any) -> Any:
        with calling(self._what, name, self._built_in):
            return getattr(self._camera, name)(*words)
