"""What was imagined is shown beside what happened: in the report, on the page, in videos, in the terminal."""

import io
from pathlib import Path

import in_process
import numpy as np
import PIL.Image
import pytest
from cli_examples import ask
from display_examples import output, terminal
from recording_examples import TINY, imagined
from report_examples import STEPS, ReadPage, practised, put, read
from test_display_protocols import SEQUENCE
from view_examples import client

from a2g_cli.cli.commands.replay_video import Frames, dreams_of
from a2g_cli.core.clock import SteppedClock
from a2g_cli.core.workspace import Workspace
from a2g_cli.data.recording.reader import Recording
from a2g_cli.display.episode_video import BAR, CURVE_HEIGHT, EpisodeCanvas, EpisodeWords
from a2g_cli.display.player import play
from a2g_cli.report.episodes import Gallery
from a2g_cli.report.imagined import BACKGROUND, chosen, comparison, drawn
from a2g_cli.report.media import VideoBudget
from a2g_cli.report.page import html
from a2g_cli.report.session import session_page

WORDS = "Above: imagined at step 2. Below: what really happened. The episode ended at step 4."


@pytest.fixture(autouse=True)
def real_videos(monkeypatch: pytest.MonkeyPatch) -> None:
    in_process.videos_of_what_happened(monkeypatch)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return put(tmp_path / "recordings/sessions/monday/episode-0000.hdf5", success=True, imagines=True)


def test_imagined_frames_stand_above_those_that_followed(path: Path) -> None:
    plan = imagined(2)  # of steps 3, 4 and 12; the episode has four
    with Recording(path) as recording:
        sheet = drawn(plan, recording)
        one, size = comparison(plan, recording)
        real = [recording.frame("front", step) for step in (3, 4)]
    height, width = 16, 24
    columns = [sheet[:, left : left + width] for left in (0, width + 2, 2 * (width + 2))]
    for column, frame in zip(columns, plan.frames(), strict=True):
        assert np.array_equal(column[:height], frame)
    for column, frame in zip(columns, real, strict=False):
        below = column[height + 2 :]
        assert set(map(tuple, below.reshape(-1, 3))) == set(map(tuple, frame.reshape(-1, 3)))
    assert (columns[2][height:] == BACKGROUND).all(), "nothing happened then"
    assert list(one.labels) == ["step 3", "step 4", "about step 12"]
    assert one.words == WORDS
    assert one.image.alt.startswith("Above, imagined at step 2, for steps 3, 4 and about 12; below")
    assert (one.image.height, one.image.width) == sheet.shape[:2]
    assert 0 < size < 5000


def test_the_first_and_the_last_plan_are_shown_of_many() -> None:
    assert chosen([]) == []
    assert chosen([imagined(0)] * 3) == [0, 1, 2]
    assert chosen([imagined(0)] * 40) == [0, 20, 39]


def test_what_is_imagined_counts_against_a_report_s_size(path: Path) -> None:
    assert len(Gallery().card(path).imagined) == 2
    assert Gallery(VideoBudget(10)).card(path).imagined == []


def test_a_report_shows_it_and_says_where_there_is_none(tmp_path: Path) -> None:
    def page(name: str, imagines: bool) -> ReadPage:
        session = practised(tmp_path / name, imagines=imagines)
        return read(html(session_page(Workspace(tmp_path / name), session)))

    told = page("monday", imagines=True)
    assert WORDS in told.words
    assert "hold none" not in told.words
    images = [one for one in told.elements if "imagined at" in one.attributes.get("alt", "")]
    assert len(images) == 2 * (4 + 2), "of four episodes, and of a pair"
    assert all(one.attributes["src"].startswith("data:image/jpeg;base64,") for one in images)
    assert "hold none" in page("tuesday", imagines=False).words


def test_the_page_gives_each_image_its_address(tmp_path: Path, path: Path) -> None:
    browser = client(tmp_path)
    told = read(browser.get("/sessions/monday").text)
    images = [one for one in told.elements if "imagined at" in one.attributes.get("alt", "")]
    assert len(images) == 2
    for one in images:
        answer = browser.get(one.attributes["src"])
        assert answer.headers["content-type"] == "image/jpeg"
        with PIL.Image.open(io.BytesIO(answer.content)) as opened:
            assert [str(side) for side in opened.size] == [one.attributes["width"], one.attributes["height"]]
    for what in ("imagined-2.jpg", "imagined-.jpg", "imagined-x.jpg", "imagined-0.png", "imagined--1.jpg", "0.jpg"):
        assert browser.get(f"/sessions/monday/{path.name}/{what}").status_code == 404, what


def test_a_video_shows_it_from_the_step_of_its_plan(path: Path) -> None:
    with Recording(path) as recording:
        dreams = dreams_of(recording)
        now = recording.frame("front", 0)
    words = EpisodeWords("monday/episode-0000", STEPS)
    canvas = EpisodeCanvas(words, {"front": now}, 48, dreams=dreams)
    frames = [canvas.moment(step, {"front": now}) for step in range(STEPS + 1)]
    plain = EpisodeCanvas(words, {"front": now}, 48).moment(0, {"front": now})
    assert len({frame.shape for frame in frames}) == 1
    added = frames[0].shape[0] - plain.shape[0]
    assert added > 2 * BAR
    begin = plain.shape[0] - 2 * BAR - CURVE_HEIGHT
    rows = [frame[begin : begin + added] for frame in frames]
    assert np.array_equal(rows[0], rows[1])
    assert not np.array_equal(rows[1], rows[2])
    for row, dream in ((rows[0], dreams[0]), (rows[2], dreams[1])):
        assert tuple(row[-1, 1]) == tuple(dream.frames[0][0, 0])


@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize("protocol", ["kitty", "iterm", "sixel", "blocks"])
def test_a_terminal_plays_it_in_its_own_way(
    path: Path, width: int, protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A2G_IMAGES", protocol)
    console = terminal(width, 40)
    with Recording(path) as recording:
        dreams = dreams_of(recording)
        assert play(console, Frames(recording), recording.goal, 1.0, (), dreams, clock=SteppedClock())
    shown = output(console)
    text = SEQUENCE.sub("", shown)
    assert "imagined at step 0" in text
    assert "imagined at step 2" in text
    assert "~ 12" in text
    assert max(map(len, text.replace("\r", "\n").splitlines())) <= width
    drawn_by = {"kitty": "\x1b_Ga=T", "iterm": "\x1b]1337;File", "sixel": "\x1bP0", "blocks": "▄"}
    assert {name for name, sign in drawn_by.items() if sign in shown} == {protocol}
    images = shown.count(drawn_by[protocol])
    assert images > 2 * (STEPS + 1)  # now, the goal, and what was imagined


def test_a_goal_without_a_photo_hides_no_camera(path: Path) -> None:
    console = terminal(80, 30)
    with Recording(path) as recording:
        goal = type(recording.goal)("none", {}, "test")
        assert play(console, Frames(recording), goal, 1.0, clock=SteppedClock(), protocol="kitty")
    assert output(console).count("\x1b_Ga=T") > STEPS


def test_replay_reads_them_from_the_disk(tmp_path: Path, path: Path) -> None:
    video = tmp_path / "a.gif"
    ask(tmp_path, "replay", path, "--video", video)
    with PIL.Image.open(video) as opened:
        with Recording(path) as recording:
            frames = recording.imagined_frames(recording.imagined[0])
        assert opened.height > 256 + 3 * BAR + CURVE_HEIGHT
        assert len(frames) == 3
    assert TINY.cameras["front"] == (6, 8)
