"""RealSense cameras by pyrealsense2: colour, and depth on request. A recorded file can be played as a camera."""

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from a2g_cli.cameras import realsense_sdk
from a2g_cli.cameras.base import Frame
from a2g_cli.cameras.device_time import DeviceTime
from a2g_cli.cameras.metadata import CameraMetadata
from a2g_cli.cameras.realsense_lock import SETTLING, check_wanted, lock, restore
from a2g_cli.core.errors import HardwareError, UsageError
from a2g_cli.core.workspace import expanded

if TYPE_CHECKING:
    from a2g_cli.core.types import Depth

WIDTH, HEIGHT, RATE = 640, 480, 30
"""Defaults for a live camera [px, px, Hz]."""
FIRST_FRAME = 5.0
"""Longest time until the first image [s]."""
STALL = 0.9
"""A stream without images for this long has stopped [s]."""
COMES_BACK = 15.0
"""Longest time until a device appears again after a reset [s]."""
_GLANCE = 0.05
"""Time between two checks whether a file has ended [s]."""
_QUEUE = 4
"""Frames that wait for the reader; the SDK drops older ones [frames]."""
_Profiles = list[tuple[Any, list[Any]]]
"""The sensors and their streams."""


class RealSenseCamera:
    """A RealSense camera, found by its serial number, or a file that one recorded (``.db3``, ``.bag``).

    A stream that stops is reset once (``hardware_reset``) and gets the same settings; a second stop is an error.

    Args:
        serial: serial number on the device's label; empty if only one is plugged in. Or the path of a recorded file.
        width: width of the images [px]; None for 640, or the file's own, as for height (480) and rate (30).
        height: height of the images [px].
        rate: images per second [Hz].
        depth: whether to read depth too, at the same size and rate.
        exposure: of the colour sensor, in its own units (D400: 100 us); None for the brightness of its automatic.
        gain: in the camera's own units; None to leave it.
        white_balance: colour temperature [K]; None to leave it.
        lock: False keeps exposure and white balance automatic: images of the same scene then differ from day to day.
        warm_up: time for the automatics before they are locked [s].
    """

    def __init__(
        self,
        serial: str = "",
        width: int | None = None,
        height: int | None = None,
        rate: int | None = None,
        depth: bool = False,
        exposure: float | None = None,
        gain: float | None = None,
        white_balance: float | None = None,
        lock: bool = True,
        warm_up: float = 1.0,
    ) -> None:
        self._wanted = {"exposure": exposure, "gain": gain, "white_balance": white_balance}
        if not lock and any(value is not None for value in self._wanted.values()):
            raise UsageError("camera realsense: exposure, gain and white_balance need lock = true.")
        file = expanded(serial)
        self._file = file.resolve() if file.suffix in realsense_sdk.RECORDINGS else None
        if self._file is not None and not self._file.is_file():
            raise UsageError(f"camera realsense:{serial}: there is no such file.")
        live = self._file is None
        self._serial = serial
        self._size = (width or (WIDTH if live else None), height or (HEIGHT if live else None))
        self._rate = rate or (RATE if live else None)
        self._with_depth = depth
        self._lock = lock
        self._warm_up = warm_up if live else 0.0
        self._rs: Any = None
        self._device: Any = None
        self._streaming: _Profiles = []
        self._queue: Any = None
        self._clock = DeviceTime()
        self._locked: dict[str, float] | None = None
        self._reset = False
        self._number = self._sequence = 0
        self._depth: Depth | None = None
        self._seen = 0.0
        self.view: CameraMetadata | None = None
        """The metadata of an open camera."""
        self.warnings: list[str] = []
        """Warnings for the user, of an open camera."""

    def open(self) -> None:
        """Start the streams, let them settle, lock them. Raises HardwareError, or UsageError for a setting out of range."""
        if self._device is not None:
            return
        self._rs = realsense_sdk.load()
        self._reset, self._sequence, self._locked, self.warnings = False, 0, None, []
        try:
            self._start(self._find())
            first = self._wait(FIRST_FRAME) or self._again()
            self._settle(first)
        except RuntimeError as error:  # the SDK's own
            self.close()
            raise HardwareError(f"{self._name} cannot be started: {error}.") from error
        except BaseException:
            self.close()
            raise

    def read(self, timeout: float) -> Frame:
        """Return the newest frame that was not returned before. Raises HardwareError: not open, none in time, stopped."""
        if self._device is None:
            raise HardwareError(f"{self._name} is not open; call open() first.")
        frame = self._wait(timeout)
        if frame is None and time.monotonic() - self._seen < STALL and not self._ended():
            raise HardwareError(f"{self._name} has no image within {timeout:g} s.")
        return frame or self._again()

    def close(self) -> None:
        """Stop the streams; harmless when called twice."""
        self._stop()
        self._device = None

    @property
    def _name(self) -> str:
        return f"camera realsense:{self._file or self._serial or '(any)'}"

    def _find(self) -> Any:
        if self._file is not None:
            return realsense_sdk.playback(self._file)
        there = {realsense_sdk.info(device, "serial_number"): device for device in realsense_sdk.attached()}
        if self._serial in there:
            return there[self._serial]
        if not self._serial and len(there) == 1:
            ((self._serial, device),) = there.items()
            return device
        found = f"plugged in: {', '.join(sorted(there))}" if there else "none is plugged in, or udev denies access"
        raise HardwareError(f"{self._name} was not found; {found}. `a2g doctor` checks this.")

    def _start(self, device: Any) -> None:
        self._device = device
        streams = [self._rs.stream.color, *([self._rs.stream.depth] if self._with_depth else [])]
        chosen: _Profiles = []
        for stream in streams:
            sensor, profile = self._profile(device, stream)
            same = [profiles for one, profiles in chosen if one is sensor]
            if same:
                same[0].append(profile)
            else:
                chosen.append((sensor, [profile]))
        check_wanted(self._rs, chosen[0][0], self._wanted)
        # One queue for all: colour and depth of a D405 come from one sensor.
        self._queue, self._depth, self._number = self._rs.frame_queue(_QUEUE), None, -1
        self._clock = DeviceTime()
        self._seen = time.monotonic()
        for sensor, profiles in chosen:
            sensor.open(profiles)
            self._streaming.append((sensor, profiles))
            sensor.start(self._queue)

    def _stop(self) -> None:
        streaming, self._streaming = self._streaming, []
        for sensor, _ in streaming:
            for end in (sensor.stop, sensor.close):
                with suppress(RuntimeError):  # a device that was unplugged cannot be stopped
                    end()

    def _profile(self, device: Any, stream: Any) -> tuple[Any, Any]:
        """Return the sensor with ``stream``, and the wanted profile. Raises HardwareError."""
        formats = {"color": ("rgb8", "bgr8"), "depth": ("z16",)}[stream.name]
        sensors = list(device.query_sensors())
        offered = [
            (sensor, profile)
            for sensor in sensors
            for profile in (found.as_video_stream_profile() for found in sensor.get_stream_profiles())
            if profile.stream_type() == stream and profile.format().name in formats
        ]
        width, height = self._size
        offered.sort(key=lambda pair: formats.index(pair[1].format().name))
        for sensor, profile in offered:
            asked = ((profile.width(), width), (profile.height(), height), (profile.fps(), self._rate))
            if all(want is None or has == want for has, want in asked):
                return sensor, profile
        modes = sorted({f"{p.width()}x{p.height()}@{p.fps()}" for _, p in offered})
        slow = " It is on USB 2, which has few of them." if self._usb().startswith("2") else ""
        raise HardwareError(
            f"{self._name} has no {stream.name} of {width}x{height}@{self._rate}; it has {', '.join(modes) or 'none'}.{slow}"
        )

    def _wait(self, timeout: float) -> Frame | None:
        """Return the newest colour image that was not returned before; None if none comes in time."""
        end = time.monotonic() + timeout
        newest = None
        while newest is None or (self._with_depth and self._depth is None):
            left = end - time.monotonic()
            there, frame = self._queue.try_wait_for_frame(max(1, int(1000 * (left if self._file is None else _GLANCE))))
            while there:
                if frame.get_profile().stream_type() == self._rs.stream.depth:
                    self._depth = np.array(frame.get_data(), np.uint16)
                else:
                    newest = frame
                frame = self._queue.poll_for_frame()
                there = bool(frame)
            if time.monotonic() >= end or (newest is None and self._ended()):
                break
        if newest is None or (self._with_depth and self._depth is None):
            return None
        self._seen = time.monotonic()
        return self._taken(newest)

    def _ended(self) -> bool:
        """Whether a file has been played to its end."""
        return self._file is not None and self._device.current_status() == self._rs.playback_status.stopped

    def _taken(self, frame: Any) -> Frame:
        number = int(frame.get_frame_number())
        # Frame numbers restart after a reset and when a file is played again; the sequence continues.
        self._sequence += number - self._number if number > self._number >= 0 else 1
        self._number = number
        domain = self._rs.timestamp_domain
        of_host = self._file is None and frame.get_frame_timestamp_domain() in (domain.global_time, domain.system_time)
        captured_at = self._clock.captured_at(frame.get_timestamp() / 1000, of_host, self._seen)
        pixels = np.array(frame.get_data(), np.uint8)
        if frame.get_profile().format() == self._rs.format.bgr8:
            pixels = np.ascontiguousarray(pixels[..., ::-1])
        return Frame(pixels, captured_at, self._sequence, self._depth)

    def _again(self) -> Frame:
        """Restart a stream that stopped: once for a device, every time for a file. Raises HardwareError."""
        self._stop()
        if self._file is None:
            if self._reset:
                raise self._stopped_for_good()
            self._reset = True
            self.warnings.append("it stopped, and was reset")
            with suppress(RuntimeError):  # an unplugged device cannot be reset, but may be plugged in again
                self._device.hardware_reset()
        try:
            self._start(self._find_again())
            frame = self._wait(FIRST_FRAME)
            if self._locked is not None and frame is not None:
                restore(self._rs, self._streaming[0][0], self._locked)
                for _ in range(SETTLING):
                    frame = self._wait(FIRST_FRAME)
        except (RuntimeError, HardwareError) as error:
            raise HardwareError(f"{self._name} stopped and could not be restarted: {error}") from error
        if frame is None:
            raise self._stopped_for_good()
        return frame

    def _stopped_for_good(self) -> HardwareError:
        if self._file is not None:
            return HardwareError(f"{self._name} holds no image.")
        return HardwareError(
            f"{self._name} sends nothing, even after a reset: unplug it, plug it directly into a USB 3 port of the machine, "
            "and try another cable."
        )

    def _find_again(self) -> Any:
        end = time.monotonic() + COMES_BACK
        while True:
            try:
                return self._find()
            except HardwareError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.2)

    def _settle(self, first: Frame) -> None:
        rs, sensor = self._rs, self._streaming[0][0]
        end = time.monotonic() + self._warm_up
        while time.monotonic() < end:
            self.read(FIRST_FRAME)
        settings: dict[str, Any] = {
            "model": realsense_sdk.info(self._device, "name"),
            "firmware": realsense_sdk.info(self._device, "firmware_version"),
            "rate": self._streaming[0][1][0].fps(),
            "locked": self._lock and self._file is None,
        }
        if self._lock and self._file is None:
            self._locked = lock(rs, sensor, self._wanted, lambda: self.read(FIRST_FRAME).image)
            settings |= self._locked
        if self._with_depth:
            settings["depth_units"] = self._depth_units()
        if self._usb().startswith("2"):
            self.warnings.append(
                f"it is on USB {self._usb()}: images come late or not at all; use a USB 3 cable and port"
            )
        height, width = first.image.shape[:2]
        name = self._serial or realsense_sdk.info(self._device, "serial_number")
        self.view = CameraMetadata(f"realsense:{self._file or name}", width, height, settings=settings)

    def _depth_units(self) -> float:
        """Return the unit of the depth values [m]."""
        for sensor, _ in self._streaming:
            if sensor.supports(self._rs.option.depth_units):
                return float(sensor.get_option(self._rs.option.depth_units))
        return 0.001

    def _usb(self) -> str:
        return realsense_sdk.info(self._device, "usb_type_descriptor")
