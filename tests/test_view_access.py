"""Who may see the page of `a2g view`, and who may stop a run: other sites in the same browser may do neither."""

import json
import socket
from pathlib import Path

import pytest
from live_examples import until
from report_examples import practised
from view_examples import PORT, client

from a2g_cli.core.workspace import Workspace
from a2g_cli.live.publisher import Publisher
from a2g_cli.live.state import lives
from a2g_cli.view import access
from a2g_cli.view.access import Access

TOKEN = "the-token"  # noqa: S105 - of the tests
KEY = "the key"
PAGES = ("/", "/sessions", "/sessions/monday", "/sessions/monday/report", "/adapters", "/events", "/package/view.js")


@pytest.mark.parametrize("name", ["127.0.0.1", "127.0.0.1:9000", "localhost:1", "[::1]:8321", "127.8.8.8"])
def test_this_machine_is_known_by_its_own_names(name: str) -> None:
    assert Access("127.0.0.1", PORT).known_host(name)


@pytest.mark.parametrize(
    "name",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "",
        "192.168.1.5",
        "a@127.0.0.1",
        "127.0.0.1/x",
        "[::1",
        "0",
    ],
)
def test_another_name_that_leads_here_is_refused(tmp_path: Path, name: str) -> None:
    assert not Access("127.0.0.1", PORT).known_host(name)
    for address in (*PAGES, "/?token=x"):
        assert client(tmp_path).get(address, headers={"host": name}).status_code == 421


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("192.168.1.5:8321", True),
        ("[fd00::1]", True),
        ("robot.lan", True),
        (f"{socket.gethostname()}.local".lower(), True),
        ("evil.example", False),
        ("192.168.1.5.evil.example", False),
    ],
)
def test_a_server_for_others_is_known_by_its_addresses(name: str, known: bool) -> None:
    assert Access("robot.lan", PORT, token=TOKEN).known_host(name) == known


def test_without_the_token_nothing_is_shown(tmp_path: Path) -> None:
    practised(tmp_path)
    for address in (*PAGES, "/?token=", "/?token=the-toke", "/?token=the-token2", "/?Token=the-token", "/live/x/stop"):
        browser = client(tmp_path, host="0.0.0.0", token=TOKEN, allow_stop=True)  # noqa: S104
        for answer in (browser.get(address), browser.post(address)):
            assert (answer.status_code, "monday" in answer.text) == (401, False), address
            assert "set-cookie" not in answer.headers
    wrong = {"cookie": f"a2g_view_{PORT}=the-toke; other={TOKEN}"}
    assert client(tmp_path, host="0.0.0.0", token=TOKEN).get("/", headers=wrong).status_code == 401  # noqa: S104


def test_the_token_becomes_a_cookie_and_leaves_the_address(tmp_path: Path) -> None:
    practised(tmp_path)
    browser = client(tmp_path, host="0.0.0.0", token=TOKEN)  # noqa: S104
    answer = browser.get(f"/sessions/monday?said=success&token={TOKEN}")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/sessions/monday?said=success"
    assert {"HttpOnly", "SameSite=Lax"} <= set(answer.headers["set-cookie"].split("; "))
    assert all(browser.get(address).status_code == 200 for address in PAGES)
    elsewhere = browser.get(f"//evil.example/%0d%0ax:y?token={TOKEN}").headers
    assert elsewhere["location"].startswith("/")
    assert not elsewhere["location"].startswith("//")
    assert "x" not in elsewhere


def test_a_token_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[bytes, bytes]] = []
    monkeypatch.setattr(access.secrets, "compare_digest", lambda *both: asked.append(both) or False)
    rules = Access("0.0.0.0", PORT, token=TOKEN)  # noqa: S104
    assert not rules.is_token("ü")
    assert not rules.is_key("x")
    assert len(asked) == 2


def test_every_answer_forbids_what_the_page_does_not_need(tmp_path: Path) -> None:
    practised(tmp_path)
    browser = client(tmp_path)
    video = "/sessions/monday/episode-0000.hdf5/video.mp4"
    for address in (*PAGES, "/nothing", video, "/sessions/nobody"):
        headers = browser.get(address).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["referrer-policy"] == "same-origin"
        assert "access-control-allow-origin" not in headers
    assert client(tmp_path).get("/", headers={"host": "evil"}).headers["content-security-policy"] == access.POLICY


OUTSIDE = (
    "/sessions/%2e%2e",
    "/sessions/%2e%2e%2fsecret",
    "/sessions/..%2f..%2fsecret/report",
    "/sessions/monday/..%2f..%2f..%2fsecret.hdf5/video.mp4",
    "/sessions/monday/%2e%2e/video.mp4",
    "/sessions/monday/secret.hdf5/video.mp4",
    "/sessions/monday/improve.json/last.png",
    "/sessions/monday/held-out/..%2fepisode-0000.hdf5/last.png",
    "/sessions/monday/episode-0000.hdf5/anything",
    "/sessions/linked",
    "/sessions/linked/report",
    "/live/..%2frecordings/now.png",
    "/live/monday/..%2f..%2fa2g.toml",
    "/package/..%2fapp.py",
    "/package/base.html",
    "/a2g.toml",
)
"""Addresses that try to leave what the workspace lists."""


def test_nothing_outside_of_what_is_listed_is_served(tmp_path: Path) -> None:
    root, outside = tmp_path / "workspace", tmp_path / "outside"
    practised(root)
    practised(outside)
    sessions, others = root / "recordings/sessions", outside / "recordings/sessions"
    (sessions / "linked").symlink_to(others / "monday")
    (sessions / "monday" / "secret.hdf5").symlink_to(others / "monday" / "episode-0000.hdf5")
    (root / "a2g.toml").write_text("secret")
    browser = client(root)
    for address in OUTSIDE:
        assert browser.get(address).status_code == 404, address
    assert "linked" not in browser.get("/sessions").text
    assert "secret" not in browser.get("/sessions/monday").text
    report = browser.get("/sessions/monday/report")
    assert (report.status_code, "links to files elsewhere" in report.text) == (500, True)


def test_held_out_videos_behind_a_link_are_not_served(tmp_path: Path) -> None:
    session, other = practised(tmp_path / "here"), practised(tmp_path / "there")
    name = other.videos.recordings()[0].name
    address = f"/sessions/monday/held-out/{name.replace('+', '%2B')}/last.png"
    assert client(tmp_path / "here").get(address).status_code == 200
    for path in session.videos.folder.iterdir():
        path.unlink()
    session.videos.folder.rmdir()
    session.videos.folder.symlink_to(other.videos.folder)
    assert client(tmp_path / "here").get(address).status_code == 404


# -- the button -----------------------------------------------------------------------------------------------------------


class Running:
    """A run that publishes, and what it hears."""

    def __init__(self, root: Path) -> None:
        self.heard: list[str] = []
        self.publisher = Publisher(Workspace(root), "monday", "a2g run", self.heard.append)

    def form(self, **changed: str) -> dict[str, str]:
        state = self.publisher.state
        return {"key": KEY, "run": f"{state.pid}-{state.started}", **changed}


def test_the_button_stops_the_run(tmp_path: Path) -> None:
    running = Running(tmp_path)
    with running.publisher:
        browser = client(tmp_path, allow_stop=True)
        assert "Stop softly" in browser.get("/").text
        answer = browser.post("/live/monday/stop", data=running.form(), headers={"accept": "application/json"})
        assert (answer.status_code, "asked to stop" in answer.json()["said"]) == (200, True)
        until(lambda: running.heard)
    assert running.heard == ["somebody at the page of a2g view"]
    again = browser.post("/live/monday/stop", data=running.form())
    assert (again.status_code, "ended already" in again.text) == (409, True)


def test_it_works_without_a_script_as_well(tmp_path: Path) -> None:
    running = Running(tmp_path)
    with running.publisher:
        headers = {"origin": f"http://127.0.0.1:{PORT}", "sec-fetch-site": "same-origin"}
        answer = client(tmp_path, allow_stop=True).post("/live/monday/stop", data=running.form(), headers=headers)
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        until(lambda: running.heard)


REFUSED: list[tuple[dict[str, str], dict[str, str], int]] = [
    ({"key": "another"}, {}, 403),
    ({"key": ""}, {}, 403),
    ({"key": "ü"}, {}, 403),
    ({"run": "1-1.0"}, {}, 409),
    ({}, {"origin": "http://evil.example"}, 403),
    ({}, {"origin": f"http://127.0.0.1:{PORT + 1}"}, 403),
    ({}, {"origin": "null"}, 403),
    ({}, {"sec-fetch-site": "cross-site"}, 403),
    ({}, {"sec-fetch-site": "same-site"}, 403),
    ({"more": "x" * 5000}, {}, 413),
]


@pytest.mark.parametrize(("form", "headers", "status"), REFUSED, ids=str)
def test_nobody_else_stops_a_run(tmp_path: Path, form: dict[str, str], headers: dict[str, str], status: int) -> None:
    running = Running(tmp_path)
    with running.publisher:
        browser = client(tmp_path, allow_stop=True)
        assert browser.post("/live/monday/stop", data=running.form(**form), headers=headers).status_code == status
        assert browser.get("/live/monday/stop").status_code in {404, 405}
        assert browser.post("/live/nobody/stop", data=running.form()).status_code == 409
        assert not (running.publisher.folder / "stop").exists()
    assert running.heard == []


def test_without_the_option_there_is_no_button_and_no_way_round_it(tmp_path: Path) -> None:
    running = Running(tmp_path)
    with running.publisher:
        browser = client(tmp_path)
        assert "Stop softly" not in browser.get("/").text
        assert browser.post("/live/monday/stop", data=running.form()).status_code == 403
    assert running.heard == []


def test_a_page_that_follows_hears_what_changes(tmp_path: Path) -> None:
    running = Running(tmp_path)
    with running.publisher as live:
        live.tell(part="round 1: practice", steps_to_go=7.2)
        until(lambda: lives(Workspace(tmp_path))[0].state.part)
        answer = client(tmp_path, looks=3).get("/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    (run,) = json.loads(answer.text.partition("data: ")[2].partition("\n")[0])["runs"]
    assert run["words"]["part"] == "round 1: practice"
    assert run["words"]["steps_to_go"] == "7"
    assert run["alive"]
