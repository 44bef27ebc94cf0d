import io
import re
import sys
from pathlib import Path
from typing import Any

import av
import PIL.Image
import pytest
from cli_examples import STEPS, a2g, ask, record, refused
from recording_examples import SPEC as OTHER_SPEC
from recording_examples import episode
from report_examples import put
from rich.console import Console

from a2g_cli.cli.commands import replay as command
from a2g_cli.cli.commands import replay_video, summary
from a2g_cli.data.recording.reader import Recording
from a2g_cli.data.recording.writer import write_episode


def test_without_a_terminal_a_line_a_recording(tmp_path: Path) -> None:
    record(tmp_path)
    record(tmp_path, "monday/episode-0001")
    said = a2g(tmp_path, "replay", "latest")
    assert said.stdout.splitlines() == [
        f"monday/episode-000{number}: goal place-practice-3-0, 5 steps, 0.5 s, no success, step limit "
        "(act2goal, adapter-001)"
        for number in (0, 1)
    ]


def test_the_document_has_what_is_documented(tmp_path: Path) -> None:
    path = record(tmp_path)
    for name in ("monday", "monday/episode-0000", "monday/latest", "latest", path):
        document = ask(tmp_path, "replay", name)
        (shown,) = document["recordings"]
        assert document["video"] is None
        assert (shown["path"], shown["steps"], shown["goal"]["name"]) == (str(path), STEPS, "place-practice-3-0")
    documented = re.findall(r"^ *([a-z_]+)  +\S", summary.__doc__ or "", re.MULTILINE)
    assert list(shown) == documented


def test_a_terminal_sees_every_recording_with_captions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record(tmp_path)
    record(tmp_path, "monday/episode-0001")
    shown = io.StringIO()
    terminal = Console(file=shown, force_terminal=True, color_system="truecolor", width=120, height=40, no_color=False)
    monkeypatch.setattr(command, "stderr_console", lambda: terminal)
    assert a2g(tmp_path, "replay", "monday", "--speed", "20").exit_code == 0
    assert "monday/episode-0000  step 5/5" in shown.getvalue()
    assert "monday/episode-0001  step 5/5" in shown.getvalue()
    assert "▀" in shown.getvalue() or "▄" in shown.getvalue()
    shown.truncate(0)
    ask(tmp_path, "replay", "monday")
    assert shown.getvalue() == ""


def test_an_mp4_shows_now_beside_the_goal(tmp_path: Path) -> None:
    record(tmp_path)
    record(tmp_path, "monday/episode-0001")
    video = tmp_path / "monday.mp4"
    assert ask(tmp_path, "replay", "monday", "--video", video, "--speed", 2)["video"] == str(video)
    with av.open(str(video)) as file:
        frames = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
        assert float(file.streams.video[0].average_rate) == 20
    assert len(frames) == 2 * (STEPS + 1 + 20)  # each ends with a second in which its verdict can be read
    assert frames[0].shape[1] == (64 + 2 + 64) * 4


def test_a_gif_of_several_cameras(tmp_path: Path) -> None:
    path = write_episode(tmp_path / "other.hdf5", OTHER_SPEC, episode(3))
    said = a2g(tmp_path, "replay", path, "--video", tmp_path / "a.gif")
    assert said.stdout.splitlines()[-1] == f"video: {tmp_path / 'a.gif'}"
    with PIL.Image.open(tmp_path / "a.gif") as image:
        assert image.n_frames in {4, 5}  # the last frame is held, and the same frame twice is one in a GIF


def test_frames_are_read_when_they_are_asked_for(tmp_path: Path) -> None:
    with Recording(record(tmp_path)) as recording:
        frames = replay_video.Frames(recording)
        assert len(frames) == len(list(frames)) == STEPS + 1
        assert len(frames[1:3]) == 2
        with pytest.raises(IndexError):
            frames[STEPS + 1]


def test_what_cannot_be_replayed(tmp_path: Path) -> None:
    path = record(tmp_path)
    assert "did you mean monday?" in refused(tmp_path, "replay", "munday")
    refused(tmp_path, "replay", "../x")
    assert "expected a name that ends in .mp4 or .gif" in refused(
        tmp_path, "replay", "latest", "--video", tmp_path / "a.avi"
    )
    assert "cannot be written" in refused(tmp_path, "replay", "latest", "--video", tmp_path / "no" / "a.gif", code=1)
    path.write_bytes(path.read_bytes()[:3000])
    assert "not a valid recording" in refused(tmp_path, "replay", "latest", code=1)
    path.unlink()
    assert "the session is empty" in refused(tmp_path, "replay", "monday")


def test_recordings_of_different_kinds_make_no_video(tmp_path: Path) -> None:
    record(tmp_path)
    write_episode(tmp_path / "recordings" / "sessions" / "monday" / "episode-0001.hdf5", OTHER_SPEC, episode(2))
    assert "all frames of a video need one size" in refused(tmp_path, "replay", "monday", "--video", tmp_path / "a.gif")
    assert not (tmp_path / "a.gif").exists()


def test_a_grid_shows_a_session_at_once(tmp_path: Path) -> None:
    for number in range(3):
        record(tmp_path, f"monday/episode-000{number}")
    video = tmp_path / "grid.mp4"
    assert ask(tmp_path, "replay", "monday", "--video", video, "--grid")["video"] == str(video)
    with av.open(str(video)) as file:
        frames = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
    assert len(frames) == STEPS + 1 + 10  # all begin together, and the end is held for a second
    assert frames[0].shape[1] > 3 * 200
    assert "add --video" in refused(tmp_path, "replay", "monday", "--grid")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(replay_video, "MOST", 2)
        assert "at most 2 episodes" in refused(tmp_path, "replay", "monday", "--video", video, "--grid")


def test_a_caption_says_how_many_steps_the_policy_expects(tmp_path: Path) -> None:
    record(tmp_path)
    (shown,) = ask(tmp_path, "replay", "monday")["recordings"]
    words = command.captions("monday/episode-0000", shown, ((2, 7.25),))
    assert words[1].endswith("step 1/5")
    assert words[2].endswith("step 2/5  7.2 to go")
    assert words[5].endswith("step 5/5  7.2 to go  no success, step limit")


class TestRerun:
    def test_a_file_has_everything_on_one_timeline_and_can_be_imported_again(self, tmp_path: Path) -> None:
        rerun = pytest.importorskip("rerun.chunk")
        path = put(tmp_path / "recordings/sessions/monday/episode-0000.hdf5", success=True, imagines=True)
        assert ask(tmp_path, "replay", "monday", "--rrd", tmp_path / "a.rrd")["rrd"] == str(tmp_path / "a.rrd")
        steps: dict[str, int] = {}
        for chunk in rerun.RrdReader(str(tmp_path / "a.rrd")).stream():
            batch = chunk.to_record_batch()
            if "step" in batch.schema.names:
                steps[chunk.entity_path] = steps.get(chunk.entity_path, 0) + batch.num_rows
        with Recording(path) as recording:
            assert steps["/steps_to_go"] == len(recording.outcome.estimates)
            assert steps["/action"] == recording.length
            assert steps["/camera/front"] == recording.length + 1
            for entity in ("1", "3", "words"):
                assert steps[f"/imagined/{entity}"] == len(recording.imagined) == 2
        ask(tmp_path, "recordings", "import", tmp_path / "a.rrd", "--session", "back")
        with (
            Recording(path) as before,
            Recording(next((tmp_path / "recordings/sessions/back").glob("*.hdf5"))) as after,
        ):
            assert (before.actions == after.actions).all()

    def test_what_cannot_be_shown(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for number in range(2):
            record(tmp_path, f"monday/episode-000{number}")
        assert "ends in .rrd" in refused(tmp_path, "replay", "monday/latest", "--rrd", tmp_path / "a.mp4")
        assert "monday/latest" in refused(tmp_path, "replay", "monday", "--rrd", tmp_path / "a.rrd")
        where = tmp_path / "no" / "a.rrd"
        assert "cannot be written" in refused(tmp_path, "replay", "monday/latest", "--rrd", where, code=1)
        monkeypatch.setitem(sys.modules, "rerun", None)
        for words in (("--rerun",), ("--rrd", tmp_path / "a.rrd")):
            assert "pip install 'a2g[rerun]'" in refused(tmp_path, "replay", "monday/latest", *words, code=1)
        assert not list(tmp_path.glob("*.rrd"))

    def test_the_viewer_needs_a_display_and_gets_every_recording(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rr = pytest.importorskip("rerun")
        for number in range(2):
            record(tmp_path, f"monday/episode-000{number}")
        for name in ("DISPLAY", "WAYLAND_DISPLAY"):
            monkeypatch.delenv(name, raising=False)
        if sys.platform.startswith("linux"):
            assert "needs a display" in refused(tmp_path, "replay", "monday", "--rerun", code=1)
        monkeypatch.setenv("DISPLAY", ":0")
        opened: list[str] = []

        def spawn(stream: Any, **_: object) -> None:
            opened.append(stream.get_recording_id())
            stream.save(str(tmp_path / f"{len(opened)}.rrd"))

        monkeypatch.setattr(rr.RecordingStream, "spawn", spawn)
        ask(tmp_path, "replay", "monday", "--rerun")
        assert opened == ["monday-episode-0000", "monday-episode-0001"]

        def fails(stream: Any, **_: object) -> None:
            raise RuntimeError("no viewer")

        monkeypatch.setattr(rr.RecordingStream, "spawn", fails)
        assert "cannot be opened: no viewer" in refused(tmp_path, "replay", "monday", "--rerun", code=1)
