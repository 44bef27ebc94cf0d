"""A disk that cannot follow costs time, which is said, and no frame; one without room is refused before anything moves."""

import os
import shutil
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from cli_examples import a2g, ask, refused

from a2g_cli.data.recording import writer as writing
from a2g_cli.data.recording.reader import Recording
from a2g_cli.robots.sim import SimRobot


def test_a_robot_that_waits_for_the_disk_says_so_and_keeps_every_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(tmp_path, "capture-goal", "cup", "--seed", 3)
    real = os.write

    def slow(descriptor: int, data: memoryview) -> int:
        time.sleep(0.02)
        return real(descriptor, data)

    monkeypatch.setattr(writing, "FLUSH_STEPS", 2)
    monkeypatch.setattr(os, "write", slow)
    run = a2g(tmp_path, "run", "cup", "--steps", "20", "--adapter", "random", "--session", "slow")
    monkeypatch.undo()
    assert run.exit_code == 5
    assert "the disk is slow: the robot waited for it in " in run.stderr
    with Recording(tmp_path / "recordings" / "sessions" / "slow" / "episode-0000.hdf5") as recording:
        assert recording.length == 20
        assert len(recording.frames("front")) == 21


def test_a_disk_without_room_is_refused_before_the_robot_moves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(tmp_path, "capture-goal", "cup", "--seed", 3)
    moved: list[str] = []
    for name in ("begin", "reset", "act"):
        monkeypatch.setattr(SimRobot, name, lambda *_, name=name: moved.append(name))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10**6))
    assert "only 0.001 GB are free" in refused(tmp_path, "run", "cup", "--steps", 3, "--adapter", "random", code=4)
    assert moved == ["begin"]  # the simulator sets its scene up when it connects
    assert not (tmp_path / "recordings" / "sessions").exists()
