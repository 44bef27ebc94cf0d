"""A thread per camera that keeps its newest frame, so that no caller waits for the next one."""

import threading
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from a2g_cli.cameras.base import Camera, Frame, view_of, warnings_of
from a2g_cli.cameras.metadata import CameraMetadata, Framing
from a2g_cli.core.clock import Clock, WallClock
from a2g_cli.core.errors import HardwareError, UsageError, noted

MAX_AGE = 0.5
"""Default age of the oldest frame that is returned [s]."""
OPENING = 60.0
"""Longest time that a camera may take to open: warm-up, a reset and another warm-up [s]."""
_PATIENCE = 1.0
"""Longest wait of one read of the camera [s]; between reads, the thread checks whether it must stop."""
_PARTING = 5.0
"""How long a closing reader waits for its thread [s]."""
_LEAST_PERIOD = 0.005
"""Least time between two reads [s], for a camera that draws its images at once."""


class CameraReader:
    """Reads a camera in its own thread, and is itself a camera whose ``read`` returns at once.

    The thread opens, reads and closes ``camera``, crops and resizes its images, and compares each with the one before,
    byte by byte. A camera that fails ends the thread, and the next ``read`` raises its error.

    Args:
        name: the camera's name, for messages.
        camera: the camera; its ``captured_at`` is on the machine's monotonic clock.
        framing: how its images are cropped and resized.
        max_age: oldest frame that ``read`` returns [s].
        clock: the clock of the frames' stamps, the robot's.
    """

    def __init__(
        self,
        name: str,
        camera: Camera,
        framing: Framing | None = None,
        max_age: float = MAX_AGE,
        clock: Clock | None = None,
    ) -> None:
        if not max_age > 0:
            raise UsageError(f"camera {name!r}: a frame may be {max_age} s old; expected more than 0.")
        self.name = name
        self._camera = camera
        self._framing = framing or Framing()
        self._max_age = max_age
        self._clock = clock or WallClock()
        self._condition = threading.Condition()
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._frame: Frame | None = None
        self._failure: Exception | None = None
        self._parting: Exception | None = None
        self._view: CameraMetadata | None = None
        self._warnings: Sequence[str] = ()

    @property
    def view(self) -> CameraMetadata | None:
        """The metadata with the crop; None before the first image, or for a camera without metadata."""
        return self._view

    @property
    def warnings(self) -> Sequence[str]:
        """The camera's warnings for the user."""
        return self._warnings

    def open(self) -> None:
        """Open the camera and wait for its first frame. Raises HardwareError; UsageError for a crop outside the image."""
        if self._thread is not None:
            return
        self._stopping = threading.Event()
        self._frame = self._failure = None
        run = threading.Thread(target=self._run, args=(self._stopping,), name=f"camera-{self.name}", daemon=True)
        self._thread = run
        self._thread.start()
        with self._condition:
            there = self._condition.wait_for(lambda: self._frame or self._failure, OPENING)
        if not there or self._failure is not None:
            failure = self._failure or HardwareError(f"camera {self.name!r} did not open within {OPENING:g} s.")
            with noted(failure, f"Camera {self.name!r} could not be closed either"):
                self.close()
            raise failure

    def newest(self) -> Frame | None:
        """Return the newest frame of any age; None before the first. Raises the camera's error if it failed."""
        with self._condition:
            if self._failure is not None:
                raise self._failure
            return self._frame

    def age(self, frame: Frame) -> float:
        """Return the age of ``frame`` [s]."""
        return self._clock.now() - frame.captured_at

    def read(self, timeout: float) -> Frame:
        """Return the newest frame; wait up to ``timeout`` [s] only where it is older than the limit.

        Raises:
            HardwareError: the camera is not open, has failed, or has sent nothing for so long.
        """
        if self._thread is None:
            raise HardwareError(f"camera {self.name!r} is not open; call open() first.")
        with self._condition:
            self._condition.wait_for(self._usable, timeout)
            frame = self.newest()
            if frame is None or self.age(frame) > self._max_age:
                old = "no frame yet" if frame is None else f"the newest frame is {self.age(frame):.2f} s old"
                raise HardwareError(f"camera {self.name!r} sends nothing: {old}, {self._max_age:g} s is the limit.")
            return frame

    def close(self) -> None:
        """Stop the thread and the camera; harmless when called twice. Raises the error of closing the camera."""
        thread, self._thread = self._thread, None
        self._stopping.set()
        if thread is not None:
            thread.join(_PARTING)  # a driver that hangs must not block the program
        self._frame = None
        parting, self._parting = self._parting, None
        if parting is not None:
            raise parting

    def _usable(self) -> bool:
        return self._failure is not None or (self._frame is not None and self.age(self._frame) <= self._max_age)

    def _run(self, stopping: threading.Event) -> None:
        try:
            self._camera.open()
            try:
                self._follow(stopping)
            except Exception as error:
                with noted(error, f"Camera {self.name!r} could not be closed either"):
                    self._camera.close()
                raise
        except Exception as error:  # it ends only this thread: the next read raises it
            with self._condition:
                if not stopping.is_set():
                    self._failure = error
                    self._condition.notify_all()
            return
        try:
            self._camera.close()
        except Exception as error:  # close() raises it
            self._parting = error

    def _follow(self, stopping: threading.Event) -> None:
        before: Frame | None = None
        since = 0.0
        shown: CameraMetadata | None = None
        while not stopping.is_set():
            begun = time.monotonic()
            taken = self._camera.read(_PATIENCE)
            if before is None or taken.sequence != before.sequence:
                # The robot's clock may differ from the machine's, but the age of a frame is the same on both.
                captured_at = self._clock.now() - (time.monotonic() - taken.captured_at)
                if before is None or not np.array_equal(before.image, taken.image):
                    since = captured_at
                frame = replace(
                    taken,
                    image=self._framing.apply(taken.image),
                    captured_at=captured_at,
                    depth=None if taken.depth is None else self._framing.apply_depth(taken.depth),
                    unchanged_since=since,
                )
                view = view_of(self._camera)
                with self._condition:
                    if view is not None and view is not shown:
                        self._view = self._framing.of(view)
                    self._warnings = warnings_of(self._camera)
                    if not stopping.is_set():
                        self._frame = frame
                    self._condition.notify_all()
                before, shown = taken, view
            stopping.wait(max(0.0, begun + _LEAST_PERIOD - time.monotonic()))
