"""The report of a session: what it says, what a blind reader hears of it, and that nothing from the disk becomes markup."""

import base64
import hashlib
import io
import json
from itertools import pairwise
from pathlib import Path

import av
import in_process
import pytest
from cli_examples import a2g, ask, record, refused
from report_examples import EVIL, STEPS, ReadPage, practised, put, read

from a2g_cli.core.workspace import Workspace
from a2g_cli.data.recording import index
from a2g_cli.data.recording.sessions import Session, find_recordings
from a2g_cli.report import gallery, media
from a2g_cli.report.page import html
from a2g_cli.report.session import session_page


@pytest.fixture(autouse=True)
def real_videos(monkeypatch: pytest.MonkeyPatch) -> None:
    in_process.videos_of_what_happened(monkeypatch)


def page_of(root: Path, session: Session) -> ReadPage:
    return read(html(session_page(Workspace(root), session)))


@pytest.fixture
def page(tmp_path: Path) -> ReadPage:
    return page_of(tmp_path, practised(tmp_path))


def test_a_practice_run_is_told_whole(page: ReadPage) -> None:
    (verdict,) = page.having("verdict")
    assert verdict.text == (
        "Practice helped: the goal cup is reached in 10 of 10 held-out trials, before practice in 1 of 10."
    )
    assert "good" in verdict.attributes["class"]
    for words in (
        "New adapter 4/4, old 1/4",  # why the gate promoted it
        "action error in the training domain",  # forgetting
        "training domain, other goals, after practice",
        "the guard action-jump",  # a stop
        "a2g improve cup",
        "a2g 0.2.0",
        "a machine",
        "seed of practice",
        "Imagined frames: these recordings hold none",
    ):
        assert words in page.words
    assert "Steps-to-go over time:" not in page.words, "they are shown"
    assert len(page.having("curve")) == 6
    titles = [one.attributes["aria-label"] for one in page.having("chart")]
    assert [title.partition(".")[0] for title in titles] == ["Success by round", "Training loss of adapter-001"]


def test_the_videos_of_one_start_stand_side_by_side(page: ReadPage) -> None:
    videos = [one.attributes["aria-label"] for one in page.of("video")]
    assert videos[:2] == [
        "Video of cup+0000+base, goal cup: no success",
        "Video of cup+0000+adapter-001, goal cup: success",
    ]
    assert len(videos) == 2 + 4
    assert "cup, held-out start 1" in page.words


def test_videos_play(page: ReadPage) -> None:
    data = base64.b64decode(page.of("video")[0].attributes["src"].removeprefix("data:video/mp4;base64,"))
    with av.open(io.BytesIO(data)) as file:
        frames = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
    assert len(frames) == STEPS + 1
    assert frames[0].shape[0] == media.SIDE // 6 * 6, "six rows, enlarged"


def test_disagreements_come_first(page: ReadPage) -> None:
    cards = [one.attributes for one in page.elements if "data-card" in one.attributes]
    assert [card["data-judges"] for card in cards] == ["disagree", "agree", "agree", "agree"]
    # The simulator says no, the photo judge and the policy say yes; the frame is the simulator's.
    assert "bad" in cards[0]["class"].split()
    assert [card["data-stage"] for card in cards[1:]] == ["practice", "practice", "gate: new adapter"]


def test_nothing_is_asked_of_a_network(page: ReadPage) -> None:
    links = [
        one.attributes[name] for one in page.elements for name in ("src", "href", "poster") if name in one.attributes
    ]
    assert links
    assert [link[:40] for link in links if not link.startswith(("data:image/png", "data:video/mp4", "#"))] == []
    (policy,) = page.of("meta", **{"http-equiv": "Content-Security-Policy"})
    rules = policy.attributes["content"]
    assert "default-src 'none'" in rules
    for tag in ("script", "style"):
        (one,) = page.of(tag)
        digest = base64.b64encode(hashlib.sha256(one.text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in rules, "a browser would refuse it"
    assert "unsafe" not in rules


def test_who_cannot_see_is_told(page: ReadPage) -> None:
    known = {one.attributes["id"] for one in page.elements if "id" in one.attributes}
    for one in page.elements:
        if one.tag == "img":
            assert one.attributes["alt"]
        if one.tag == "video" or one.attributes.get("role") in {"img", "group"}:
            assert one.attributes["aria-label"], one
        if one.tag == "use" or one.attributes.get("href", "").startswith("#"):
            assert one.attributes["href"][1:] in known
        if one.tag == "section":
            assert one.attributes["aria-labelledby"] in known
        assert not any(name.startswith("on") or name == "style" for name in one.attributes), one
    levels = [int(one.tag[1]) for one in page.elements if one.tag in {"h1", "h2", "h3"}]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    (root,) = page.of("html")
    assert root.attributes["lang"] == "en"


def test_names_from_the_disk_stay_text(tmp_path: Path) -> None:
    folder = "<b>'\"&lt;"
    page = page_of(tmp_path, practised(tmp_path, folder, EVIL, f"</style></script>{EVIL}<script>alert(2)</script>"))
    assert page.of("img", src="x") == []
    assert len(page.of("script")) == 1
    assert page.of("b") == []
    assert not any(name.startswith("on") for one in page.elements for name in one.attributes)
    assert page.words.count(EVIL) > 5
    assert f"Practice {folder}" in page.words
    cards = [one.attributes["data-goal"] for one in page.elements if "data-card" in one.attributes]
    assert cards == [EVIL] * 4


def test_a_video_too_many_is_left_out_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = practised(tmp_path)
    whole = page_of(tmp_path, session)
    one = len(base64.b64decode(whole.of("video")[0].attributes["src"].partition(",")[2]))
    monkeypatch.setattr(media, "VIDEO_BYTES", int(one * 2.5))
    page = page_of(tmp_path, session)
    assert len(whole.of("video")) == 6
    assert len(page.of("video")) == 2
    assert "4 videos were left out" in page.words
    assert page.words.count("It was left out to keep the file small.") == 4


def test_of_many_episodes_the_disagreements_and_the_newest_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = practised(tmp_path)
    monkeypatch.setattr(gallery, "MOST_CARDS", 2)
    found, problems = gallery.entries(session.folder, session.recordings(), {})
    made, note, _ = gallery.cards(gallery.Gallery(), found, most=2)
    assert problems == []
    # Without the run's state, only the policy and the simulator say something.
    assert [card.name for card in made] == ["episode-0001", "episode-0003"]
    assert note.startswith("2 of 4 episodes are shown")


def test_a_long_episode_becomes_a_short_video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "recordings/sessions/plain/episode-0000.hdf5", success=True)
    monkeypatch.setattr(media, "MOST_FRAMES", 3)
    page = page_of(tmp_path, Session(tmp_path / "recordings/sessions/plain"))
    data = base64.b64decode(page.of("video")[0].attributes["src"].partition(",")[2])
    with av.open(io.BytesIO(data)) as file:
        stream = file.streams.video[0]
        assert float(stream.average_rate or 0) == pytest.approx(10.0 / 2)
        assert sum(1 for _ in file.decode(video=0)) == 3, "the first, the middle and the last"


def test_a_plain_session_says_who_judged(tmp_path: Path) -> None:
    session = Session(tmp_path / "recordings/sessions/plain")
    put(session.folder / "episode-0000.hdf5", success=True, judge="person")
    put(session.folder / "episode-0001.hdf5", success=None)
    page = page_of(tmp_path, session)
    assert page.having("verdict")[0].text == "The goal cup was reached in 1 of 1 judged episodes (person)."
    assert page.having("s0") == [], "no chart of rounds"
    assert "not judged" in page.words


def test_a_run_that_has_not_ended_has_a_report(tmp_path: Path) -> None:
    session = practised(tmp_path)
    path = session.folder / "improve.json"
    state = json.loads(path.read_text())
    state["measured"] = {"before": state["measured"]["before"]}
    state["rounds"][0] |= {"done": None, "judged": {}}
    path.write_text(json.dumps(state))
    page = page_of(tmp_path, session)
    assert page.having("verdict")[0].text.startswith("The run has not ended: before practice the goal cup")
    assert "Success after practice is not measured yet" in page.words


def test_a_state_of_an_earlier_version_has_a_report(tmp_path: Path) -> None:
    session = practised(tmp_path)
    path = session.folder / "improve.json"
    state = json.loads(path.read_text())
    del state["about"], state["rounds"][0]["judge"], state["rounds"][0]["judged"]
    path.write_text(json.dumps(state))
    page = page_of(tmp_path, session)
    assert "Command, versions and machine: this run did not keep them." in page.words


def test_videos_are_no_recordings_of_the_session(tmp_path: Path) -> None:
    session = practised(tmp_path)
    assert len(session.videos.recordings()) == 2
    assert len(find_recordings(Workspace(tmp_path), ["monday"])) == 4
    a2g(tmp_path, "recordings", "rm", "monday", "--yes", "--force")
    assert not session.folder.exists()


def test_the_index_keeps_no_curves(tmp_path: Path) -> None:
    facts = index.facts(put(tmp_path / "episode-0000.hdf5", success=True))
    assert "estimates" not in facts["outcome"]


def test_the_command_writes_one_file(tmp_path: Path) -> None:
    record(tmp_path)
    document = ask(tmp_path, "report")
    path = tmp_path / "reports" / "monday.html"
    assert document["report"] == str(path)
    assert (document["session"], document["episodes"], document["bytes"]) == ("monday", 1, path.stat().st_size)
    assert [one.name for one in path.parent.iterdir()] == ["monday.html"]
    read(path.read_text())
    said = a2g(tmp_path, "report", "monday", "--out", tmp_path / "here.html")
    assert f"report: {tmp_path / 'here.html'} (1 episodes" in said.stdout
    assert (tmp_path / "here.html").is_file()


def test_what_cannot_be_reported_is_refused_in_a_line(tmp_path: Path) -> None:
    assert "a2g run GOAL" in refused(tmp_path, "report")
    record(tmp_path)
    assert "did you mean monday" in refused(tmp_path, "report", "mondya")
    assert "ends in .html" in refused(tmp_path, "report", "--out", tmp_path / "video.mp4")
    assert "ends in .html" in refused(tmp_path, "report", "--out", tmp_path)
    (tmp_path / "recordings/sessions/empty").mkdir()
    assert "nothing to report" in refused(tmp_path, "report", "empty")
    (tmp_path / "file").write_text("")
    assert "cannot be written" in refused(tmp_path, "report", "--out", tmp_path / "file" / "a.html", code=1)


def test_a_damaged_recording_is_named_and_the_others_are_shown(tmp_path: Path) -> None:
    record(tmp_path)
    bad = record(tmp_path, "monday/episode-0001")
    bad.write_bytes(b"no recording")
    document = ask(tmp_path, "report")
    assert document["episodes"] == 1
    assert "episode-0001.hdf5 is not an HDF5 file" in Path(document["report"]).read_text()


@pytest.mark.parametrize(
    ("where", "value"),
    [("reason", ["a"]), ("rollout_seconds", "long"), ("episodes", None), ("explored", {})],
)
def test_a_damaged_state_is_refused_in_a_line(tmp_path: Path, where: str, value: object) -> None:
    path = practised(tmp_path).folder / "improve.json"
    state = json.loads(path.read_text())
    state["rounds"][0]["done"][where] = value
    path.write_text(json.dumps(state))
    assert "improve.json is damaged" in refused(tmp_path, "report", code=1)


def test_a_strange_lineage_has_a_card(tmp_path: Path) -> None:
    session = practised(tmp_path)
    path = tmp_path / "adapters/adapter-001/lineage.json"
    kept = json.loads(path.read_text())
    kept |= {"promotion": {"promoted": [], "reason": {}}, "losses": {"first": "x", "last": 1}, "loss_curve": [[1], [2]]}
    kept |= {"acts_on": 3, "seconds": "long", "recordings": 7, "parent": "adapter-001", "calibration": {"views": 1}}
    path.write_text(json.dumps(kept))
    page = page_of(tmp_path, session)
    assert "The measured transform of adapter-001 cannot be drawn" in page.words
    assert "not tested" in page.words
