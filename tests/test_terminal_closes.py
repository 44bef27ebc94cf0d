"""A terminal that is closed in the middle of an episode: it is saved all the same, and the robot comes to rest."""

import os
import signal
import sys
from pathlib import Path

import pytest
from cli_examples import ask
from driver_examples import install
from terminal_examples import AtATerminal, written

from a2g_cli.data.recording.reader import Recording

STEPS = 100_000


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    ask(tmp_path, "capture-goal", "cup", "--seed", 3)
    return tmp_path


def sound(workspace: Path, session: str) -> list[str]:
    """Return what stopped each recording of a session, all of which must be complete."""
    folder = workspace / "recordings" / "sessions" / session
    assert not list(folder.glob("*.partial"))
    reasons = []
    for path in sorted(folder.glob("episode-*.hdf5")):
        with Recording(path) as recording:
            assert len(recording.frames("front")) == recording.length + 1
            reasons.append(recording.outcome.stopped_by)
    return reasons


@pytest.mark.parametrize("again", [(), (signal.SIGHUP,), (signal.SIGHUP, signal.SIGTERM, signal.SIGHUP)], ids=repr)
def test_a_run_with_its_live_view_saves_the_episode(workspace: Path, again: tuple[signal.Signals, ...]) -> None:
    words = ("run", "cup", "--adapter", "still", "--steps", STEPS, "--episodes", 2, "--session", "cut")
    with AtATerminal(*words, "--workspace", workspace) as terminal:
        terminal.read_until(written(workspace / "recordings", 60_000))
        terminal.read_until(lambda: b"episode 1/2" in terminal.seen)
        terminal.close()
        for number in again:
            terminal.process.send_signal(number)
        assert terminal.ended() == 130
    assert sound(workspace, "cut") == ["interrupted"]


def test_a_terminal_that_nobody_told_of_stops_nothing_either(workspace: Path) -> None:
    """As under ``nohup``, or with a shell that disowned it: no signal comes, every write fails."""
    words = ("run", "cup", "--adapter", "still", "--steps", 250, "--episodes", 2, "--session", "deaf")
    ignoring = "import signal, runpy, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN); sys.argv[0] = 'a2g'; "
    (workspace / "deaf.py").write_text(f"{ignoring}runpy.run_module('a2g_cli', run_name='__main__')\n")
    path = os.pathsep.join([str(workspace), *sys.path])
    with AtATerminal(*words, "--workspace", workspace, env={"PYTHONPATH": path}, module="deaf") as terminal:
        terminal.read_until(written(workspace / "recordings", 30_000))
        terminal.close()
        assert terminal.ended() == 5, "as ever: the goal was not reached"
    assert sound(workspace, "deaf") == ["steps", "steps"]


def test_the_second_hang_up_does_not_cut_the_way_to_rest_short(
    tmp_path: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = install(tmp_path / "site")
    monkeypatch.syspath_prepend(site)
    ask(workspace, "capture-goal", "plate", "--robot", "faulty", "--force")
    log = tmp_path / "log"
    env = {"PYTHONPATH": os.pathsep.join(map(str, [site, *sys.path])), "A2G_DRIVER_LOG": str(log)}
    words = ("run", "plate", "--robot", "faulty:rest=slow1,close=slow1", "--adapter", "still", "--steps", STEPS)
    with AtATerminal(*words, "--session", "arm", "--workspace", workspace, env=env) as terminal:
        terminal.read_until(written(workspace / "recordings", 20_000))
        terminal.close()
        for word in ("rest", "close"):
            terminal.read_until(lambda word=word: word in log.read_text().split())
            terminal.process.send_signal(signal.SIGHUP)
            terminal.process.send_signal(signal.SIGTERM if word == "rest" else signal.SIGHUP)
        assert terminal.ended() == 130
    assert log.read_text().split()[-4:] == ["rest", "rested", "close", "closed"]
    assert sound(workspace, "arm") == ["interrupted"]


def test_an_improvement_run_goes_on_where_it_was(workspace: Path) -> None:
    words = ("improve", "--rounds", 1, "--episodes", 4, "--evaluation", 1, "--session", "night")
    with AtATerminal(*words, "--workspace", workspace) as terminal:
        terminal.read_until(written(workspace / "recordings", 20_000))
        terminal.close()
        terminal.process.send_signal(signal.SIGHUP)
        assert terminal.ended() == 130
    kept = sound(workspace, "night")
    assert "interrupted" in kept
    assert (workspace / "recordings" / "sessions" / "night" / "improve.json").exists()
    verified = ask(workspace, "recordings", "verify", "night")
    assert (verified["damaged"], verified["unfinished"]) == (0, [])
