import io
import re
from pathlib import Path

import av
import PIL.Image
import pytest
from cli_examples import STEPS, a2g, ask, record, refused
from recording_examples import SPEC as OTHER_SPEC
from recording_examples import episode
from rich.console import Console

from a2g_cli.cli.commands import replay as command
from a2g_cli.cli.commands import summary
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
    assert len(frames) == 2 * (STEPS + 1)
    assert frames[0].shape[1] == (64 + 2 + 64) * 4


def test_a_gif_of_several_cameras(tmp_path: Path) -> None:
    path = write_episode(tmp_path / "other.hdf5", OTHER_SPEC, episode(3))
    said = a2g(tmp_path, "replay", path, "--video", tmp_path / "a.gif")
    assert said.stdout.splitlines()[-1] == f"video: {tmp_path / 'a.gif'}"
    with PIL.Image.open(tmp_path / "a.gif") as image:
        assert image.n_frames == 4


def test_frames_are_read_when_they_are_asked_for(tmp_path: Path) -> None:
    with Recording(record(tmp_path)) as recording:
        frames = command.Frames(recording)
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
