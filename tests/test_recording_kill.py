"""The promise of ``recordings/README.md`` about a process that dies, kept at hundreds of moments of real processes.

``A2G_CRASH_POINTS=1000 pytest tests/test_recording_kill.py -s`` is the long mode, and prints the count.
"""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import crash_writer
import h5py
from recording_examples import DONE, TINY, episode, same, start

from a2g_cli.core.errors import RecordingError
from a2g_cli.core.types import Outcome
from a2g_cli.data.recording.assemble import salvage
from a2g_cli.data.recording.reader import fingerprint, read_episode
from a2g_cli.data.recording.sessions import INDEX, Session
from a2g_cli.data.recording.verify import verify

POINTS = int(os.environ.get("A2G_CRASH_POINTS", "40"))


def killed(root: Path, how: str, count: int) -> list[Path]:
    """Return the sessions of ``count`` writers that were killed."""
    script = [sys.executable, crash_writer.__file__, str(root), how, str(count), str(count)]
    subprocess.run(script, check=True, timeout=60 + count)
    return sorted(path for path in root.glob("[0-9]*") if path.is_dir())


def check(workspace: Path, thorough: bool) -> Counter[str]:
    """Hold one killed writer's workspace against every promise; return what there was."""
    log = workspace.with_suffix(".log")
    known = [line.split() for line in log.read_text().splitlines()] if log.exists() else []
    session, found = Session(workspace / "recordings" / "sessions" / "s"), Counter[str]()
    promised = {int(seed) for seed, what in known if what == "done"}
    for path in session.recordings():
        seed = int(path.stem.removeprefix("episode-"))
        assert same(read_episode(path), episode(crash_writer.STEPS, seed, TINY)), "visible, and not whole"
        promised.discard(seed)
        found["complete"] += 1
    assert not promised, "an episode whose end was acknowledged is lost"
    before = {path: fingerprint(path) for path in [*session.recordings(), *session.unfinished()]}
    linked = max((int(seed) + 1 for seed, what in known if what == "linked"), default=0)
    if linked or (session.folder / INDEX).exists():
        with h5py.File(session.folder / INDEX) as file:
            assert linked <= len(file["data"]) <= found["complete"]
            assert file[f"data/demo_{len(file['data']) - 1}/actions"].shape == (crash_writer.STEPS, 3)
    for partial in session.unfinished():
        seed = int(partial.name.removeprefix("episode-").split(".")[0])
        steps = max((int(what) for s, what in known if int(s) == seed and what.isdigit()), default=0)
        try:
            path = salvage(partial)
        except RecordingError as error:
            assert steps == 0 or "is complete" in str(error)  # noqa: PT017
            found["without a step, or complete"] += 1
            continue
        rest = read_episode(path)
        assert len(rest) >= steps, "steps that were written are lost"
        ended = path.stem == f"episode-{seed:04d}"
        assert len(rest) == crash_writer.STEPS if ended else True
        outcome = DONE if ended else Outcome(None, "none", "salvaged")
        assert same(rest, episode(len(rest), seed, TINY, outcome))
        assert verify(path) == [] if thorough else True
        found["completed" if ended else "salvaged"] += 1
    session.clear()
    assert not list(session.folder.glob("*.building"))
    assert {path: fingerprint(path) for path in before} == before, "repair touched an original"
    if session.folder.is_dir():  # and it goes on
        start(session.next_path(), 0, TINY).discard()
    return found


def tally(how: str, sessions: list[Path]) -> Counter[str]:
    found = sum((check(one, number == 0) for number, one in enumerate(sessions)), Counter[str]())
    print(f"\n{how}: {len(sessions)} points, {dict(found)}, episodes lost: 0")  # noqa: T201 - the long mode quotes it
    return found


def test_killed_at_random_moments(tmp_path: Path) -> None:
    found = tally("killed at random moments", killed(tmp_path, "moment", POINTS))
    assert found["complete"] > POINTS
    assert found["salvaged"] > POINTS // 8


def test_killed_at_every_call_that_changes_the_disk(tmp_path: Path) -> None:
    # More points than an episode and its session file make: the last writer was not killed at all.
    found = tally("killed at every call", killed(tmp_path, "call", 60 + 5 * crash_writer.STEPS))
    assert min(found["complete"], found["salvaged"], found["completed"]) > 0
    last = sorted(tmp_path.glob("*.log"))[-1].read_text()
    assert last.endswith("0 linked\n"), "too few points: not every call was reached"
