"""The index is only ever a copy of what the files say: damaged, old, lying or gone, the list is the same."""

import json
import shutil
import zlib
from pathlib import Path
from typing import Any

import pytest
from recording_examples import TINY, episode

from a2g_cli.data.recording import index
from a2g_cli.data.recording.sessions import Session
from a2g_cli.data.recording.writer import write_episode


@pytest.fixture
def session(tmp_path: Path) -> Session:
    session = Session(tmp_path / "s")
    for seed in range(3):
        write_episode(session.next_path(), TINY, episode(3 + seed, seed, TINY))
    return session


def listed(session: Session, opened: list[str], monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    real = index.facts

    def facts(path: Path) -> index.Facts:
        opened.append(path.name)
        return real(path)

    with monkeypatch.context() as patch:
        patch.setattr(index, "facts", facts)
        return index.facts_of(session.folder, session.recordings())


def test_only_what_is_new_is_opened(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    first = listed(session, opened, monkeypatch)
    assert [said["steps"] for said in first] == [3, 4, 5]
    assert len(opened) == 3
    assert listed(session, opened, monkeypatch) == first
    assert len(opened) == 3
    write_episode(session.next_path(), TINY, episode(9, 9, TINY))
    assert listed(session, opened, monkeypatch)[3]["steps"] == 9
    assert opened[3:] == ["episode-0003.hdf5"]
    shutil.move(session.folder, session.folder.with_name("moved"))
    assert len(listed(Session(session.folder.with_name("moved")), opened, monkeypatch)) == 4
    assert len(opened) == 4


def test_a_file_that_changed_is_read_again_and_one_that_went_is_forgotten(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    listed(session, opened, monkeypatch)
    one, two, three = session.recordings()
    shutil.copyfile(three, one)
    two.write_bytes(b"damaged")
    said = listed(session, opened, monkeypatch)
    assert (said[0]["steps"], said[2]["steps"]) == (5, 5)
    assert "not an HDF5 file" in said[1]
    three.unlink()
    listed(session, opened, monkeypatch)
    write_episode(three, TINY, episode(7, 7, TINY))
    assert listed(session, opened, monkeypatch)[2]["steps"] == 7


def _forged(entries: Any) -> bytes:
    body = json.dumps(entries).encode()
    return json.dumps({"a2g_index": 1, "crc32": zlib.crc32(body)}).encode() + b"\n" + body


def test_whatever_stands_in_the_index_the_list_is_what_the_files_say(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    first = listed(session, opened, monkeypatch)
    path = session.folder / index.NAME
    whole = path.read_bytes()
    sound = json.loads(whole.partition(b"\n")[2])
    torn = [whole[: len(whole) // 2], b"", b"\0" * len(whole), whole[:-40] + bytes(40), b"[" * 9000, b"{}\n{}"]
    entry = sound["episode-0000.hdf5"]
    wrong: list[Any] = [[], {"episode-0000.hdf5": 3}, {"episode-0000.hdf5": {**entry, "more": 1}}]
    for name, value in [("steps", "many"), ("goal", {}), ("outcome", {"success": 7}), ("cameras", {"front": [1]})]:
        wrong.append({"episode-0000.hdf5": {**entry, "facts": {**entry["facts"], name: value}}})
    wrong.append({"episode-0000.hdf5": {**entry, "version": "newest"}})
    for content in [*torn, *map(_forged, wrong)]:
        path.write_bytes(content)
        assert listed(session, opened, monkeypatch) == first, content[:80]
    path.unlink()
    path.mkdir()  # it cannot be written: the list does without
    assert listed(session, opened, monkeypatch) == first
    path.rmdir()
    index.rebuild(session.folder, session.recordings())
    assert path.read_bytes() == whole


def test_a_session_file_is_made_from_the_index_and_checked_against_the_folder(session: Session) -> None:
    assert not session.linked()
    session.link()
    assert session.linked()
    write_episode(session.next_path(), TINY, episode(2, 8, TINY))
    assert not session.linked()
    session.link()
    assert session.linked()
    session.index.write_bytes(session.index.read_bytes()[:900])
    assert not session.linked()
