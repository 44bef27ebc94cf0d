"""Recording demonstrations in real processes, some of which are killed."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from a2g_cli.core.errors import RecordingError, UnknownNameError
from a2g_cli.data.recording.reader import read_episode
from a2g_cli.data.recording.sessions import Session
from a2g_cli.training.demonstrations import SHARD, record_demonstrations

PATIENCE = 90.0
"""[s]; a slow machine starts a process in several."""

WRITER = """
import signal
import sys
from pathlib import Path
from a2g_cli.core.errors import A2GError
from a2g_cli.data.recording.sessions import Session
from a2g_cli.training.demonstrations import record_demonstrations
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job is deaf to it
    try:
        record_demonstrations(Session(Path(sys.argv[1])), "place", 3, int(sys.argv[2]))
    except A2GError as error:
        print(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
"""


def until(true: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


@contextmanager
def writer(folder: Path, count: int) -> Iterator[subprocess.Popen[str]]:
    """A process that records ``count`` demonstrations into ``folder``, in a process group of its own as in a terminal."""
    script = folder.parent / "writer.py"
    script.write_text(WRITER)
    process = subprocess.Popen(
        [sys.executable, script, str(folder), str(count)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def workers(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The processes that record, without multiprocessing's own helper."""
    children = psutil.Process(process.pid).children()
    return [child for child in children if "spawn_main" in " ".join(child.cmdline())]


def whole(folder: Path, count: int) -> None:
    """All demonstrations are there, sound, and nothing else."""
    assert sorted(path.name for path in folder.iterdir()) == [f"episode-{i:05d}.hdf5" for i in range(count)]
    for path in Session(folder).recordings():
        outcome = read_episode(path).outcome
        assert outcome is not None
        assert outcome.success


@pytest.mark.parametrize("names", [{"scene": "plaec"}, {"shift": "camera-bum"}])
def test_a_name_that_is_wrong_is_refused_before_anything_is_made(tmp_path: Path, names: dict[str, str]) -> None:
    with pytest.raises(UnknownNameError, match="did you mean"):
        record_demonstrations(Session(tmp_path / "s"), **{"scene": "place", "seed": 0, "count": 2, **names})  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_after_a_kill_the_same_command_goes_on(tmp_path: Path) -> None:
    folder, count = tmp_path / "s", 12
    with writer(folder, count) as process:
        until(lambda: list(folder.glob("*.hdf5")) and list(folder.glob("*.partial")))
        recording = workers(process)
        process.kill()
        process.wait()
        # An orphan would still hold what it writes.
        assert not psutil.wait_procs(recording, PATIENCE)[1]
    there = {path: path.stat().st_mtime_ns for path in Session(folder).recordings()}
    assert 1 <= len(there) < count
    told: list[int] = []
    assert record_demonstrations(Session(folder), "place", 3, count, processes=1, advanced=told.append) == 0
    assert told == [count]
    whole(folder, count)
    assert all(path.stat().st_mtime_ns == moment for path, moment in there.items()), "what was there is kept"


def test_what_a_killed_writer_left_is_made_again_and_what_is_held_is_not_touched(tmp_path: Path) -> None:
    stale = tmp_path / "episode-00000.hdf5.partial"
    stale.write_bytes(b"a torn beginning")
    descriptor = os.open(stale, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with pytest.raises(RecordingError, match="another program is writing it"):
            record_demonstrations(Session(tmp_path), "place", 0, 1, processes=1)
        assert stale.read_bytes() == b"a torn beginning"
    finally:
        os.close(descriptor)
    assert record_demonstrations(Session(tmp_path), "place", 0, 1, processes=1) == 0
    whole(tmp_path, 1)
    assert record_demonstrations(Session(tmp_path), "place", 0, 1, processes=1) == 0


def test_ctrl_c_ends_at_once_and_leaves_nothing_unfinished(tmp_path: Path) -> None:
    folder, count = tmp_path / "s", 400
    with writer(folder, count) as process:
        until(lambda: list(folder.glob("*.hdf5")))
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the workers get it too
        out, err = process.communicate(timeout=PATIENCE)
        assert (process.returncode, out, err) == (130, "", "")
    there = sorted(path.name for path in folder.iterdir())
    assert 1 <= len(there) < SHARD, "only what was under way is completed, not every shard that was begun"
    assert {Path(name).suffix for name in there} == {".hdf5"}


def test_a_worker_that_is_killed_is_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    with writer(folder, 400) as process:
        until(lambda: list(folder.glob("*.partial")))
        workers(process)[0].kill()
        out, err = process.communicate(timeout=PATIENCE)
        assert (process.returncode, err) == (1, "")
    assert len(out.splitlines()) == 1
    assert "start the same command again to go on" in out
