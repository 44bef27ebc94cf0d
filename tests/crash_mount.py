"""A real disk of a megabyte that fills up, then turns read-only: ``unshare -Urm python crash_mount.py FOLDER``.

Runs as the root of a mount namespace of its own, so that nothing outside sees the disk. Ends with 77 where the system
does not permit that, and says so.
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_examples import a2g, ask, refused
from recording_examples import DONE, episode, extend, same, start

from a2g_cli.core.errors import RecordingError
from a2g_cli.core.types import Outcome
from a2g_cli.core.workspace import Workspace
from a2g_cli.data.recording.assemble import salvage
from a2g_cli.data.recording.reader import fingerprint, read_episode
from a2g_cli.data.recording.sessions import Session, new_session


def base_pose(folder: Path, options: str) -> None:
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.stdout.write(done.stderr)
        sys.exit(77)


def refusal(work: Callable[[], object], reason: str) -> None:
    with pytest.raises(RecordingError, match=reason) as caught:
        work()
    assert "\n" not in str(caught.value)


def fill_up(session: Session) -> tuple[int, int, int]:
    """Record until the disk is full; return the complete episodes, and what was taken and written of the last [steps]."""
    for seed in range(1000):
        writer = start(session.next_path(), seed)
        try:
            while len(writer) < 12:
                extend(writer, 1, seed)
            writer.finish(DONE)
        except RecordingError as error:
            assert "the disk is full" in str(error), error  # noqa: PT017
            writer.abandon()
            return seed, len(writer), writer.committed
    raise AssertionError("the disk never filled up")


def main(folder: Path) -> None:
    base_pose(folder, "size=1m")
    ballast = folder / "ballast"
    ballast.write_bytes(bytes(60_000))
    session = new_session(Workspace(folder), "s")
    complete, taken, written = fill_up(session)
    paths = session.recordings()
    assert len(paths) == complete > 3
    for seed, path in enumerate(paths):
        assert same(read_episode(path), episode(12, seed)), "a full disk changed a complete recording"
    before = {path: fingerprint(path) for path in [*paths, *session.unfinished()]}

    (partial,) = session.unfinished()
    (folder / "more").write_bytes(b"")
    with (folder / "more").open("ab", buffering=0) as more:  # to the last byte
        try:
            while more.write(bytes(512)):
                pass
        except OSError:
            pass
    refusal(lambda: salvage(partial), "the disk is full")
    refusal(session.link, "the disk is full")
    refusal(lambda: start(session.next_path()), "the disk is full")
    assert sorted(path.name for path in session.folder.iterdir()) == sorted(path.name for path in before)
    assert ask(folder, "recordings", "verify", "s/episode-0000")["sound"] == 1
    ask(folder, "recordings", "list", "s")

    ballast.unlink()
    (folder / "more").unlink()
    made = salvage(partial)
    found = read_episode(made)
    assert len(found) == written <= taken, "steps that were taken and written are lost"
    ended = made.stem == partial.name.split(".")[0]
    assert same(found, episode(written, complete, outcome=DONE if ended else Outcome(None, "none", "salvaged")))
    assert {path: fingerprint(path) for path in before} == before

    mount_again = subprocess.run(
        ["mount", "-o", "remount,ro", str(folder)], capture_output=True, text=True, check=False
    )
    assert mount_again.returncode == 0, mount_again.stderr
    assert len(ask(folder, "recordings", "list", "s")["recordings"]) == complete + 1
    assert ask(folder, "recordings", "list")["sessions"][0]["recordings"] == complete + 1
    assert ask(folder, "recordings", "verify", "s/latest")["sound"] == 1
    assert "damaged" not in a2g(folder, "recordings", "show", "s").stdout
    refusal(lambda: start(session.next_path()), "read-only")
    refusal(lambda: new_session(Workspace(folder), "t"), "read-only")
    assert "read-only" in refused(folder, "recordings", "rm", "s", "--yes", code=1).lower()
    assert {path: fingerprint(path) for path in before} == before
    sys.stdout.write(f"{complete} complete, the last one full at step {written} of {taken}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
