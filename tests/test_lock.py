"""One owner at a time, whatever happens to the others: real processes, killed and not."""

import errno
import fcntl
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from a2g_cli.core.errors import A2GError, BusyError
from a2g_cli.core.locks import Owner, holder, locked

HOLD = """
import sys, time
from pathlib import Path
from a2g_cli.core.locks import locked
with locked(Path(sys.argv[1]), "a test"):
    print("held", flush=True)
    time.sleep(60)
"""
COUNT = """
import sys
from pathlib import Path
from a2g_cli.core.locks import locked
folder = Path(sys.argv[1])
for _ in range(60):
    with locked(folder / "lock", "counting", patience=60):
        value = int((folder / "value").read_text())
        (folder / "value").write_text(str(value + 1))
"""


def start(script: str, *words: object) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", script, *map(str, words)], stdout=subprocess.PIPE, text=True)


def hold(path: Path) -> subprocess.Popen[str]:
    process = start(HOLD, path)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_lock_is_there_only_while_it_is_held(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert holder(path) is None
    with locked(path, "this"):
        owner = holder(path)
        assert owner is not None
        assert (owner.pid, owner.host, owner.doing, owner.alive) == (os.getpid(), socket.gethostname(), "this", True)
        said = rf"locked by this \(process {os.getpid()} on .*, for 0 s\): wait"
        with pytest.raises(BusyError, match=said), locked(path, "that", patience=0.0):
            pass
    assert list(tmp_path.iterdir()) == []


def test_another_process_is_named_and_what_it_leaves_when_killed_is_stale(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    process = hold(path)
    with process:
        with pytest.raises(BusyError, match=f"a test .process {process.pid}"), locked(path, "this", patience=0.1):
            pass
        process.kill()
    assert json.loads(path.read_text())["pid"] == process.pid
    assert holder(path) is None
    with locked(path, "this", patience=0.0):
        pass


def test_nobody_counts_twice(tmp_path: Path) -> None:
    (tmp_path / "value").write_text("0")
    processes = [start(COUNT, tmp_path) for _ in range(3)]
    assert [process.wait(120) for process in processes] == [0, 0, 0]
    for process in processes:
        process.stdout.close()  # type: ignore[union-attr]
    assert (tmp_path / "value").read_text() == "180"


def test_a_disk_without_locks_goes_by_the_owners_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(descriptor: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    path, here = tmp_path / "lock", Owner.here("that")
    for owner, alive in [
        (here, True),
        (Owner(here.pid, here.host, here.started - 60, here.since, "a process whose number was given again"), False),
        (Owner(2**22 + 1, here.host, here.started, here.since, "a process that is no more"), False),
        (Owner(1, "another-host", 0.0, time.time() - 60, "elsewhere"), True),
        (Owner(1, "another-host", 0.0, time.time() - 90_000, "elsewhere, the day before yesterday"), False),
    ]:
        path.write_text(json.dumps(owner.__dict__))
        assert owner.alive == alive
        assert (holder(path) is not None) == alive
        if alive:
            with pytest.raises(BusyError, match=owner.doing), locked(path, "this", patience=0.0):
                pass
        else:
            with locked(path, "this", patience=0.0):
                assert holder(path) is not None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": "x"}', "[" * 5000, '{"pid": 1e999}'])
def test_words_that_are_none_do_not_stop_anybody(tmp_path: Path, text: str) -> None:
    (tmp_path / "lock").write_text(text)
    assert holder(tmp_path / "lock") is None
    with locked(tmp_path / "lock", "this", patience=0.0):
        pass


def test_a_place_where_no_lock_can_be_is_one_line(tmp_path: Path) -> None:
    with (
        pytest.raises(A2GError, match=r"lock cannot be written: No such file"),
        locked(tmp_path / "no" / "lock", "this"),
    ):
        pass


def test_busy_crosses_to_another_process_as_it_was() -> None:
    error = BusyError(Path("lock"), "somebody")
    kind, asked = error.__reduce__()
    assert str(kind(*asked)) == str(error)
