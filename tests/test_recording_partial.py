"""An episode that is not finished: never mistaken for a complete one, never lost."""

import os
import resource
import threading
from pathlib import Path

import numpy as np
import pytest
from recording_examples import DONE, episode, extend, same, start

from a2g_cli.core.errors import RecordingError
from a2g_cli.core.types import Outcome
from a2g_cli.data.recording.assemble import salvage
from a2g_cli.data.recording.reader import Recording, fingerprint, read_episode
from a2g_cli.data.recording.verify import verify
from a2g_cli.data.recording.writer import FLUSH_STEPS

SALVAGED = Outcome(None, "none", "salvaged")


ENDED = r"a\.hdf5(\.partial)? cannot be written: the file would be larger"


def _prefix(steps: int, seed: int = 0):
    return episode(steps, seed, outcome=SALVAGED)


def test_a_partial_becomes_a_recording_beside_it(tmp_path: Path) -> None:
    writer = start(tmp_path / "a.hdf5")
    extend(writer, 21)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.hdf5.partial"]
    writer.abandon()
    writer.abandon()
    before = fingerprint(writer.partial)
    path = salvage(writer.partial)
    assert path == tmp_path / "a-salvaged.hdf5"
    assert fingerprint(writer.partial) == before
    assert same(read_episode(path), _prefix(21))
    assert verify(path) == []
    with pytest.raises(RecordingError, match="was salvaged before"):
        salvage(writer.partial)


def test_a_partial_is_not_a_recording(tmp_path: Path) -> None:
    writer = start(tmp_path / "a.hdf5")
    extend(writer, 3)
    writer.abandon()
    with pytest.raises(RecordingError, match="a2g recordings repair"):
        Recording(writer.partial).length  # noqa: B018
    renamed = writer.partial.rename(tmp_path / "b.hdf5")
    with pytest.raises(RecordingError, match="unfinished"):
        Recording(renamed).length  # noqa: B018


def test_what_is_being_written_is_left_alone(tmp_path: Path) -> None:
    with start(tmp_path / "a.hdf5") as writer:
        extend(writer, 3)
        with pytest.raises(RecordingError, match="being written or repaired"):
            salvage(writer.partial)
        extend(writer, 3)
        assert same(read_episode(writer.finish(DONE)), episode(6))


def test_flush_leaves_nothing_waiting(tmp_path: Path) -> None:
    with start(tmp_path / "a.hdf5") as writer:
        for steps in (1, FLUSH_STEPS, 3):
            extend(writer, steps)
            assert 0 <= len(writer) - writer.committed <= FLUSH_STEPS
            writer.flush()
            assert writer.committed == len(writer)


def test_the_control_loop_waits_only_for_a_disk_that_cannot_follow(tmp_path: Path, monkeypatch) -> None:
    gate = threading.Event()
    real = os.write

    def slow(descriptor: int, data: memoryview) -> int:
        if threading.current_thread() is not threading.main_thread():
            gate.wait(10)
        return real(descriptor, data)

    with start(tmp_path / "a.hdf5") as writer:
        monkeypatch.setattr(os, "write", slow)
        extend(writer, FLUSH_STEPS)  # none of them waits
        assert (writer.committed, writer.pressure.waits) == (0, 0)
        threading.Timer(0.05, gate.set).start()
        extend(writer, 1)  # this one does, until the disk goes on
        assert writer.pressure.waits == 1
        assert 0 < writer.pressure.longest == writer.pressure.seconds < 9
        extend(writer, 19)
        assert same(read_episode(writer.finish(DONE)), episode(FLUSH_STEPS + 20))


def test_an_episode_without_action_is_discarded(tmp_path: Path) -> None:
    with start(tmp_path / "a.hdf5") as writer:
        with pytest.raises(RecordingError, match="nothing to record"):
            writer.finish(DONE)
        writer.discard()
    writer.discard()
    assert list(tmp_path.iterdir()) == []
    start(tmp_path / "a.hdf5").abandon()
    with pytest.raises(RecordingError, match="no complete step"):
        salvage(tmp_path / "a.hdf5.partial")


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    writer = start(tmp_path_factory.mktemp("journal") / "a.hdf5")
    extend(writer, 12)
    writer.abandon()
    return writer.partial


def test_a_torn_journal_gives_every_whole_step(tmp_path: Path, journal: Path) -> None:
    data = journal.read_bytes()
    lengths = set()
    for cut in [*np.linspace(0, len(data), 40, dtype=int), len(data) - 1]:
        folder = tmp_path / str(cut)
        folder.mkdir(exist_ok=True)
        torn = folder / "a.hdf5.partial"
        torn.write_bytes(data[:cut])
        try:
            path = salvage(torn)
        except RecordingError:
            lengths.add(0)
            continue
        found = read_episode(path)
        assert same(found, _prefix(len(found)))
        lengths.add(len(found))
    assert lengths == set(range(13))


def test_a_flipped_bit_ends_the_journal_there(tmp_path: Path, journal: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(60):
        data = bytearray(journal.read_bytes())
        data[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
        flipped = tmp_path / f"{number}.hdf5.partial"
        flipped.write_bytes(data)
        try:
            found = read_episode(salvage(flipped))
        except RecordingError as error:
            assert "\n" not in str(error)  # noqa: PT017
            continue
        assert same(found, _prefix(len(found)))


def test_only_an_unfinished_recording_is_salvaged(tmp_path: Path) -> None:
    path = start_and_finish(tmp_path / "a.hdf5")
    with pytest.raises(RecordingError, match=r"ends in \.hdf5\.partial"):
        salvage(path)
    with pytest.raises(RecordingError, match="does not exist"):
        salvage(tmp_path / "b.hdf5.partial")
    for name, content in [
        ("empty", b""),
        ("noise", bytes(range(256)) * 9),
        ("newer", b"a2g partial 3\n"),
        ("older", b"a2g partial 1\n"),
    ]:
        (tmp_path / f"{name}.hdf5.partial").write_bytes(content)
        with pytest.raises(RecordingError, match="not a valid unfinished recording"):
            salvage(tmp_path / f"{name}.hdf5.partial")
    (tmp_path / "a.hdf5.partial").write_bytes(b"")
    with pytest.raises(RecordingError, match=r"a\.hdf5 is complete"):
        salvage(tmp_path / "a.hdf5.partial")


def start_and_finish(path: Path) -> Path:
    with start(path) as writer:
        extend(writer, 2)
        return writer.finish(DONE)


def test_a_full_disk_is_an_error_and_loses_no_step(tmp_path: Path) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    writer = start(tmp_path / "a.hdf5")
    extend(writer, 10)
    writer.flush()
    resource.setrlimit(resource.RLIMIT_FSIZE, (writer.partial.stat().st_size + 2000, most))
    try:
        with pytest.raises(RecordingError, match="larger than is allowed") as caught:
            extend(writer, 40)
        with pytest.raises(RecordingError, match="larger than is allowed"):
            writer.finish(DONE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    assert "\n" not in str(caught.value)
    writer.abandon()
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.hdf5.partial"]
    found = read_episode(salvage(writer.partial))
    assert 10 <= len(found) == writer.committed < 50
    assert same(found, _prefix(len(found)))


@pytest.mark.parametrize("room", [0, 100, 3000, 10_000, 20_000])
def test_a_disk_that_fills_up_at_the_very_end_leaves_the_partial(tmp_path: Path, room: int) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    writer = start(tmp_path / "a.hdf5")
    extend(writer, 10)
    writer.flush()
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, most))
    try:
        with pytest.raises(RecordingError, match=ENDED):
            writer.finish(DONE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.hdf5.partial"]
    assert same(read_episode(salvage(writer.partial)), _prefix(10))
