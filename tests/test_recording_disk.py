"""The promise about a disk that is full, pulled or read-only: an error in one line, and nothing lost or half-written."""

import errno
import shutil
import subprocess
import sys
from concurrent.futures import wait
from contextlib import suppress
from itertools import count
from pathlib import Path

import crash_mount
import pytest
from crash_disk import Failing
from recording_examples import DONE, TINY, episode, extend, same, start

from a2g_cli.core.errors import RecordingError
from a2g_cli.core.types import Outcome
from a2g_cli.core.workspace import Workspace
from a2g_cli.data.recording import writer as writing
from a2g_cli.data.recording.assemble import salvage
from a2g_cli.data.recording.reader import fingerprint, read_episode
from a2g_cli.data.recording.sessions import INDEX, Session, new_session
from a2g_cli.data.recording.writer import RecordingWriter, write_episode

STEPS = 4


def _record(root: Path, writers: list[RecordingWriter]) -> None:
    session = new_session(Workspace(root), "s")
    writers.append(start(session.next_path(), 0, TINY))
    with writers[0] as writer:
        extend(writer, STEPS, 0, TINY)
        writer.finish(DONE)
    session.link()


FULL = [(errno.ENOSPC, "the disk is full")]
OTHERS = [
    (errno.EIO, "is it still plugged in"),
    (errno.EROFS, "the disk is read-only"),
    (errno.EDQUOT, "the disk quota is used up"),
]


@pytest.mark.parametrize("reasons", [FULL, OTHERS], ids=["full", "pulled-read-only-quota"])
def test_a_disk_may_fail_at_any_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reasons: list[tuple[int, str]]
) -> None:
    monkeypatch.setattr(writing, "SYNC_SECONDS", 0.0)
    (tmp_path / "w").mkdir()
    old = write_episode(tmp_path / "w" / "recordings" / "sessions" / "old" / "a.hdf5", TINY, episode(3, 9, TINY))
    before = fingerprint(old)
    calls = salvaged = 0
    for first in count():
        writers: list[RecordingWriter] = []
        said = ""
        number, reason = reasons[first % len(reasons)]
        with Failing(tmp_path / "w", first, number) as disk:
            try:
                _record(tmp_path / "w", writers)
            except RecordingError as error:
                said = str(error)
        if disk.seen <= first:
            break  # it never came to the call that was to fail
        calls += 1
        session = Session(tmp_path / "w" / "recordings" / "sessions" / "s")
        # Only a leftover that could not be removed is no error: everything is there.
        done = (session.folder / INDEX).exists() and len(session.recordings()) == 1
        assert reason in said or done, f"call {first} failed, and what was said is {said!r}"
        assert "\n" not in said
        assert fingerprint(old) == before
        for path in session.recordings():
            assert same(read_episode(path), episode(STEPS, 0, TINY)), "visible, and not whole"
        for partial in session.unfinished():
            known = writers[0].committed if writers else 0
            try:
                made = salvage(partial)
            except RecordingError as error:
                assert known == 0 or "is complete" in str(error)  # noqa: PT017
                continue
            rest, ended = read_episode(made), made.stem == "episode-0000"
            assert len(rest) == known, "the writer says otherwise than what is there"
            outcome = DONE if ended else Outcome(None, "none", "salvaged")
            assert same(rest, episode(len(rest), 0, TINY, outcome))
            salvaged += 1
        shutil.rmtree(session.folder, ignore_errors=True)
    assert calls > 80
    assert salvaged > 40


def test_what_the_disk_refused_is_never_dropped_in_silence(tmp_path: Path) -> None:
    writer = start(tmp_path / "a.hdf5", 0, TINY)
    extend(writer, 2, 0, TINY)
    writer.flush()
    with Failing(tmp_path, 0, errno.EIO):
        extend(writer, 1, 0, TINY)  # taken, and written behind the caller's back
        with suppress(RecordingError):
            extend(writer, 1, 0, TINY)
        with pytest.raises(RecordingError, match="still plugged in"):
            writer.finish(DONE)
    writer = start(tmp_path / "b.hdf5", 0, TINY)
    extend(writer, 2, 0, TINY)
    writer.flush()
    with Failing(tmp_path, 0, errno.EIO):
        extend(writer, 1, 0, TINY)
        with pytest.raises(RecordingError, match="still plugged in"):
            writer.abandon()
    writer.abandon()


def test_an_error_on_the_way_is_not_hidden_by_the_disks(tmp_path: Path) -> None:
    def work() -> None:
        with start(tmp_path / "a.hdf5", 0, TINY) as writer, Failing(tmp_path, 0, errno.ENOSPC):
            extend(writer, 1, 0, TINY)
            wait(writer._pending)  # the disk has refused by then
            raise KeyError("the robot's own trouble")

    with pytest.raises(KeyError) as caught:
        work()
    # The disk is well again when the writer is closed; the step that it refused is noted all the same.
    assert "the disk is full" in " ".join(caught.value.__notes__)


def test_a_real_disk_that_fills_up_and_turns_read_only(tmp_path: Path) -> None:
    space = ["unshare", "--user", "--map-root-user", "--mount"]
    if shutil.which("unshare") is None or subprocess.run([*space, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system permits no mount namespace: the test above stands for it")
    script = [*space, sys.executable, crash_mount.__file__, str(tmp_path)]
    done = subprocess.run(script, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode == 77:
        pytest.skip(f"this system does not permit mounting a tmpfs: {done.stdout.strip()}")
    assert done.returncode == 0, done.stderr
