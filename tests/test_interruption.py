"""Ctrl-C at a real `a2g run`, in the middle of an episode and before there is one."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli_examples import ask
from processes import Forked

from a2g_cli.data.recording.reader import Recording

PATIENCE = 90.0
"""[s]; a slow machine starts a process in several."""


@pytest.fixture(scope="module")
def base(hard: Path) -> Path:
    """It never takes itself for arrived: an episode goes on until it is interrupted."""
    return hard


@pytest.mark.parametrize("asked", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_in_the_middle_of_an_episode_saves_it(tmp_path: Path, base: Path, asked: signal.Signals) -> None:
    ask(tmp_path, "capture-goal", "cup", "--seed", 3)
    words = ["run", "cup", "--episodes", "3", "--steps", "5000", "--base", str(base), "--session", "cut", "--json"]
    folder = tmp_path / "recordings" / "sessions" / "cut"
    with Forked(*words, "--workspace", tmp_path) as process:
        end = time.monotonic() + PATIENCE
        # Past the goal and the first observation: some steps are written.
        while sum(path.stat().st_size for path in folder.glob("*.partial")) < 60_000:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < end, "no episode began"
            time.sleep(0.02)
        process.send_signal(asked)
        out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert "finishing the step, saving" in err
    document = json.loads(out)
    [told] = document["recordings"]
    assert told["stopped_by"] == "interrupted"
    assert not list(folder.glob("*.partial"))
    with Recording(Path(told["path"])) as recording:
        assert 1 <= recording.length == told["steps"] < 5000
        assert len(recording.frames("front")) == recording.length + 1
        assert recording.outcome.stopped_by == "interrupted"
    verified = ask(tmp_path, "recordings", "verify", "cut")
    assert (verified["sound"], verified["damaged"], verified["unfinished"]) == (1, 0, [])


@pytest.mark.parametrize("asked", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_before_the_first_step_closes_what_is_open_and_leaves_nothing(
    tmp_path: Path, asked: signal.Signals
) -> None:
    ask(tmp_path, "capture-goal", "cup", "--seed", 3)
    words = ["run", "cup", "--robot", "gym:gym_examples:Slow-v0", "--adapter", "still", "--json"]
    env = {"A2G_SLOW": str(tmp_path), "PYTHONPATH": os.pathsep.join(map(str, sys.path))}
    with Forked(*words, "--workspace", tmp_path, env=env) as process:
        end = time.monotonic() + PATIENCE
        while not (tmp_path / "begun").exists():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < end, "the robot was not opened"
            time.sleep(0.02)
        process.send_signal(asked)
        out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, err
    assert json.loads(out) == {"error": {"message": "interrupted", "exit_code": 130}}
    assert "Traceback" not in err
    assert (tmp_path / "closed").exists()
    assert not (tmp_path / "recordings" / "sessions").exists()


def test_an_import_that_was_interrupted_ends_with_the_exit_code_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "interrupted.py").write_text("""
import typer
from a2g_cli.cli.runner import finish
app = typer.Typer()
@app.command()
def go(): finish(False, lambda: exec("raise KeyboardInterrupt"))
app()
""")
    command = [sys.executable, "-m", "interrupted"]  # as `python -m a2g_cli`: a string given by -c ends otherwise
    path = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    ended = subprocess.run(command, env=path, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (ended.returncode, ended.stderr) == (130, "interrupted.\n")
