"""`a2g view` over a workspace that somebody else made, or that changes meanwhile: one odd thing hides no other."""

import json
import os
import socket
import threading
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cli_examples import shelve
from recording_examples import TINY, episode
from report_examples import practised, put, read
from view_examples import client, served

from a2g_cli.cli.commands import view as commands
from a2g_cli.core.errors import UsageError
from a2g_cli.core.workspace import Workspace
from a2g_cli.data.recording import index
from a2g_cli.data.recording.sessions import Session
from a2g_cli.data.recording.writer import write_episode
from a2g_cli.live.publisher import Publisher
from a2g_cli.report.charts import Point, Series, chart
from a2g_cli.view import app
from a2g_cli.view.access import Access, _cookie
from a2g_cli.view.settings import ViewSettings

PAGES = ("/", "/sessions", "/sessions/monday", "/adapters", "/adapters/compare")


def sessions_folder(root: Path) -> Path:
    return root / "recordings" / "sessions"


def test_names_that_are_no_text_are_shown_with_question_marks(tmp_path: Path) -> None:
    root = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe"))
    practised(root)
    (sessions_folder(root) / "monday").rename(sessions_folder(root) / os.fsdecode(b"\xfd"))
    put(sessions_folder(root) / "monday" / "episode-0000.hdf5", success=True)
    browser = client(root)
    with Publisher(Workspace(root), "monday", "a2g run", lambda _: None) as live:
        live.said(f"saved in {root}")
        live._write()
        for address in (*PAGES, "/events"):
            assert browser.get(address).status_code == 200, address
    assert "??" in read(browser.get("/").text).words
    assert browser.get("/sessions/%FD").status_code == 404


def test_a_link_to_itself_is_no_recording(tmp_path: Path) -> None:
    folder = practised(tmp_path).folder
    (folder / "episode-0009.hdf5").symlink_to("episode-0009.hdf5")
    (folder / "held-out" / "loop.hdf5").symlink_to("loop.hdf5")
    (sessions_folder(tmp_path) / "loop").symlink_to("loop")
    for address in (*PAGES, "/sessions/monday/report"):
        assert client(tmp_path).get(address).status_code == 200, address


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), FileNotFoundError(2, "gone")])
def test_a_session_that_cannot_be_read_hides_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    practised(tmp_path)
    put(sessions_folder(tmp_path) / "sunday" / "episode-0000.hdf5", success=True, name="mug")
    real = Session.recordings

    def recordings(session: Session) -> list[Path]:
        if "sunday" in session.folder.parts:
            raise error
        return real(session)

    monkeypatch.setattr(Session, "recordings", recordings)
    browser = client(tmp_path)
    for address in PAGES:
        assert browser.get(address).status_code == 200, address
    words = read(browser.get("/sessions").text).words
    assert "monday" in words
    assert ("sunday cannot be read: Permission denied" in words) == isinstance(error, PermissionError)


@pytest.mark.parametrize(
    "change",
    [
        {"cameras": {"front": [0, 0]}},
        {"cameras": {"front": [10**400, 1]}},
        {"seconds": 10**400},
        {"seconds": float("nan")},
        {"steps": 10**400},
    ],
    ids=lambda change: next(iter(change)),
)
def test_an_index_that_lies_is_not_believed(tmp_path: Path, change: dict[str, Any]) -> None:
    folder = practised(tmp_path).folder
    browser = client(tmp_path)
    before = read(browser.get("/sessions/monday").text).words
    entries = json.loads((folder / index.NAME).read_bytes().partition(b"\n")[2])
    for entry in entries.values():
        entry["facts"] |= change
    body = json.dumps(entries).encode()
    head = json.dumps({"a2g_index": index.FORMAT, "crc32": zlib.crc32(body)}).encode()
    (folder / index.NAME).write_bytes(head + b"\n" + body)
    assert read(client(tmp_path).get("/sessions/monday").text).words == before


def test_a_pipe_keeps_no_page_waiting(tmp_path: Path) -> None:
    folder = practised(tmp_path).folder
    os.mkfifo(folder / "index.json")
    os.mkfifo(folder / "episode-0007.hdf5")
    os.mkfifo(folder.parent / ".monday.lock")
    found = read(client(tmp_path).get("/sessions").text)
    assert "2 of 4" in found.words


@pytest.mark.parametrize("rate", [1e300, 1e-300])
def test_an_episode_at_an_impossible_rate_can_be_watched(tmp_path: Path, rate: float) -> None:
    spec = replace(TINY, rate=rate)
    path = sessions_folder(tmp_path) / "monday" / "episode-0000.hdf5"
    path.parent.mkdir(parents=True)
    write_episode(path, spec, episode(3, 0, spec))
    answer = client(tmp_path).get(f"/sessions/monday/{path.name}/video.mp4")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "video/mp4")


@pytest.mark.parametrize(
    "lineage",
    [
        {"seconds": 10**400},
        {"losses": {"first": 10**400, "last": 1}},
        {"loss_curve": [[0, -1.0], [1, -2.0]]},
        {"loss_curve": [[0, 5e-324], [1, 5e-324]]},
        {"loss_curve": [[-1, 1.7e308], [1e308, 1.7e308]]},
    ],
    ids=lambda lineage: str(lineage)[:32],
)
def test_an_adapter_from_elsewhere_is_shown_whatever_its_numbers(tmp_path: Path, lineage: dict[str, Any]) -> None:
    shelve(tmp_path, "other", **lineage)
    answer = client(tmp_path).get("/adapters")
    assert answer.status_code == 200
    assert "other" in read(answer.text).words


@pytest.mark.parametrize("y", [-3.0, 0.0, 5e-324, 1.7e308])
def test_a_chart_of_any_finite_numbers_can_be_drawn(y: float) -> None:
    assert chart("title", [Series("one", [Point(0.0, y, "a"), Point(1.0, y, "b")])], "x", "y") is not None


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("a2g_view_1=x", "x"),
        ('other={"a": [1, 2]}; a2g_view_1=x', "x"),
        ("bare; a b=c; a2g_view_1=x=y;", "x=y"),
        ("a2g_view_10=x", ""),
        ("", ""),
    ],
)
def test_cookies_of_other_programs_on_this_machine_hide_no_token(header: str, value: str) -> None:
    assert _cookie(header, Access("0.0.0.0", 1, token="x").cookie) == value  # noqa: S104, S106


def test_videos_that_take_long_keep_neither_news_nor_stop_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import urllib.request

    practised(tmp_path)
    freed, asked = threading.Event(), threading.Semaphore(0)

    def slow(_: Path) -> bytes:
        asked.release()
        freed.wait(60)
        return b"video"

    monkeypatch.setattr(app.videos, "video", slow)
    names = [f"episode-000{number}" for number in range(4)]
    with served(tmp_path) as address:
        place = address.removeprefix("http://")

        def ask(number: int) -> None:
            video = f"sessions/monday/{names[number % 4]}.hdf5/video.mp4?v={number}"
            with urllib.request.urlopen(f"http://{place}/{video}", timeout=60) as answer:
                answer.read()

        waiting = [threading.Thread(target=ask, args=(number,)) for number in range(45)]
        for thread in waiting:
            thread.start()
        assert asked.acquire(timeout=60)
        for _ in range(3):
            with urllib.request.urlopen(f"http://{place}/sessions", timeout=20) as answer:
                assert b"monday" in answer.read()
        freed.set()
        for thread in waiting:
            thread.join()


def test_a_server_on_all_addresses_speaks_both_families() -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("no IPv6 here")
    with commands._listening(ViewSettings(host="::", port=0)) as sock:
        socket.create_connection(("127.0.0.1", sock.getsockname()[1]), 10).close()


def test_no_address_is_no_host(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs an address"):
        commands.serve(Workspace(tmp_path), ViewSettings(host=""))
