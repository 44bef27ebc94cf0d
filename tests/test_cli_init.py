"""``a2g init`` writes what every other command reads."""

from pathlib import Path

import pytest
from cli_examples import a2g, ask, refused

from a2g_cli.core.config import read
from a2g_cli.core.workspace import Workspace

SO101 = (
    "--robot",
    "lerobot:so101_follower",
    "--set",
    "rate=30",
    "--set",
    "config.port=/dev/ttyACM0",
    "--set",
    "config.id=bench",
    "--set",
    "config.max_relative_target=10.0",
)


def test_what_is_given_is_written_and_read_again(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    camera = f"front=images:{tmp_path / 'photos'},rate=15,size=96x64"
    document = ask(tmp_path, "init", *SO101, "--camera", camera, "--goal", "cup", "--yes")
    assert document["written"]
    found = read(Workspace(tmp_path))
    assert found.robot == "lerobot:so101_follower"
    assert found.robot_settings == {
        "rate": 30,
        "config": {"port": "/dev/ttyACM0", "id": "bench", "max_relative_target": 10.0},
    }
    assert found.goals == ("cup",)
    table = Workspace(tmp_path).settings()["cameras"]["front"]
    assert table == {"driver": "images", "path": str(tmp_path / "photos"), "rate": 15, "size": "96x64"}


def test_a_dot_leads_into_any_table_of_the_robots(tmp_path: Path) -> None:
    told = ("--set", "options.obs_type=pixels", "--set", "rate=10", "--set", "proprioception=['proprio/gripper']")
    ask(tmp_path, "init", "--robot", "gym:Any-v0", *told, "--yes")
    assert read(Workspace(tmp_path)).robot_settings == {
        "options": {"obs_type": "pixels"},
        "rate": 10,
        "proprioception": ["proprio/gripper"],
    }


def test_with_nothing_but_yes_it_is_the_simulator(tmp_path: Path) -> None:
    ask(tmp_path, "init", "--yes")
    assert read(Workspace(tmp_path)).robot == "sim"
    ask(tmp_path, "capture-goal", "cup", "--seed", 1)


def test_a_file_that_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "a2g.toml").write_text("[robot]\nsize = 32\n")
    assert "--overwrite" in refused(tmp_path, "init", "--yes")
    assert not ask(tmp_path, "init", "--yes", "--dry-run")["written"]
    assert (tmp_path / "a2g.toml").read_text() == "[robot]\nsize = 32\n"
    ask(tmp_path, "init", "--yes", "--overwrite")
    assert read(Workspace(tmp_path)).robot_settings == {}


def test_what_cannot_be_meant_is_not_written(tmp_path: Path) -> None:
    assert "did you mean size" in refused(tmp_path, "init", "--set", "sise=3", "--yes")
    assert "KEY=VALUE" in refused(tmp_path, "init", "--set", "size", "--yes")
    assert "did you mean sim" in refused(tmp_path, "init", "--robot", "smi", "--yes")
    assert "terminal" in refused(tmp_path, "init")
    assert not (tmp_path / "a2g.toml").exists()


def test_it_asks_for_what_was_not_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("a2g_cli.cli.commands.prompts.somebody_is_there", lambda: True)
    result = a2g(tmp_path, "init", answer="sim:write\nsize=32\n\n\ncup\n\n")
    assert result.exit_code == 0, result.stderr
    assert "Robot (" in result.stderr
    found = read(Workspace(tmp_path))
    assert (found.robot, found.robot_settings, found.goals) == ("sim:write", {"size": 32}, ("cup",))
