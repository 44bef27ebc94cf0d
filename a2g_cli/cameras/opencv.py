"""UVC cameras (most USB cameras) by OpenCV, by path or index, with MJPG and locked exposure where the device allows it."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from a2g_cli.cameras.base import Frame
from a2g_cli.cameras.metadata import CameraMetadata
from a2g_cli.cameras.pace import Pace
from a2g_cli.core.errors import HardwareError, UsageError
from a2g_cli.core.plugins import sdk
from a2g_cli.core.workspace import expanded

_BY_ID = Path("/dev/v4l/by-id")
WARM_UP = 1.0
"""Time for the automatic exposure and white balance before they are locked [s]."""
_MANUAL = 1.0
"""V4L2's value for manual exposure, `V4L2_EXPOSURE_MANUAL`, which OpenCV passes on."""
_FRESH = 1.0
"""An older device time is not used [s]: some drivers do not set it."""


class OpenCVCamera:
    """A UVC camera, or a video file, which is played at its own rate.

    Args:
        device: ``/dev/video0``, ``/dev/v4l/by-id/...`` (stays the same when cables are moved), an index, or a file.
        width: width of the images [px]; None for the device's choice, as for height and rate.
        height: height of the images [px].
        rate: images per second [Hz].
        fourcc: encoding on the cable; MJPG allows two cameras on one USB 2 bus.
        exposure: in the device's own units (V4L2: 100 us); None for the value that its automatic chose.
        gain: in the device's own units; None to leave it.
        white_balance: colour temperature [K]; None for the value that its automatic chose.
        focus: in the device's own units; None to leave it, with the automatic off.
        lock: False keeps exposure and white balance automatic: images of the same scene then differ from day to day.
    """

    def __init__(
        self,
        device: str,
        width: int | None = None,
        height: int | None = None,
        rate: float | None = None,
        fourcc: str = "MJPG",
        exposure: float | None = None,
        gain: float | None = None,
        white_balance: float | None = None,
        focus: float | None = None,
        lock: bool = True,
    ) -> None:
        if len(fourcc) != 4:
            raise UsageError(f"camera opencv:{device}: fourcc {fourcc!r} is not four letters, as in MJPG or YUYV.")
        wanted = {"exposure": exposure, "gain": gain, "white_balance": white_balance, "focus": focus}
        if not lock and any(value is not None for value in wanted.values()):
            raise UsageError(f"camera opencv:{device}: exposure, gain, white_balance and focus need lock = true.")
        self._path = expanded(f"/dev/video{device}" if device.isdecimal() else device)
        self._asked = {"width": width, "height": height, "rate": rate}
        self._fourcc = fourcc
        self._wanted = wanted
        self._lock = lock
        self._cv: Any = None
        self._capture: Any = None
        self._file = False
        self._pace: Pace | None = None
        """The pace of a file."""
        self._sequence = 0
        self.view: CameraMetadata | None = None
        """The metadata of an open camera."""
        self.warnings: list[str] = []
        """Settings that could not be set."""

    def open(self) -> None:
        """Start the stream, let it settle, lock it. Raises HardwareError: missing, in use, or without the wanted settings."""
        if self._capture is not None:
            return
        self._cv = sdk("cv2", "opencv-python-headless", "opencv")
        if not self._path.exists():
            there = ", ".join(str(path) for path in devices()) or "none"
            raise HardwareError(f"camera opencv:{self._path} does not exist; cameras found: {there}.")
        self._file = not self._path.is_char_device()
        with self._quiet():
            capture = self._cv.VideoCapture(str(self._path), self._cv.CAP_ANY if self._file else self._cv.CAP_V4L2)
        if not capture.isOpened():
            capture.release()
            why = "OpenCV cannot play it" if self._file else f"another program uses it, or {_group_advice()}"
            raise HardwareError(f"camera opencv:{self._path} cannot be opened: {why}.")
        self._capture, self._sequence, self.warnings = capture, 0, []
        try:
            self._set_up()
        except BaseException:
            self.close()
            raise

    def read(self, timeout: float) -> Frame:  # noqa: ARG002 - OpenCV waits as long as the device driver does
        """Return the next image. Raises HardwareError: not open, unplugged, or the end of a file."""
        if self._capture is None:
            raise HardwareError(f"camera opencv:{self._path} is not open; call open() first.")
        due = self._pace.wait() if self._pace is not None else None
        there, pixels = self._capture.read()
        if not there or pixels is None:
            why = "has ended." if self._file else "sends nothing: was it unplugged?"
            raise HardwareError(f"camera opencv:{self._path} {why}")
        self._sequence += 1
        return Frame(self._cv.cvtColor(pixels, self._cv.COLOR_BGR2RGB), due or self._moment(), self._sequence)

    def close(self) -> None:
        """Stop the stream; harmless when called twice."""
        capture, self._capture = self._capture, None
        if capture is not None:
            capture.release()

    def _moment(self) -> float:
        """Return when the last image was taken: V4L2 stamps it on the monotonic clock, and OpenCV passes that on."""
        now = time.monotonic()
        stamped = self._capture.get(self._cv.CAP_PROP_POS_MSEC) / 1000
        return stamped if not self._file and 0 <= now - stamped < _FRESH else now

    def _set_up(self) -> None:
        cv, capture = self._cv, self._capture
        if not self._file:
            capture.set(cv.CAP_PROP_FOURCC, cv.VideoWriter_fourcc(*self._fourcc))
            capture.set(cv.CAP_PROP_BUFFERSIZE, 1)
            for name, which in self._shape_properties().items():
                if self._asked[name] is not None:
                    capture.set(which, self._asked[name])
        settings = self._settle() if not self._file else {}
        height, width = self.read(1.0).image.shape[:2]
        rate = float(capture.get(cv.CAP_PROP_FPS))
        for name, got in (("width", width), ("height", height), ("rate", rate)):
            asked = self._asked[name]
            if asked is not None and abs(got - asked) > 0.5:
                raise HardwareError(
                    f"camera opencv:{self._path} does not support {name} {asked:g}: it gives {got:g}. "
                    f"`v4l2-ctl --list-formats-ext -d {self._path}` lists what it supports."
                )
        self._pace = Pace(rate) if self._file and rate > 0 else None
        self.view = CameraMetadata(
            f"opencv:{_identity(self._path)}", width, height, settings={"rate": rate, **settings}
        )

    def _shape_properties(self) -> dict[str, int]:
        cv = self._cv
        return {"width": cv.CAP_PROP_FRAME_WIDTH, "height": cv.CAP_PROP_FRAME_HEIGHT, "rate": cv.CAP_PROP_FPS}

    def _settle(self) -> dict[str, Any]:
        """Let the automatics settle, lock them, and return the settings."""
        cv, capture = self._cv, self._capture
        end = time.monotonic() + WARM_UP
        while time.monotonic() < end:
            self.read(1.0)
        properties = {
            "exposure": cv.CAP_PROP_EXPOSURE,
            "gain": cv.CAP_PROP_GAIN,
            "white_balance": cv.CAP_PROP_WB_TEMPERATURE,
            "focus": cv.CAP_PROP_FOCUS,
        }
        found = {name: float(capture.get(which)) for name, which in properties.items()}
        if self._lock:
            # The automatic values were read before: some devices jump to a default when the automatic is switched off.
            capture.set(cv.CAP_PROP_AUTO_EXPOSURE, _MANUAL)
            capture.set(cv.CAP_PROP_AUTO_WB, 0)
            capture.set(cv.CAP_PROP_AUTOFOCUS, 0)
            for name, which in properties.items():
                wanted = self._wanted[name]
                if wanted is not None or (name in {"exposure", "white_balance"} and found[name] > 0):
                    capture.set(which, found[name] if wanted is None else wanted)
        settings: dict[str, Any] = {"fourcc": self._fourcc, "locked": self._lock}
        for name, which in properties.items():
            settings[name] = float(capture.get(which))
            wanted = self._wanted[name]
            if wanted is not None and abs(settings[name] - wanted) > 0.5:
                self.warnings.append(f"{name} was set to {wanted:g}, but the device uses {settings[name]:g}")
        if self._lock and capture.get(cv.CAP_PROP_AUTO_EXPOSURE) != _MANUAL:
            self.warnings.append("its exposure cannot be locked: the images change with the light")
        return settings

    @contextlib.contextmanager
    def _quiet(self) -> Iterator[None]:
        """Keep OpenCV's own messages off the terminal: ours say what to do."""
        logging = self._cv.utils.logging
        before = logging.setLogLevel(logging.LOG_LEVEL_SILENT)
        try:
            yield
        finally:
            logging.setLogLevel(before)


def devices() -> list[Path]:
    """Return the capture devices of this machine, by names that stay the same when cables are moved, if there are any."""
    return sorted(_BY_ID.glob("*-index0")) or sorted(Path("/dev").glob("video*"))


def _identity(path: Path) -> str:
    """Return a device's name that stays the same when cables are moved; its path if it has none."""
    for named in devices():
        if named.resolve() == path.resolve():
            return named.name if named.parent == _BY_ID else str(named)
    return str(path.resolve())


def _group_advice() -> str:
    return "you have no permission (`sudo usermod -aG video $USER`, then log in again)"
