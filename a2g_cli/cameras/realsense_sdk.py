"""The RealSense SDK: importing it, with the libusb that it needs, and the devices that it sees."""

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
"""Endings of the files that the SDK records and plays."""


@cache
def load() -> Any:
    """Return the module ``pyrealsense2``, importing it now.

    Its wheel links the system's libusb. Where that is missing, the one of the package libusb-package is taken, which the
    extra ``realsense`` brings: `a2g doctor` says which.

    Raises:
        HardwareError: it is not installed; or it is, and a library of the system is missing: which, and its package.
    """
    try:
        return sdk("pyrealsense2", "pyrealsense2", "realsense")
    except HardwareError as error:
        if isinstance(error.__cause__, ModuleNotFoundError):
            raise
        bundled = bundled_libusb()
        if "libusb" in str(error) and bundled is not None:
            ctypes.CDLL(str(bundled), mode=ctypes.RTLD_GLOBAL)  # the loader takes what has that name already
            return importlib.import_module("pyrealsense2")
        for library, package in _SYSTEM_PACKAGES.items():
            if library in str(error):
                raise HardwareError(
                    f"pyrealsense2 is installed, but a library of the system that it needs is not: {package}."
                ) from error
        raise


def system_libusb() -> bool:
    """Whether the system has the libusb that pyrealsense2 asks for."""
    try:
        ctypes.CDLL("libusb-1.0.so.0")
    except OSError:
        return False
    return True


def bundled_libusb() -> Path | None:
    """Return the libusb that the package libusb-package brings; None without that package."""
    found = find_spec("libusb_package")
    if found is None or not found.submodule_search_locations:
        return None
    there = sorted(Path(found.submodule_search_locations[0]).glob("libusb-1.0.*"))
    return there[0] if there else None


@cache
def _context() -> Any:
    return load().context()


def attached() -> list[Any]:
    """Return the RealSense devices on this machine. Raises HardwareError without the SDK."""
    return list(_context().query_devices())


def playback(path: Path) -> Any:
    """Return the device that plays the recorded file ``path``. Raises HardwareError for a file that is none."""
    try:
        # A context of its own: what is played there is not found among the devices.
        return load().context().load_device(str(path))
    except RuntimeError as error:
        raise HardwareError(f"{path} cannot be played as a RealSense recording: {error}.") from error


def info(device: Any, name: str) -> str:
    """Return what ``device`` says of itself, e.g. ``"serial_number"``; empty where it says nothing."""
    which = getattr(load().camera_info, name)
    return str(device.get_info(which)) if device.supports(which) else ""
