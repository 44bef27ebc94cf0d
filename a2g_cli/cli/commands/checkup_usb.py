"""The checks of ``a2g doctor`` for libusb, udev rules and serial ports."""

import os
import shlex
from pathlib import Path

from a2g_cli.cameras import realsense_sdk
from a2g_cli.cli.commands.check import Check
from a2g_cli.core.errors import HardwareError

INTEL = "8086"
"""USB vendor of every RealSense."""
_RULES = "/etc/udev/rules.d/70-a2g-realsense.rules"
_RULE_FOLDERS = ("etc/udev/rules.d", "run/udev/rules.d", "usr/lib/udev/rules.d", "lib/udev/rules.d")
# `uaccess` gives a device to the person at the computer; 70 sorts before the rules that use the tag.
_ADVICE = (
    f"""echo 'SUBSYSTEM=="usb", ATTR{{idVendor}}=="{INTEL}", TAG+="uaccess"' | sudo tee {_RULES}, """
    "then sudo udevadm control --reload-rules && sudo udevadm trigger, and plug it in again."
)


def realsense() -> list[Check]:
    """Check the RealSense SDK and the libusb that it needs."""
    found = []
    if realsense_sdk.system_libusb():
        found.append(Check("libusb", "ok", "the system's"))
    elif realsense_sdk.bundled_libusb() is not None:
        found.append(Check("libusb", "ok", "from libusb-package; the system does not need one"))
    else:
        found.append(
            Check(
                "libusb", "note", "none: RealSense cameras cannot be read", "apt install libusb-1.0-0 (Fedora: libusb1)"
            )
        )
    try:
        rs = realsense_sdk.load()
    except HardwareError as error:
        missing = "for RealSense cameras: pip install 'a2g[realsense]'"
        return [*found, Check("realsense", "note", str(error), missing)]
    there = [
        f"{realsense_sdk.info(device, 'serial_number')} ({realsense_sdk.info(device, 'name')}, "
        f"USB {realsense_sdk.info(device, 'usb_type_descriptor') or '?'})"
        for device in realsense_sdk.attached()
    ]
    return [*found, Check("realsense", "ok", f"pyrealsense2 {rs.__version__}; {', '.join(there) or 'none plugged in'}")]


def udev(root: Path = Path("/")) -> list[Check]:
    """Check whether the user may open RealSense cameras that are plugged in; without any, whether udev has rules."""
    devices = list(_intel_cameras(root))
    if devices:
        return [
            Check("udev", "ok", f"you may open {name}")
            if os.access(node, os.R_OK | os.W_OK)
            else Check("udev", "fail", f"you may not open {name} ({node})", _ADVICE)
            for name, node in devices
        ]
    rules = [path.name for folder in _RULE_FOLDERS for path in (root / folder).glob("*.rules") if _names_intel(path)]
    if rules:
        return [Check("udev", "ok", f"rules for RealSense: {rules[0]}")]
    if os.geteuid() == 0:
        return [Check("udev", "ok", "no rules for RealSense; root needs none")]
    return [Check("udev", "note", "no rules for RealSense: only root may open one", _ADVICE)]


def serial_ports(root: Path = Path("/")) -> list[Check]:
    """Check the serial ports that arms are connected to."""
    ports = sorted(path for kind in ("ttyACM*", "ttyUSB*") for path in (root / "dev").glob(kind))
    closed = [port for port in ports if not os.access(port, os.R_OK | os.W_OK)]
    if len(closed) == len(ports) > 0:
        found = []
    else:
        usable = ", ".join(str(port) for port in ports if port not in closed)
        found = [Check("serial ports", "ok", usable or "none: no arm is plugged in")]
    return [
        *found,
        *(Check("serial port", "fail", f"you may not open {port}", _joins(port)) for port in closed),
    ]


def _joins(port: Path) -> str:
    """Return how to join the group of ``port``: ``dialout`` on most systems, ``uucp`` on others."""
    try:
        group = port.group()
    except (OSError, KeyError):
        group = "dialout"
    return f"sudo usermod -aG {shlex.quote(group)} $USER, then log in again."


def _names_intel(path: Path) -> bool:
    try:
        return INTEL in path.read_text(encoding="utf-8", errors="replace")
    except OSError:  # a rule that cannot be read
        return False


def _intel_cameras(root: Path) -> list[tuple[str, Path]]:
    """Return name and device node of each RealSense that the kernel sees."""
    found = []
    for device in sorted((root / "sys/bus/usb/devices").glob("*")):
        facts = {name: _read(device / name) for name in ("idVendor", "product", "busnum", "devnum")}
        if facts["idVendor"] == INTEL and "RealSense" in facts["product"]:
            node = root / f"dev/bus/usb/{int(facts['busnum']):03d}/{int(facts['devnum']):03d}"
            found.append((facts["product"], node))
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:  # an interface has none of a device's files
        return ""
