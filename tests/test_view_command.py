"""The server of `a2g view`: parts of videos, what it keeps, and how the command begins and ends."""

import json
import os
import signal
import socket
import sys
import threading
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_examples import a2g, refused
from report_examples import practised
from view_examples import client

from a2g_cli.cli.commands import view as commands
from a2g_cli.core.errors import A2GError, UsageError
from a2g_cli.core.workspace import Workspace
from a2g_cli.view import videos
from a2g_cli.view.settings import ViewSettings

# -- parts of videos ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("bytes=0-", (0, 10)),
        ("bytes=2-4", (2, 5)),
        ("bytes=-3", (7, 10)),
        ("bytes=-99", (0, 10)),
        ("bytes=9-99", (9, 10)),
        ("bytes=0-1,3-4", None),
        ("lines=0-1", None),
        ("bytes=a-b", None),
        ("bytes=-", None),
        ("bytes=" + "9" * 40 + "-", None),
        ("", None),
    ],
)
def test_a_range_is_read(asked: str, found: tuple[int, int] | None) -> None:
    assert videos.part(asked, 10) == found


@pytest.mark.parametrize("asked", ["bytes=10-", "bytes=5-4", "bytes=-0"])
def test_a_range_outside_is_refused(asked: str) -> None:
    with pytest.raises(ValueError, match="no bytes"):
        videos.part(asked, 10)


def test_a_phone_gets_the_part_of_a_video_that_it_asks_for(tmp_path: Path) -> None:
    practised(tmp_path)
    browser, address = client(tmp_path), "/sessions/monday/episode-0000.hdf5/video.mp4"
    whole = browser.get(address)
    assert whole.headers["accept-ranges"] == "bytes"
    answer = browser.get(address, headers={"range": "bytes=10-19"})
    assert (answer.status_code, answer.content) == (206, whole.content[10:20])
    assert answer.headers["content-range"] == f"bytes 10-19/{len(whole.content)}"
    assert browser.get(address, headers={"range": "bytes=999999999-"}).status_code == 416


def test_little_is_kept_in_memory() -> None:
    made: list[str] = []

    def make(name: str) -> Callable[[], bytes]:
        return lambda: made.append(name) or bytes(4)  # type: ignore[func-returns-value]

    kept = videos.Kept(most=8)
    for name in ("a", "b", "a", "c", "a", "b"):
        kept.get((name,), make(name))
    assert made == ["a", "b", "c", "b"]


# -- the command ----------------------------------------------------------------------------------------------------------


def test_the_server_answers_until_ctrl_c(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    practised(tmp_path)
    said: list[str] = []

    def look() -> None:
        address = capsys.readouterr().err.partition("http://")[2].split()[0]
        with urllib.request.urlopen(f"http://{address}sessions", timeout=60) as answer:
            said.append(answer.read().decode())
        following = urllib.request.urlopen(f"http://{address}events", timeout=60)  # it must not keep the server
        said.append(following.readline().decode())
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=look)
    report = commands.serve(Workspace(tmp_path), ViewSettings(port=0), thread.start)
    thread.join()
    assert "monday" in said[0]
    assert json.loads(said[1].removeprefix("data: ")) == {"runs": []}
    assert report.document["url"].startswith("http://127.0.0.1:")
    assert report.exit_code == 0


def test_a_server_for_others_prints_its_token_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Server:
        should_exit = False

        def __init__(self, config: object) -> None: ...

        def run(self, sockets: list[socket.socket]) -> None:
            raise KeyboardInterrupt

    monkeypatch.setattr("uvicorn.Server", Server)
    report = commands.serve(Workspace(tmp_path), ViewSettings(host="0.0.0.0", port=0))  # noqa: S104
    said = capsys.readouterr().err
    assert said.count("?token=") == 1
    token = said.partition("?token=")[2].split()[0]
    assert len(token) >= 24
    assert said.count(token) == 1
    assert token not in str(report.document)
    commands.serve(Workspace(tmp_path), ViewSettings(port=0))
    assert "token" not in capsys.readouterr().err


@pytest.mark.parametrize("missing", ["starlette", "uvicorn"])
def test_what_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == missing or name == "a2g_cli.view.app"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    assert "pip install 'a2g[view]'" in refused(tmp_path, "view", "--port", 0, code=1)


def test_what_cannot_be_served_is_told_in_a_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert "choose another --port" in refused(tmp_path, "view", "--port", taken.getsockname()[1], code=1)
    assert "is no address of this machine" in refused(tmp_path, "view", "--host", "no.such.name.invalid")
    with pytest.raises(A2GError, match="cannot be served at"):
        commands.serve(Workspace(tmp_path), ViewSettings(host="203.0.113.7"))
    with pytest.raises(UsageError, match="there is no folder"):
        commands.serve(Workspace(tmp_path / "nothing"), ViewSettings())
    assert a2g(tmp_path, "view", "--port", 70000).exit_code == 2
