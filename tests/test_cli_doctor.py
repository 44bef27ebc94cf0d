import dataclasses
import json
import re
import shlex
import sys
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import in_process
import pytest
from camera_examples import FaultyCamera, folder
from cli_examples import a2g, ask, shelve
from typer.testing import CliRunner

from a2g_cli.adapters.registry import AdapterRegistry
from a2g_cli.cameras import realsense_sdk
from a2g_cli.cameras.choice import CameraChoice
from a2g_cli.cameras.measure import Measured, measure
from a2g_cli.cameras.metadata import CameraMetadata
from a2g_cli.cameras.reader import CameraReader
from a2g_cli.cli.app import app
from a2g_cli.cli.commands import checkup, checkup_hardware, checkup_usb
from a2g_cli.cli.commands.check import Check
from a2g_cli.cli.commands.deployment import Deployment
from a2g_cli.core import plugins
from a2g_cli.core.errors import HardwareError
from a2g_cli.core.workspace import Workspace
from a2g_cli.models import checkpoint, presets
from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.robots.sim import SimRobot


def found(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {check["name"]: check for check in document["checks"]}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing works without a process of its own; tests that want otherwise say so. The base is the one that is shipped."""
    monkeypatch.setattr(checkup, "_drawing", lambda: Check("simulator", "ok", "draws"))


def test_all_is_well(tmp_path: Path) -> None:
    document = ask(tmp_path, "doctor")
    assert document["ok"] is True
    checks = found(document)
    looked_at = "python packages torch simulator base adapters workspace a2g.toml robot cameras libusb realsense udev"
    assert {*looked_at.split(), "robot drivers", "camera drivers", "serial ports", "disk speed"} <= set(checks)
    assert all(check["state"] in {"ok", "note"} for check in checks.values())
    assert checkpoint.fingerprint(checkpoint.SHIPPED) in checks["base"]["detail"]
    assert "fits the simulator" in checks["base"]["detail"]
    assert not list(tmp_path.iterdir())


def test_every_line_says_what_to_do(tmp_path: Path) -> None:
    said = a2g(tmp_path, "doctor")
    assert said.exit_code == 0
    assert said.stdout.splitlines()[-1] == "Everything that is necessary works."
    lines = said.stdout.splitlines()
    for line, following in pairwise(lines):
        if line.startswith(("note  udev", "note  libusb", "FAIL")):
            assert following.startswith("      -> ")


class TestDrawing:
    @pytest.fixture(autouse=True)
    def drawing(self, monkeypatch: pytest.MonkeyPatch, quick: None) -> None:
        in_process.processes_of_their_own(monkeypatch)

    def test_an_image_is_really_drawn(self) -> None:
        check = checkup._drawing()
        assert check.state == "ok"
        assert "an image takes" in check.detail

    def test_no_gl_ends_with_3_and_a_hint(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MUJOCO_GL", "glfw")
        monkeypatch.delenv("DISPLAY", raising=False)
        monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
        check = found(ask(tmp_path, "doctor", code=3))["simulator"]
        assert check["state"] == "fail"
        assert "libegl1" in check["advice"]

    def test_a_driver_that_takes_the_process_along(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "executable", "/bin/false")
        check = checkup._drawing()
        assert check.state == "fail"
        assert "ended with exit code 1" in check.detail


def test_a_base_that_is_missing_or_does_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "SHIPPED", tmp_path / "none")
    check = found(ask(tmp_path, "doctor", code=3))["base"]
    assert (check["state"], "pretrain" in check["advice"]) == ("fail", True)
    spec = dataclasses.replace(SimRobot().spec, cameras={"top": (64, 64)})
    checkpoint.save(Act2Goal(presets.preset("micro", spec)), tmp_path / "other", "", {})
    monkeypatch.setattr(checkpoint, "SHIPPED", tmp_path / "other")
    assert "cameras" in found(ask(tmp_path, "doctor", code=3))["base"]["detail"]


def test_a_workspace_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "recordings").write_text("")
    check = found(ask(tmp_path, "doctor", code=3))["workspace"]
    assert (check["state"], "--workspace" in check["advice"]) == ("fail", True)


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkup.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 5_000_000}))
    (check,) = checkup._disk(Workspace(tmp_path))
    assert (check.state, "5.0 MB free" in check.detail) == ("fail", True)


def test_settings_that_are_not_toml(tmp_path: Path) -> None:
    (tmp_path / "a2g.toml").write_text("[robot")
    assert found(ask(tmp_path, "doctor", code=3))["a2g.toml"]["state"] == "fail"


@pytest.mark.parametrize(
    ("text", "failing", "says"),
    [
        ("[safety]\nframe_age = 200\n", "a2g.toml", "line 2: [safety] frame_age = 200: expected seconds, 0.02 to 10"),
        ("[robot]\nsize = 32.5\n", "a2g.toml", "line 2: [robot] size = 32.5: expected a whole number"),
        ("[safety]\nworkspace_low = { q = 0.1 }\n", "robot", "known: dx, dy, dz, opening, x, y, z"),
        ("[robot]\ndriver = 'simm'\n", "a2g.toml", "did you mean sim?"),
    ],
)
def test_settings_that_cannot_be_meant_are_told_where_they_stand(
    tmp_path: Path, text: str, failing: str, says: str
) -> None:
    (tmp_path / "a2g.toml").write_text(text)
    document = ask(tmp_path, "doctor", code=3)
    (check,) = [one for one in document["checks"] if one["state"] == "fail"]  # once, by its cause, and nothing besides
    assert check["name"] == failing
    assert says in check["detail"]
    assert "a2g.toml" in check["detail"] + check["advice"]
    assert "1 of" in a2g(tmp_path, "doctor").stdout.splitlines()[-1]


def test_a_driver_whose_package_is_missing_is_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    really_load = plugins.load

    def load(kind: plugins.Kind, name: str) -> Any:
        if name != "arm":
            return really_load(kind, name)
        raise HardwareError(f"{kind} {name!r} needs a package that is not installed: No module named 'arm'")

    monkeypatch.setattr(plugins, "known", lambda kind: ["arm", "sim"])
    monkeypatch.setattr(plugins, "load", load)
    checks = found(ask(tmp_path, "doctor"))
    assert (checks["robot drivers"]["detail"], checks["robot arm"]["state"]) == ("sim", "note")


def test_a_check_that_breaks_is_a_failure_not_a_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Check:
        raise RuntimeError("numpy was built for another planet")

    monkeypatch.setattr(checkup, "_torch", broken)
    result = a2g(tmp_path, "doctor", "--json")
    assert result.exit_code == 3
    assert "another planet" in found(json.loads(result.stdout))["torch"]["detail"]


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
    assert "did you mean sim?" in found(ask(tmp_path, "doctor", "--robot", "simm", code=3))["robot"]["detail"]


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


def test_adapters_are_held_against_the_base(tmp_path: Path) -> None:
    shelve(tmp_path, "stranger")
    assert found(ask(tmp_path, "doctor"))["adapter stranger"]["state"] == "note"
    AdapterRegistry(Workspace(tmp_path)).promote("stranger")
    checks = found(ask(tmp_path, "doctor", code=3))
    assert "it belongs to the base 0123456789abcdef" in checks["adapter stranger"]["detail"]
    base = checkpoint.fingerprint(checkpoint.SHIPPED)
    shelve(tmp_path, "odd", base=base)  # the right base, but weights for layers that it does not have
    AdapterRegistry(Workspace(tmp_path)).promote("odd")
    assert found(ask(tmp_path, "doctor", code=3))["adapter odd"]["state"] == "fail"


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


def test_each_failure_has_a_line_and_a_remedy_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkup, "_PACKAGES", ("numpy", "no-such-one", "no-such-other"))
    (tmp_path / "recordings").write_text("")
    (tmp_path / "adapters").write_text("")
    wrong = ("--camera", "front=realsens:1", "--camera", "side=opencvv:0")
    document = ask(tmp_path, "doctor", *wrong, code=3)
    failed = [check for check in document["checks"] if check["state"] == "fail"]
    assert [check["name"] for check in failed] == [
        *("package no-such-one", "package no-such-other"),
        *("workspace", "workspace", "cameras", "cameras"),
    ]
    remedies = [check["advice"] for check in failed]
    assert remedies[:2] == ["pip install no-such-one", "pip install no-such-other"]
    assert str(tmp_path / "recordings") in remedies[2]
    assert str(tmp_path / "adapters") in remedies[3]
    assert "realsens" in failed[4]["detail"]
    assert "side=opencvv" in failed[5]["detail"]
    lines = a2g(tmp_path, "doctor", *wrong).stdout.splitlines()
    for check in failed:
        (number,) = [
            n
            for n, line in enumerate(lines)
            if line.startswith(f"FAIL  {check['name']} ") and line.endswith(check["detail"])
        ]
        assert lines[number + 1] == f"      -> {check['advice']}"
    assert lines[-1].startswith(f"{len(failed)} of ")


def test_a_broken_base_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shelve(tmp_path, "mine")
    monkeypatch.setattr(checkpoint, "SHIPPED", tmp_path / "none")
    document = ask(tmp_path, "doctor", code=3)
    assert [check["name"] for check in document["checks"] if check["state"] == "fail"] == ["base"]
    assert "base" in found(document)["adapters"]["advice"]


def test_what_the_doctor_says_to_do_about_an_adapter_works(tmp_path: Path) -> None:
    shelve(tmp_path, "its-mine")
    AdapterRegistry(Workspace(tmp_path)).promote("its-mine")
    advice = found(ask(tmp_path, "doctor", code=3))["adapter its-mine"]["advice"]
    command = shlex.split(advice.partition("use the base policy: ")[2])
    assert CliRunner().invoke(app, command[1:]).exit_code == 0
    document = ask(tmp_path, "doctor")
    assert found(document)["adapter its-mine"]["state"] == "note"
    command = shlex.split(found(document)["adapter its-mine"]["advice"].partition("remove it: ")[2])
    assert CliRunner().invoke(app, [*command[1:], "--yes"]).exit_code == 0
    assert not (tmp_path / "adapters" / "its-mine").exists()
    (tmp_path / "adapters" / "active.json").write_text('{"history": ["gone"]}')
    command = shlex.split(found(ask(tmp_path, "doctor", code=3))["active adapter"]["advice"].partition("before: ")[2])
    assert CliRunner().invoke(app, command[1:]).exit_code == 0
    ask(tmp_path, "doctor")


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
