"""The RealSense SDK: imports it with the libusb that it needs, and lists its devices."""

import ctypes
import importlib
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from a2g_cli.core.errors import HardwareError
from a2g_cli.core.plugins import sdk

_SYSTEM_PACKAGES = {
    "libusb-1.0": "libusb-1.0-0 (Debian, Ubuntu: `apt install libusb-1.0-0`; Fedora: `dnf install libusb1`)",
    "libudev": "libudev1 (Debian, Ubuntu: `apt install libudev1`)",
}
RECORDINGS = {".db3", ".bag"}
"""Suffixes of files that the SDK records and plays."""


@cache
def load() -> Any:
    """Import and return the module ``pyrealsense2``.

    Its wheel links the system's libusb. If that is missing, the one of libusb-package is used, which the extra ``realsense``
    installs; `a2g doctor` shows which.

    Raises:
        HardwareError: it is not installed, or it needs a library of the system, which is named with its package.
    """
    try:
        return sdk("pyrealsense2", "pyrealsense2", "realsense")
    except HardwareError as error:
        if isinstance(error.__cause__, ModuleNotFoundError):
            raise
        bundled = bundled_libusb()
        if "libusb" in str(error) and bundled is not None:
            ctypes.CDLL(str(bundled), mode=ctypes.RTLD_GLOBAL)  # the loader then uses this library of that name
            return importlib.import_module("pyrealsense2")
        for library, package in _SYSTEM_PACKAGES.items():
            if library in str(error):
                raise HardwareError(f"pyrealsense2 needs a system library that is not installed: {package}.") from error
        raise


def system_libusb() -> bool:
    """Whether the system has the libusb that pyrealsense2 links."""
    try:
        ctypes.CDLL("libusb-1.0.so.0")
    except OSError:
        return False
    return True


def bundled_libusb() -> Path | None:
    """Return the libusb of the package libusb-package; None if that is not installed."""
    found = find_spec("libusb_package")
    if found is None or not found.submodule_search_locations:
        return None
    there = sorted(Path(found.submodule_search_locations[0]).glob("libusb-1.0.*"))
    return there[0] if there else None


@cache
def _context() -> Any:
    return load().context()


def attached() -> list[Any]:
    """Return the RealSense devices of this machine. Raises HardwareError without the SDK."""
    return list(_context().query_devices())


def playback(path: Path) -> Any:
    """Return the device that plays the recorded file ``path``. Raises HardwareError if it is not such a file."""
    try:
        # Its own context: otherwise the file would be listed among the devices.
        return load().context().load_device(str(path))
    except RuntimeError as error:
        raise HardwareError(f"{path} cannot be played as a RealSense recording: {error}.") from error


def info(device: Any, name: str) -> str:
    """Return a fact about ``device``, e.g. its ``"serial_number"``; empty if it does not have it."""
    which = getattr(load().camera_info, name)
    return str(device.get_info(which)) if device.supports(which) else ""
