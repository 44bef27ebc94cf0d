"""``a2g doctor``: every check has a state of its own, and says what to do."""

import dataclasses
import json
import shlex
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import in_process
import pytest
from cli_examples import a2g, ask, shelve
from typer.testing import CliRunner

from a2g_cli.adapters.registry import AdapterRegistry
from a2g_cli.cli.app import app
from a2g_cli.cli.commands import checkup
from a2g_cli.cli.commands.check import Check
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
