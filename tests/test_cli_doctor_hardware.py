"""``a2g doctor`` on hardware: cameras, the robot, the speed of the disk, udev rules, ports and libusb."""

import re
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from camera_examples import FaultyCamera, folder
from cli_examples import ask

from a2g_cli.cameras import realsense_sdk
from a2g_cli.cameras.choice import CameraChoice
from a2g_cli.cameras.measure import Measured, measure
from a2g_cli.cameras.metadata import CameraMetadata
from a2g_cli.cameras.reader import CameraReader
from a2g_cli.cli.commands import checkup, checkup_hardware, checkup_usb
from a2g_cli.cli.commands.check import Check
from a2g_cli.cli.commands.deployment import Deployment
from a2g_cli.core.clock import WallClock
from a2g_cli.core.errors import HardwareError
from a2g_cli.core.workspace import Workspace
from a2g_cli.robots.sim import SimRobot

if TYPE_CHECKING:
    from a2g_cli.robots.base import Robot


def found(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {check["name"]: check for check in document["checks"]}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing works without a process of its own; tests that want otherwise say so. The base is the one that is shipped."""
    monkeypatch.setattr(checkup, "_drawing", lambda: Check("simulator", "ok", "draws"))


def test_cameras_are_opened_and_measured_at_once(tmp_path: Path) -> None:
    images = folder(tmp_path / "images", 4)
    (tmp_path / "a2g.toml").write_text(f'[cameras.front]\ndriver = "images"\npath = "{images}"\nrate = 50\n')
    checks = found(ask(tmp_path, "doctor", "--camera", f"wrist=images:{images}"))
    for name in ("front", "wrist"):
        assert checks[f"camera {name}"]["state"] == "ok"
        assert "64x48" in checks[f"camera {name}"]["detail"]
    rate = float(re.search(r"([\d.]+) Hz", checks["camera front"]["detail"])[1])
    assert rate <= 50.5  # a slow machine is slower, none is faster


def test_a_camera_that_is_needed_and_fails_ends_with_3(tmp_path: Path) -> None:
    still = folder(tmp_path / "still", 1)
    asked = ("--camera", "front=opencv:/dev/video987", "--camera", f"wrist=images:{still}")
    checks = found(ask(tmp_path, "doctor", *asked, code=3))
    assert "does not exist" in checks["camera front"]["detail"]
    assert "every image has the same bytes" in checks["camera wrist"]["detail"]
    assert found(ask(tmp_path, "doctor", "--camera", "front=realsens:1", code=3))["cameras"]["state"] == "fail"


def judged(**changed: object) -> Check:
    reader = CameraReader("front", FaultyCamera())
    reader._view = CameraMetadata("opencv:x", 640, 480, settings={"rate": 30.0, "exposure": 120.0, "gain": 8.0})
    well = Measured(images=60, rate=30.0, latency=0.03, latency_99=0.05, lost=0, frozen=False)
    return checkup_hardware._judged(CameraChoice("front", "opencv", {"device": "x"}), reader, replace(well, **changed))


def test_what_is_said_of_a_measured_camera() -> None:
    well = judged()
    assert well.state == "ok"
    assert "30.0 Hz, latency 30 ms, at most 50 ms in 99 of 100" in well.detail
    assert "locked at exposure=120, gain=8" in well.detail
    slow = judged(rate=14.0, lost=3)
    assert slow.state == "fail"
    assert "it is set to 30 Hz" in slow.detail
    assert "3 of 63 lost" in slow.detail
    assert judged(frozen=True).state == "fail"
    assert judged(images=1).state == "fail"
    assert "unplugged" in judged(failure="it was unplugged").detail
    assert judged(latency=0.4).state == "note"


def test_a_reader_is_measured() -> None:
    camera = FaultyCamera()
    reader = CameraReader("front", camera)
    reader.open()
    lively = measure({"front": reader}, 0.3)["front"]
    assert lively.images > 2
    assert lively.rate == pytest.approx((lively.images + lively.lost) / 0.3, rel=0.7)
    assert 0 <= lively.latency <= lively.latency_99 < 0.3
    assert not lively.frozen
    camera.frozen = True
    time.sleep(0.05)
    assert measure({"front": reader}, 0.3)["front"].frozen
    camera.unplugged = True
    assert "unplugged" in measure({"front": reader}, 0.3)["front"].failure
    reader.close()


def test_a_robot_is_connected_to_only_when_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connected = []
    connect = SimRobot.connect
    monkeypatch.setattr(SimRobot, "connect", lambda self: (connected.append(1), connect(self))[1])
    assert "sim:place, 4 actions at 10 Hz, cameras: front 64x64" in found(ask(tmp_path, "doctor"))["robot"]["detail"]
    assert connected == []
    assert "an observation takes" in found(ask(tmp_path, "doctor", "--robot", "sim"))["robot"]["detail"]
    assert connected == [1]
    drawn = found(ask(tmp_path, "doctor", "--robot", "gym:gym_examples:Drawn-v0"))["robot"]["detail"]
    assert re.search(r"simulated, [\d.e+]+ frames per second \(a step takes \d+ ms, its observation \d+ ms\)$", drawn)
    assert "did you mean sim?" in found(ask(tmp_path, "doctor", "--robot", "simm", code=3))["robot"]["detail"]


def test_a_robot_in_real_time_is_not_moved_to_measure_it() -> None:
    assert checkup_hardware._simulated(cast("Robot", SimpleNamespace(clock=WallClock()))) == ""


def test_a_disk_that_cannot_keep_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, robot = Workspace(tmp_path), Deployment
    needed = checkup_hardware._recorded(SimRobot().spec)
    assert needed == 10 * (64 * 64 * 3 + 8 * 4 + 4 * 4)
    for speed, state in ((0.5 * needed, "fail"), (2 * needed, "note"), (100 * needed, "ok")):
        monkeypatch.setattr(checkup_hardware, "_written", lambda _, speed=speed: speed)
        assert checkup_hardware.disk_speed(place, robot).state == state
    monkeypatch.undo()
    assert checkup_hardware._written(tmp_path) > 0
    assert not list(tmp_path.iterdir())


def usb_device(root: Path, product: str = "Intel(R) RealSense(TM) Depth Camera 435") -> Path:
    device = root / "sys/bus/usb/devices/2-1"
    device.mkdir(parents=True)
    for name, text in (("idVendor", "8086\n"), ("product", product), ("busnum", "2\n"), ("devnum", "7\n")):
        (device / name).write_text(text)
    (device / "2-1:1.0").mkdir()
    node = root / "dev/bus/usb/002/007"
    node.parent.mkdir(parents=True)
    node.touch()
    return node


def test_what_udev_allows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkup_usb.os, "geteuid", lambda: 1000)
    (bare,) = checkup_usb.udev(tmp_path)
    assert (bare.state, "udevadm control" in bare.advice) == ("note", True)
    rules = tmp_path / "etc/udev/rules.d"
    rules.mkdir(parents=True)
    (rules / "99-realsense-libusb.rules").write_text('SUBSYSTEMS=="usb", ATTRS{idVendor}=="8086", MODE:="0666"\n')
    assert "99-realsense" in checkup_usb.udev(tmp_path)[0].detail
    node = usb_device(tmp_path)
    assert "RealSense" in checkup_usb.udev(tmp_path)[0].detail
    monkeypatch.setattr(checkup_usb.os, "access", lambda path, _: path != node)
    (closed,) = checkup_usb.udev(tmp_path)
    assert (closed.state, "may not open" in closed.detail) == ("fail", True)


def test_which_ports_arms_hang_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no arm is plugged in" in checkup_usb.serial_ports(tmp_path)[0].detail
    (tmp_path / "dev").mkdir()
    for name in ("ttyACM0", "ttyACM1", "ttyUSB0"):
        (tmp_path / "dev" / name).touch()
    assert "ttyACM0" in checkup_usb.serial_ports(tmp_path)[0].detail
    monkeypatch.setattr(checkup_usb.os, "access", lambda path, _: path.name == "ttyACM1")
    usable, *closed = checkup_usb.serial_ports(tmp_path)
    assert (usable.state, usable.detail) == ("ok", str(tmp_path / "dev/ttyACM1"))
    assert [check.detail.split()[-1] for check in closed] == [
        str(tmp_path / "dev" / name) for name in ("ttyACM0", "ttyUSB0")
    ]
    assert all(f"usermod -aG {(tmp_path / 'dev/ttyACM0').group()}" in check.advice for check in closed)


def test_libusb_that_is_missing_is_said_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(realsense_sdk, "system_libusb", lambda: False)
    assert "libusb-package" in checkup_usb.realsense()[0].detail
    monkeypatch.setattr(realsense_sdk, "bundled_libusb", lambda: None)

    def load() -> None:
        raise HardwareError(
            "pyrealsense2 is installed, but a library of the system that it needs is not: libusb-1.0-0."
        )

    monkeypatch.setattr(realsense_sdk, "load", load)
    libusb, realsense = checkup_usb.realsense()
    assert (libusb.state, realsense.state) == ("note", "note")
    assert "apt install libusb-1.0-0" in libusb.advice
