import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from cli_examples import a2g, ask

from a2g_cli import drivers
from a2g_cli.commands import checkup
from a2g_cli.commands.checkup import Check
from a2g_cli.policy import checkpoint, presets
from a2g_cli.policy.act2goal import Act2Goal
from a2g_cli.robots.sim import SimRobot
from a2g_cli.workspace import Workspace

REALLY_DRAWING = checkup._drawing


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
    assert {"python", "packages", "torch", "simulator", "base", "workspace", "robots", "cameras"} <= set(checks)
    assert all(check["state"] in {"ok", "note"} for check in checks.values())
    assert checkpoint.fingerprint(checkpoint.SHIPPED) in checks["base"]["detail"]
    assert "fits the simulator" in checks["base"]["detail"]
    assert not list(tmp_path.iterdir())


def test_every_line_says_what_to_do(tmp_path: Path) -> None:
    said = a2g(tmp_path, "doctor")
    assert said.exit_code == 0
    assert said.stdout.splitlines()[-1] == "everything that the simulator needs works."
    noted = [line for line in said.stdout.splitlines() if line.startswith("note  realsense")]
    assert all("->" in line for line in noted)


class TestDrawing:
    @pytest.fixture(autouse=True)
    def drawing(self, monkeypatch: pytest.MonkeyPatch, quick: None) -> None:
        monkeypatch.setattr(checkup, "_drawing", REALLY_DRAWING)

    def test_a_picture_is_really_drawn(self) -> None:
        check = checkup._drawing()
        assert check.state == "ok"
        assert "a picture takes" in check.detail

    def test_no_gl_ends_with_3_and_a_hint(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MUJOCO_GL", "glfw")
        monkeypatch.delenv("DISPLAY", raising=False)
        monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
        check = found(ask(tmp_path, "doctor", code=3))["simulator"]
        assert (check["state"], check["hardware"]) == ("fail", True)
        assert "libegl1" in check["advice"]

    def test_a_driver_that_takes_the_process_along(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "executable", "/bin/false")
        check = checkup._drawing()
        assert (check.state, check.hardware) == ("fail", True)
        assert "ended with 1" in check.detail


def test_a_base_that_is_missing_or_does_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "SHIPPED", tmp_path / "none")
    check = found(ask(tmp_path, "doctor", code=1))["base"]
    assert (check["state"], "pretrain" in check["advice"]) == ("fail", True)
    spec = dataclasses.replace(SimRobot().spec, cameras={"top": (64, 64)})
    checkpoint.save(Act2Goal(presets.preset("micro", spec)), tmp_path / "other", "", {})
    monkeypatch.setattr(checkpoint, "SHIPPED", tmp_path / "other")
    assert "cameras" in found(ask(tmp_path, "doctor", code=1))["base"]["detail"]


def test_a_workspace_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "recordings").write_text("")
    check = found(ask(tmp_path, "doctor", code=1))["workspace"]
    assert (check["state"], "--workspace" in check["advice"]) == ("fail", True)


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkup.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 5_000_000}))
    check = checkup._disk(Workspace(tmp_path))
    assert (check.state, "5.0 MB free" in check.detail) == ("fail", True)


def test_settings_that_are_not_toml(tmp_path: Path) -> None:
    (tmp_path / "a2g.toml").write_text("[robot")
    assert found(ask(tmp_path, "doctor", code=1))["a2g.toml"]["state"] == "fail"


def test_a_driver_whose_package_is_missing_is_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from a2g_cli.errors import HardwareError

    def load(kind: str, name: str) -> type[Any]:
        if name == "sim":
            return SimRobot
        raise HardwareError(f"{kind} {name!r} needs a package that is not installed: No module named 'arm'")

    monkeypatch.setattr(drivers, "known", lambda kind: ["arm", "sim"])
    monkeypatch.setattr(drivers, "load", load)
    checks = found(ask(tmp_path, "doctor"))
    assert (checks["robots"]["detail"], checks["robot arm"]["state"]) == ("sim", "note")


def test_a_check_that_breaks_is_a_failure_not_a_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Check:
        raise RuntimeError("numpy was built for another planet")

    monkeypatch.setattr(checkup, "_torch", broken)
    result = a2g(tmp_path, "doctor", "--json")
    assert result.exit_code == 1
    assert "another planet" in found(json.loads(result.stdout))["torch"]["detail"]
