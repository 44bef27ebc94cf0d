"""Names stand for recordings, and no name leads out of the workspace."""

import os
import threading
from pathlib import Path

import h5py
import pytest
from recording_examples import SPEC, episode, start

from a2g_cli.core.errors import RecordingError, UnknownNameError, UsageError
from a2g_cli.core.workspace import Workspace
from a2g_cli.data.recording.sessions import (
    find_recording,
    find_recordings,
    list_sessions,
    new_session,
    open_session,
)
from a2g_cli.data.recording.writer import write_episode


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Two sessions: ``monday`` with 3 recordings, ``tuesday``, newer, with 2; and an empty one, newest of all."""
    workspace = Workspace(tmp_path)
    moment = 1_000_000
    for name, count in (("monday", 3), ("tuesday", 2), ("empty", 0)):
        session = new_session(workspace, name)
        for seed in range(count):
            path = write_episode(session.next_path(), SPEC, episode(2, seed))
            moment += 60
            os.utime(path, (moment, moment))
    return workspace


def short(paths: list[Path]) -> list[str]:
    return [f"{path.parent.name}/{path.stem[-1]}" for path in paths]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["monday"], ["monday/0", "monday/1", "monday/2"]),
        (["monday/"], ["monday/0", "monday/1", "monday/2"]),
        (["tuesday/episode-0001", "monday/episode-0000.hdf5"], ["tuesday/1", "monday/0"]),
        (["latest"], ["tuesday/0", "tuesday/1"]),
        (["latest/latest"], ["tuesday/1"]),
        (["monday/latest", "monday"], ["monday/2", "monday/0", "monday/1"]),
        (["latest/episode-0000", "tuesday/episode-0000"], ["tuesday/0"]),
        (["empty"], []),
        ([], []),
    ],
)
def test_names(workspace: Workspace, names: list[str], expected: list[str]) -> None:
    assert short(find_recordings(workspace, names)) == expected


def test_paths(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = write_episode(tmp_path / "elsewhere" / "x.hdf5", SPEC, episode(2))
    assert find_recordings(workspace, [str(elsewhere)]) == [elsewhere]
    monkeypatch.chdir(tmp_path)
    assert find_recordings(workspace, ["elsewhere/x.hdf5", "./elsewhere/"]) == [elsewhere]
    assert short(find_recordings(workspace, ["recordings/sessions/monday/episode-0001.hdf5"])) == ["monday/1"]
    assert find_recording(workspace, "latest").parent.name == "tuesday"
    assert short([find_recording(workspace, "monday")]) == ["monday/2"]


def test_a_misspelt_name_is_offered_the_nearest(workspace: Workspace) -> None:
    with pytest.raises(UnknownNameError, match="did you mean monday"):
        find_recordings(workspace, ["mondya"])
    with pytest.raises(UnknownNameError, match="did you mean monday/episode-0002 or"):
        find_recordings(workspace, ["monday/episode-000"])
    with pytest.raises(UnknownNameError, match="the session is empty"):
        find_recording(workspace, "empty")
    with pytest.raises(UnknownNameError, match="records one"):
        find_recordings(Workspace(workspace.root / "new"), ["latest"])


@pytest.mark.parametrize(
    "name",
    [
        "..",
        "../..",
        "../../etc",
        "/etc/no",
        ".hidden",
        "a/../../b",
        "monday/../../x",
        "monday/..",
        "",
        "~",
        "x\0y",
        "latest/",
    ],
)
def test_a_name_that_leaves_the_workspace_is_refused(
    workspace: Workspace, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A folder of recordings that is really there may be typed as a path: nothing is there, around this one.
    (tmp_path / "a" / "b" / "c").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a" / "b" / "c")
    if name != "latest/":  # a session, as the shell completes it
        with pytest.raises(UsageError):
            find_recordings(workspace, [name])
    with pytest.raises(UsageError):
        new_session(workspace, name)
    with pytest.raises(UsageError):
        open_session(workspace, name.rstrip("/") + "/")


def test_new_sessions_have_names_of_their_own(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    names = [new_session(workspace).name for _ in range(4)]
    assert len(set(names)) == 4
    assert [session.name for session in list_sessions(workspace)] == sorted(names)
    new_session(workspace, "mine")
    with pytest.raises(UsageError, match="exists"):
        new_session(workspace, "mine")
    with pytest.raises(UsageError, match="stands for the newest"):
        new_session(workspace, "latest")


def test_many_programs_make_sessions_at_once(tmp_path: Path) -> None:
    names: list[str] = []
    threads = [threading.Thread(target=lambda: names.append(new_session(Workspace(tmp_path)).name)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(names)) == 16


def test_next_path_counts_unfinished_ones_and_leaves_gaps(tmp_path: Path) -> None:
    session = new_session(Workspace(tmp_path), "s")
    assert session.next_path().name == "episode-0000.hdf5"
    start(session.next_path()).abandon()
    assert session.next_path().name == "episode-0001.hdf5"
    assert [path.name for path in session.unfinished()] == ["episode-0000.hdf5.partial"]
    write_episode(session.folder / "episode-9999.hdf5", SPEC, episode(1))
    write_episode(session.next_path(), SPEC, episode(1))
    assert [path.name for path in session.recordings()] == ["episode-9999.hdf5", "episode-10000.hdf5"]


def test_a_session_is_linked_and_may_be_moved(workspace: Workspace) -> None:
    session = open_session(workspace, "monday")
    index = session.link()
    assert session.link() == index  # again, after more episodes
    assert [path.name for path in session.recordings()] == [f"episode-000{number}.hdf5" for number in range(3)]
    moved = session.folder.rename(workspace.sessions / "moved")
    with h5py.File(moved / index.name) as file:
        assert sorted(file["data"]) == ["demo_0", "demo_1", "demo_2"]
        assert file["data"].attrs["total"] == 6
        assert file["data/demo_2/obs/front_image"].shape == (2, 24, 32, 3)
        assert len(file["mask/success"]) == 3


def test_what_cannot_be_linked_is_named(workspace: Workspace) -> None:
    with pytest.raises(RecordingError, match="no recording to link"):
        open_session(workspace, "empty").link()
    session = open_session(workspace, "monday")
    session.recordings()[1].write_bytes(b"")
    with pytest.raises(RecordingError, match=r"episode-0001\.hdf5 is empty"):
        session.link()
    assert not list(session.folder.glob("session*"))
