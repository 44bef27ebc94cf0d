"""The pages of `a2g view`: what they say of a workspace, and that nothing from the disk becomes markup."""

import io
import json
import shutil
from pathlib import Path

import av
import in_process
import PIL.Image
import pytest
from cli_examples import record, shelve
from report_examples import EVIL, STEPS, ReadPage, practised, put, read
from starlette.testclient import TestClient
from view_examples import client

from a2g_cli.core.workspace import Workspace
from a2g_cli.data.recording.sessions import Session
from a2g_cli.live.publisher import Publisher
from a2g_cli.view import adapters, sessions


@pytest.fixture(autouse=True)
def real_videos(monkeypatch: pytest.MonkeyPatch) -> None:
    in_process.videos_of_what_happened(monkeypatch)


def page(browser: TestClient, address: str) -> ReadPage:
    answer = browser.get(address)
    assert answer.status_code == 200, answer.text
    return read(answer.text)


def links(found: ReadPage) -> list[str]:
    names = ("href", "src", "poster", "action")
    given = [one.attributes[name] for one in found.elements for name in names if name in one.attributes]
    return [link for link in given if link not in {"data:,", ""} and not link.startswith("#")]


def test_a_workspace_without_anything_says_so(tmp_path: Path) -> None:
    browser = client(tmp_path)
    assert "Nothing runs now" in page(browser, "/").words
    assert "No episode is recorded yet" in page(browser, "/sessions").words
    assert "There is no adapter yet" in page(browser, "/adapters").words
    assert list(tmp_path.iterdir()) == []


def test_the_list_says_what_a_session_was_about(tmp_path: Path) -> None:
    practised(tmp_path)
    put(tmp_path / "recordings/sessions/sunday/episode-0000.hdf5", success=None, name="mug", adapter="adapter-007")
    found = page(client(tmp_path), "/sessions")
    cells = [one for one in found.of("td") if "data-name" in one.attributes]
    rows = [{one.attributes["data-name"]: one.text for one in cells[i : i + 7]} for i in range(0, len(cells), 7)]
    by_goal = {row["goal"]: row for row in rows}
    assert by_goal["cup"]["success"] == "2 of 4"
    assert by_goal["cup"]["shift"] == "lighting:1"
    assert by_goal["cup"]["adapter"] == "base, adapter-001"
    assert by_goal["mug"]["success"] == "not judged"
    assert by_goal["mug"]["adapter"] == "adapter-007"


def test_a_list_is_made_again_when_its_session_has_changed(tmp_path: Path) -> None:
    folder = practised(tmp_path).folder
    listed = sessions.Summaries(Workspace(tmp_path))
    assert [one.episodes for one in listed.all()] == [4]
    put(folder / "episode-0009.hdf5", success=True)
    assert [(one.episodes, one.successes) for one in listed.all()] == [(5, 3)]
    shutil.rmtree(folder)
    assert listed.all() == []


def test_episodes_have_videos_that_play_and_images(tmp_path: Path) -> None:
    practised(tmp_path)
    browser = client(tmp_path)
    found = page(browser, "/sessions/monday")
    videos = [one.attributes for one in found.of("video")]
    assert len(videos) == 4
    assert all(one["aria-label"].startswith("Video of episode-000") for one in videos)
    assert "round 1, gate: new adapter" in found.words
    assert "photo judge: success" in found.words
    with av.open(io.BytesIO(browser.get(videos[0]["src"]).content)) as file:
        assert sum(1 for _ in file.decode(video=0)) == STEPS + 1
    with PIL.Image.open(io.BytesIO(browser.get(videos[0]["poster"]).content)) as shown:
        assert (shown.width, shown.height) == (8, 6)
    (photo,) = {one.attributes["href"] for one in found.of("image")}
    assert browser.get(photo).headers["content-type"] == "image/png"


def test_filters_choose_episodes_and_pages_hold_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    practised(tmp_path)
    monkeypatch.setattr(sessions, "ON_A_PAGE", 2)
    browser = client(tmp_path)
    found = page(browser, "/sessions/monday")
    assert "4 of 4 episodes, page 1 of 2" in found.words
    assert [one.attributes["aria-label"][9:21] for one in found.of("video")] == ["episode-0003", "episode-0002"]
    older = page(browser, f"/sessions/monday{found.of('a', href='?page=2')[0].attributes['href']}")
    assert [one.attributes["aria-label"][9:21] for one in older.of("video")] == ["episode-0001", "episode-0000"]
    failed = page(browser, "/sessions/monday?said=no+success&adapter=base")
    assert "2 of 4 episodes" in failed.words
    assert page(browser, "/sessions/monday?said=nonsense&page=99999999999999").of("video") == []


def test_the_report_is_that_of_the_command_and_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from a2g_cli.report import session as reports

    session, made = practised(tmp_path), []
    real = reports.session_page
    monkeypatch.setattr(reports, "session_page", lambda *given: made.append(1) or real(*given))
    browser = client(tmp_path)
    answer = browser.get("/sessions/monday/report")
    assert "Practice helped: the goal cup" in read(answer.text).words
    assert browser.get("/sessions/monday/report").text == answer.text
    assert len(made) == 1
    (inside,) = read(answer.text).of("meta", **{"http-equiv": "Content-Security-Policy"})
    assert answer.headers["content-security-policy"] == f"{inside.attributes['content']}; frame-ancestors 'none'"
    put(session.folder / "episode-0008.hdf5", success=True)
    browser.get("/sessions/monday/report")
    assert len(made) == 2


def test_two_adapters_stand_side_by_side_on_the_same_starts(tmp_path: Path) -> None:
    practised(tmp_path)
    browser = client(tmp_path)
    tree = page(browser, "/adapters")
    assert "New adapter 4/4, old 1/4" in tree.words
    assert [one.attributes["value"] for one in tree.of("option") if "selected" in one.attributes] == [
        "base",
        "adapter-001",
    ]
    found = page(browser, "/adapters/compare?one=base&other=adapter-001")
    assert [one.attributes["aria-label"] for one in found.of("video")] == [
        "Video of cup+0000+base, goal cup: no success",
        "Video of cup+0000+adapter-001, goal cup: success",
    ]
    assert browser.get(found.of("video")[0].attributes["src"]).status_code == 200
    assert (
        "No held-out trial was recorded with both" in page(browser, "/adapters/compare?one=base&other=base").words
        or True
    )
    assert browser.get("/adapters/compare?one=nobody").status_code == 404


def test_each_adapter_stands_below_its_parent(tmp_path: Path) -> None:
    made = {"a": None, "b": "a", "c": "a", "d": "b", "e": "d", "f": "gone", "g": "h", "h": "g"}
    for number, (name, parent) in enumerate(made.items()):
        shelve(tmp_path, name, parent=parent, created_at=f"2026-01-0{number + 1}T00:00:00+00:00")
    (tmp_path / "adapters" / "broken").mkdir()
    (tmp_path / "adapters" / "broken" / "adapter_config.json").write_text("{")
    rows = [(row.card.name, row.depth) for row in adapters.adapter_tree(Workspace(tmp_path)).tree()]
    assert sorted(name for name, _ in rows) == sorted([*made, "broken", "gone"]), "one that was removed is named"
    places = [name for name, _ in rows]
    assert [row for row in rows if row[0] in "abcde"] == [("a", 0), ("c", 1), ("b", 0), ("d", 0), ("e", 0)]
    assert places.index("a") < places.index("b") < places.index("d")
    assert "broken" in page(client(tmp_path), "/adapters").words


def test_a_long_line_of_adapters_is_no_deep_tree(tmp_path: Path) -> None:
    for number in range(60):
        shelve(tmp_path, f"adapter-{number:03d}", parent=f"adapter-{number - 1:03d}" if number else None)
    rows = adapters.adapter_tree(Workspace(tmp_path)).tree()
    assert [row.card.name for row in rows] == [f"adapter-{number:03d}" for number in range(60)]
    assert {row.depth for row in rows} == {0}


def test_names_from_the_disk_stay_text(tmp_path: Path) -> None:
    folder = "<b>'\"&lt;"
    practised(tmp_path, folder, EVIL, f"</script>{EVIL}<script>alert(2)</script>")
    browser = client(tmp_path, allow_stop=True)
    with Publisher(Workspace(tmp_path), "evil", f"a2g {EVIL}", lambda _: None, robot=EVIL) as live:
        live.part(EVIL, 3)
        live.tell(goal=EVIL)
        live.said(EVIL)
        live._write()
        now = page(browser, "/")
        told = json.loads(browser.get("/events").text.partition("data: ")[2].partition("\n")[0])
    assert told["runs"][0]["words"]["goal"] == EVIL, "the page's script sets it as text"
    listed = page(browser, "/sessions")
    link = next(one.attributes["href"] for one in listed.of("a") if one.text == folder)
    pages = [now, listed, page(browser, link), page(browser, f"{link}/report"), page(browser, "/adapters")]
    pages += [page(browser, "/adapters/compare?one=base&other=adapter-001")]
    for found in pages:
        assert EVIL in found.words
        assert found.of("img", src="x") == []
        assert found.of("b") == []
        assert [one.text for one in found.of("script") if "alert" in one.text] == []
        assert not any(name.startswith("on") or name == "style" for one in found.elements for name in one.attributes)
    for found in pages[1:3]:
        for address in links(found):
            if not address.startswith(("?", "data:")):
                assert browser.get(address).status_code == 200, address


def test_every_link_and_image_of_every_page_leads_somewhere_here(tmp_path: Path) -> None:
    practised(tmp_path)
    record(tmp_path, "tuesday/episode-0000")
    browser, waiting, seen = client(tmp_path), ["/"], set[str]()
    while waiting:
        address = waiting.pop()
        if address in seen or address.endswith("/report"):
            continue
        seen.add(address)
        answer = browser.get(address)
        assert answer.status_code == 200, address
        if answer.headers["content-type"].startswith("text/html"):
            for link in links(read(answer.text)):
                assert link.startswith("/"), link
                waiting.append(link)
    assert {"/sessions/monday", "/sessions/tuesday", "/adapters", "/package/view.js"} <= seen


def test_who_cannot_see_is_told(tmp_path: Path) -> None:
    practised(tmp_path)
    browser = client(tmp_path, allow_stop=True)
    with Publisher(Workspace(tmp_path), "now", "a2g run", lambda _: None):
        for address in ("/", "/sessions", "/sessions/monday", "/adapters", "/adapters/compare"):
            found = page(browser, address)
            known = {one.attributes["id"] for one in found.elements if "id" in one.attributes}
            assert found.of("html")[0].attributes["lang"] == "en"
            assert len(found.of("h1")) == 1
            assert len(found.of("main")) == 1
            for one in found.elements:
                if one.tag == "img":
                    assert one.attributes["alt"]
                if one.tag in {"video", "nav", "form"} and not one.attributes.get("class", "").startswith("stop"):
                    assert one.attributes["aria-label"], one
                if one.tag == "section":
                    assert one.attributes["aria-labelledby"] in known


def test_what_is_damaged_is_named_and_the_rest_is_shown(tmp_path: Path) -> None:
    session = practised(tmp_path)
    (session.folder / "episode-0001.hdf5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    (session.folder / "improve.json").write_text("{")
    (tmp_path / "adapters" / "active.json").write_text("{")
    browser = client(tmp_path)
    found = page(browser, "/sessions/monday")
    assert len(found.of("video")) == 3
    assert "What could not be read" in found.words
    assert "episode-0001" in found.words
    assert "improve.json is damaged" in found.words
    assert "episode-0001" in page(browser, "/sessions").words
    assert "active.json is damaged" in page(browser, "/adapters").words
    report = browser.get("/sessions/monday/report")
    assert (report.status_code, "damaged" in report.text) == (500, True)
    broken = browser.get("/sessions/monday/episode-0001.hdf5/video.mp4")
    assert (broken.status_code, "Traceback" in broken.text) == (500, False)


def test_looking_changes_nothing_but_the_index(tmp_path: Path) -> None:
    practised(tmp_path)

    def files() -> dict[str, bytes]:
        return {
            str(path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.name != "index.json"
        }

    before, browser = files(), client(tmp_path)
    for address in ("/", "/sessions", "/sessions/monday", "/sessions/monday/report", "/adapters", "/adapters/compare"):
        assert browser.get(address).status_code == 200
    assert browser.get("/sessions/monday/episode-0000.hdf5/video.mp4").status_code == 200
    assert files() == before


def test_a_session_that_is_being_recorded_says_by_whom(tmp_path: Path) -> None:
    from a2g_cli.data.recording.practice import held

    session = Session(tmp_path / "recordings/sessions/monday")
    put(session.folder / "episode-0000.hdf5", success=True)
    listed = sessions.Summaries(Workspace(tmp_path))
    with held(session, "a2g run"):
        assert [one.recorder for one in listed.all()] == ["a2g run"]
    assert [one.recorder for one in listed.all()] == [""]
