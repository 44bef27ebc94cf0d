"""A RealSense of the SDK's own making: `rs.software_device`, fed with images by a thread, as a device's firmware does."""

import threading
import time
from typing import Any, Self

import numpy as np
from camera_examples import HEIGHT, WIDTH, scene

from a2g_cli.cameras import realsense_sdk

SERIAL = "0123456789"
AUTOMATIC = 120.0
"""Brightness that its automatic exposure makes."""


class SoftwareRealSense:
    """A device with a colour and a depth sensor, whose images are as bright as its exposure says.

    Everything but ``hardware_reset``, which a software device does not have, is the SDK's.
    """

    def __init__(self, serial: str = SERIAL, usb: str = "3.2", rate: int = 60) -> None:
        self.rs = rs = realsense_sdk.load()
        self.rate = rate
        self.resets = 0
        self.frozen = self.silent = False
        self.comes_back = True
        self.plugged_in = True
        self.fed = 0
        self.device = rs.software_device()
        for name, text in (
            ("name", "Software D435"),
            ("serial_number", serial),
            ("firmware_version", "1.2.3"),
            ("usb_type_descriptor", usb),
        ):
            self.device.register_info(getattr(rs.camera_info, name), text)
        self.colour = self.device.add_sensor("RGB Camera")
        self.depth = self.device.add_sensor("Stereo Module")
        self.colour_profile = self._stream(self.colour, rs.stream.color, rs.format.rgb8, 3, 0)
        self.depth_profile = self._stream(self.depth, rs.stream.depth, rs.format.z16, 2, 1)
        self.depth.add_read_only_option(rs.option.depth_units, 0.0005)
        for name, low, high, step, default in (
            ("enable_auto_exposure", 0, 1, 1, 1),
            ("exposure", 1, 10000, 1, 156),
            ("gain", 0, 128, 1, 64),
            ("enable_auto_white_balance", 0, 1, 1, 1),
            ("white_balance", 2800, 6500, 10, 4600),
        ):
            bounds = rs.option_range()
            bounds.min, bounds.max, bounds.step, bounds.default = low, high, step, default
            self.colour.add_option(getattr(rs.option, name), bounds, True)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._feed)

    def _stream(self, sensor: Any, kind: Any, form: Any, bytes_per_pixel: int, uid: int) -> Any:
        rs = self.rs
        lens = rs.intrinsics()
        lens.width, lens.height, lens.fx, lens.fy, lens.ppx, lens.ppy = WIDTH, HEIGHT, 60, 60, WIDTH / 2, HEIGHT / 2
        lens.model, lens.coeffs = rs.distortion.none, [0.0] * 5
        stream = rs.video_stream()
        stream.type, stream.index, stream.uid, stream.fps = kind, 0, uid, self.rate
        stream.width, stream.height, stream.bpp, stream.fmt, stream.intrinsics = (
            WIDTH,
            HEIGHT,
            bytes_per_pixel,
            form,
            lens,
        )
        return sensor.add_video_stream(stream).as_video_stream_profile()

    def attached(self) -> list[Any]:
        """What the SDK's context lists for hardware: it leaves software devices out."""
        return [self] if self.plugged_in else []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.device, name)

    def hardware_reset(self) -> None:
        self.resets += 1
        self.colour.set_option(self.rs.option.enable_auto_exposure, 1.0)
        self.colour.set_option(self.rs.option.exposure, 156.0)
        self.fed = 0
        self.silent = not self.comes_back

    def image(self, index: int) -> np.ndarray:
        """Return image ``index`` as the present exposure makes it."""
        option = self.rs.option
        base = scene(0 if self.frozen else index).astype(float)
        bright = AUTOMATIC
        if not self.colour.get_option(option.enable_auto_exposure):
            bright = self.colour.get_option(option.exposure) * AUTOMATIC / 700.0
        return np.clip(base * bright / base.mean(), 0, 255).astype(np.uint8)

    def _frame(self, profile: Any, pixels: np.ndarray, bytes_per_pixel: int) -> Any:
        # A new one each time, its pixels kept alive by it: used twice, one corrupts the heap.
        frame = self.rs.software_video_frame()
        frame.bpp, frame.stride = bytes_per_pixel, WIDTH * bytes_per_pixel
        frame.timestamp, frame.domain = 1000 * time.time() - 15.0, self.rs.timestamp_domain.global_time
        frame.frame_number, frame.profile, frame.pixels = self.fed, profile, pixels
        return frame

    def _feed(self) -> None:
        while not self._stop.wait(1 / self.rate):
            if not self.silent:
                self.fed += 1
                depth = np.full((HEIGHT, WIDTH), 1000 + self.fed, np.uint16)
                self.depth.on_video_frame(self._frame(self.depth_profile, depth, 2))
                self.colour.on_video_frame(self._frame(self.colour_profile, self.image(self.fed), 3))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
