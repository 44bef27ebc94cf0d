"""The promise about a power cut: after every single call that changes the disk, whatever of what was not synced it kept.

``A2G_CRASH_POINTS=1000 pytest tests/test_recording_power.py -s`` tries more random disks at each moment.
"""

import os
import random
import shutil
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import h5py
import pytest
from crash_disk import Recorded, Tree, after_power_cut, put, seen
from recording_examples import DONE, TINY, episode, extend, same, start

from a2g_cli.core.errors import RecordingError
from a2g_cli.core.types import Episode, Outcome
from a2g_cli.core.workspace import Workspace
from a2g_cli.data.recording import writer as writing
from a2g_cli.data.recording.assemble import salvage
from a2g_cli.data.recording.reader import fingerprint, read_episode
from a2g_cli.data.recording.sessions import INDEX, Session, new_session

LONG = "A2G_CRASH_POINTS" in os.environ
RANDOM = max(1, int(os.environ.get("A2G_CRASH_POINTS", "40")) // 40)
KINDS = ("kept", "lost", "names", "zeros", "bytes")
STEPS = 5 if LONG else 3
SALVAGED = Outcome(None, "none", "salvaged")


@dataclass(frozen=True)
class Complete:
    """The recording ``path`` was acknowledged."""

    path: str
    steps: int
    outcome: Outcome


@dataclass(frozen=True)
class Synced:
    """``steps`` of episode ``seed`` are on the disk."""

    seed: int
    steps: int


def work(disk: Recorded) -> None:
    """Two episodes, a session file after each, an episode that breaks off, and its repair."""
    session = new_session(Workspace(Path(disk.root) / "w"), "s")
    for seed in range(3):
        writer = start(session.next_path(), seed, TINY)
        for step in range(STEPS):
            extend(writer, 1, seed, TINY)
            writer.flush()
            until = time.monotonic() + 1
            while writing.SYNC_SECONDS == 0 and writer.synced < step and time.monotonic() < until:
                time.sleep(0.001)  # so that what comes next has something to spoil
            disk.mark(Synced(seed, writer.synced))
        if seed == 2:
            writer.abandon()
            disk.mark(Synced(seed, STEPS))
            disk.mark(Complete(salvage(writer.partial).name, STEPS, SALVAGED))
        else:
            writer.finish(DONE)
            disk.mark(Complete(writer.path.name, STEPS, DONE))
        session.link()


def wanted(path: Path) -> Episode:
    seed = int(path.stem.split("-")[1])
    return episode(STEPS, seed, TINY, SALVAGED if "salvaged" in path.stem else DONE)


def check(root: Path, promises: list[object], found: Counter[str]) -> None:
    """Hold what a power cut left against what was promised before it."""
    session = Session(root / "w" / "recordings" / "sessions" / "s")
    complete = session.recordings()
    for path in complete:
        assert same(read_episode(path), wanted(path)), f"{path.name} is visible, and not whole"
        found["complete"] += 1
    names = {path.name for path in complete}
    assert {pending.path for pending in promises if isinstance(pending, Complete)} <= names, "a recording is lost"
    if (session.folder / INDEX).exists():
        with h5py.File(session.folder / INDEX) as file:
            assert all(file[f"data/{demo}/actions"].shape == (STEPS, 3) for demo in file["data"])
    before = {path: fingerprint(path) for path in [*complete, *session.unfinished()]}
    kept = {int(path.stem.split("-")[1]): STEPS for path in complete}
    for partial in session.unfinished():
        seed = int(partial.name.split(".")[0].split("-")[1])
        try:
            path = salvage(partial)
        except RecordingError:
            found["nothing to salvage"] += 1
            continue
        made = read_episode(path)
        ended = "salvaged" not in path.stem
        assert same(made, episode(len(made), seed, TINY, DONE if ended else SALVAGED))
        kept[seed] = max(kept.get(seed, 0), len(made))
        found["completed" if ended else "salvaged"] += 1
    for pending in promises:
        if isinstance(pending, Synced) and pending.steps:
            assert kept.get(pending.seed, 0) >= pending.steps, "steps that were on the disk are lost"
    session.clear()
    assert {path: fingerprint(path) for path in before} == before, "repair touched an original"
    if session.folder.is_dir():
        start(session.next_path(), 0, TINY).discard()


def _shown(tree: Tree) -> Tree:
    """What there is to check: nobody reads what is in a ``.building``."""
    return {
        name: b"" if name.endswith(".building") else _shown(content) if isinstance(content, dict) else content
        for name, content in tree.items()
    }


@pytest.mark.parametrize("seconds", [0.0, 3600.0], ids=["synced-always", "synced-never"])
def test_power_may_fail_at_any_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    monkeypatch.setattr(writing, "SYNC_SECONDS", seconds)
    disk = Recorded(tmp_path / "disk")
    (tmp_path / "disk").mkdir()
    with disk:
        work(disk)
    chance = random.Random(0)  # noqa: S311 - not for secrets
    found, checked, states = Counter[str](), set(), 0
    for number, promises in disk.moments():
        for kind in (*KINDS, *["random"] * RANDOM):
            states += 1
            tree = _shown(after_power_cut(disk.disk, kind, chance))
            key = hash((repr(tree), len(promises)))
            if key not in checked:
                checked.add(key)
                put(tree, tmp_path / "cut")
                try:
                    check(tmp_path / "cut", promises, found)
                except Exception as error:
                    error.add_note(f"after call {number} of {len(disk.steps)}, {kind}")
                    raise
                shutil.rmtree(tmp_path / "cut")
    assert after_power_cut(disk.disk, "kept", chance) == seen(tmp_path / "disk"), "written behind our back"
    assert min(found["complete"], found["salvaged"], found["completed"], found["nothing to salvage"]) > 0
    calls = sum(map(callable, disk.steps))
    said = f"{calls} calls, {states} disks, {len(checked)} of them different, {dict(found)}, promises broken: 0"
    print(f"\npower cut after every call: {said}")  # noqa: T201 - the long mode quotes it


def test_a_recording_that_is_not_synced_before_it_is_named_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check itself is checked: without fsync the same disks break the promise."""
    from a2g_cli.data.recording import storage

    monkeypatch.setattr(storage, "sync_folder", lambda folder: None)
    with pytest.raises(AssertionError, match="a recording is lost"):
        test_power_may_fail_at_any_moment(tmp_path, monkeypatch, 3600.0)
