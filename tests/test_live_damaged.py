"""What a workspace from elsewhere, or a disk that fails, may put into ``live/``: no run and no page hangs or fails."""

import json
import os
import shutil
from pathlib import Path

import pytest
from live_examples import until
from recording_examples import TINY, goal, observation

from a2g_cli.core.locks import Owner
from a2g_cli.core.workspace import Workspace
from a2g_cli.live.publisher import Publisher
from a2g_cli.live.state import STATE, STOP, Live, State, asked_to_stop, live_in, lives

OWNER = Owner.here("a2g run")


def put(root: Path, name: str = "monday", **changed: object) -> Path:
    """Write the state of a run with other fields; return its folder."""
    folder = root / "live" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / STATE).write_text(json.dumps({**json.loads(State("monday", "a2g run").to_json()), **changed}))
    return folder


def publishing(root: Path) -> Publisher:
    return Publisher(Workspace(root), "monday", "a2g run", lambda _: None)


@pytest.mark.parametrize(
    "change",
    [
        {"at": 10**400},
        {"step": 10**400},
        {"pid": -1},
        {"pid": 10**300},
        {"losses": {"flow": 10**400}},
        {"estimates": [[10**400, 1]]},
        {"images": {"now": 2**60}},
        {"session": "tuesday"},
        {"session": "\ud800"},
    ],
    ids=lambda change: str(change)[:24],
)
def test_numbers_that_nothing_can_be_made_of_are_in_no_state(tmp_path: Path, change: dict[str, object]) -> None:
    assert live_in(put(tmp_path)) is not None
    assert live_in(put(tmp_path, **change)) is None
    with publishing(tmp_path) as live:
        pass
    assert live.problem == ""


@pytest.mark.parametrize("pid", [-1, 0, 2**31, 2**70])
def test_no_process_has_such_a_number(pid: int) -> None:
    assert not Owner(pid, OWNER.host, 0.0, 0.0, "a2g run").alive


def test_only_names_of_sessions_are_looked_at(tmp_path: Path) -> None:
    put(tmp_path)
    for name in (b"\xff", b"a b", b"<img>", b"\x1b[2J"):
        shutil.copytree(os.fsencode(tmp_path / "live" / "monday"), os.fsencode(tmp_path / "live") + b"/" + name)
    assert [one.folder.name for one in lives(Workspace(tmp_path))] == ["monday"]


def test_a_pipe_in_the_place_of_a_file_keeps_nobody_waiting(tmp_path: Path) -> None:
    folder = put(tmp_path)
    found = live_in(folder)
    assert found is not None
    for name in ("now.png", STOP):
        os.mkfifo(folder / name)
    assert found.image("now") is None
    assert asked_to_stop(folder, OWNER) == f"the file {folder / STOP}"
    (folder / STATE).unlink()
    os.mkfifo(folder / STATE)
    assert live_in(folder) is None
    (folder / "plan.png").mkdir()
    assert found.image("plan") is None


def test_a_large_request_to_stop_is_not_read(tmp_path: Path) -> None:
    folder = put(tmp_path)
    with (folder / STOP).open("wb") as file:
        file.truncate(2**40)
    assert asked_to_stop(folder, OWNER) == f"the file {folder / STOP}"


def test_a_folder_that_is_removed_meanwhile_is_made_again(tmp_path: Path) -> None:
    with publishing(tmp_path) as live:
        live.began(goal(0, TINY), 60)
        until(lambda: (live.folder / "goal.png").exists() and lives(Workspace(tmp_path)))
        shutil.rmtree(tmp_path / "live")
        until(lambda: (live.folder / "goal.png").exists() and lives(Workspace(tmp_path)))
    assert live.problem == ""


def test_the_goal_before_is_not_shown_where_the_disk_refused_the_new_one(tmp_path: Path) -> None:
    live = publishing(tmp_path)
    live.folder.mkdir(parents=True)
    live.began(goal(0, TINY), 60)
    live._write()
    first = live.state.images["goal"]
    live.began(goal(1, TINY), 60)
    (live.folder / "goal.png.tmp").mkdir()  # the disk refuses
    live._write()
    assert live.problem
    assert live.state.images["goal"] == 0
    (live.folder / "goal.png.tmp").rmdir()
    live._write()
    assert live.state.images["goal"] > first
    found = live_in(live.folder)
    assert found is not None
    assert found.state.images["goal"] == live.state.images["goal"]


def test_what_a_link_in_live_leads_to_stays_as_it_is(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious").write_text("as it was")
    (tmp_path / "live").mkdir()
    (tmp_path / "live" / "monday").symlink_to(elsewhere)
    with publishing(tmp_path) as live:
        live.stepped(1, observation(0, 0, TINY), 3.0)
        live._write()
    assert [path.name for path in elsewhere.iterdir()] == ["precious"]
    folder = put(tmp_path, pid=OWNER.pid, host=OWNER.host, started=OWNER.started)
    (folder / f"{STOP}.tmp").symlink_to(elsewhere / "precious")
    found = live_in(folder)
    assert isinstance(found, Live)
    found.ask_to_stop("somebody")
    assert (elsewhere / "precious").read_text() == "as it was"
    assert (folder / STOP).is_file()
    assert not (folder / STOP).is_symlink()


def test_the_page_says_what_it_can_of_odd_numbers(tmp_path: Path) -> None:
    from a2g_cli.view.now import shown_runs, to_json

    put(
        tmp_path,
        at=1e308,
        part_ends=1e308,
        run_ends=-1e308,
        plan_ms=1e308,
        steps_to_go=-1e308,
        limit=1,
        estimates=[[-1e308, 1e308], [1e308, -1e308]],
        losses={"\x1b[2J": 1e308},
        lines=["\ud800"],
        step=-(2**53),
    )
    json.dumps(to_json(shown_runs(Workspace(tmp_path))), allow_nan=False)
