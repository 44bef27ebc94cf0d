import json
import os
import pty
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from camera_examples import folder, video
from cli_examples import a2g, ask, refused
from processes import Forked
from test_display_views import pipe, terminal, visible

from a2g_cli.cameras.base import view_of
from a2g_cli.cameras.choice import CameraChoice, choose, identity
from a2g_cli.cameras.metadata import CameraMetadata, Framing
from a2g_cli.core import plugins
from a2g_cli.core.errors import UnknownNameError, UsageError
from a2g_cli.core.workspace import Workspace
from a2g_cli.data.goals import goal_from_recording, load_goal
from a2g_cli.data.recording.reader import Recording
from a2g_cli.display.preview import Preview, blended
from a2g_cli.robots.sim import SimRobot


@pytest.fixture
def image_folder(tmp_path: Path) -> Path:
    return folder(tmp_path / "images, mine", 3)


@pytest.fixture
def white(tmp_path: Path) -> Path:
    (tmp_path / "white").mkdir()
    PIL.Image.new("RGB", (64, 48), (255, 255, 255)).save(tmp_path / "white" / "a.png")
    return tmp_path / "white"


def test_a_camera_as_typed(image_folder: Path) -> None:
    typed = CameraChoice.parse(f"front=images:{image_folder},rate=5,loop=false,size=32x24,crop=40x30+4+2")
    assert typed == CameraChoice(
        "front", "images", {"path": str(image_folder), "rate": 5, "loop": False}, Framing((4, 2, 40, 30), (24, 32))
    )
    made = typed.make()
    made.open()
    view = view_of(made)
    made.close()
    assert view is not None
    assert view.device == f"images:{image_folder}"
    assert CameraChoice.parse("wrist=realsense").settings == {}
    assert CameraChoice.parse("wrist=realsense:0012").settings == {"serial": "0012"}  # a serial is no number
    assert identity(CameraChoice.parse("front=opencv:/dev/video0,rate=30")) == "front=opencv:/dev/video0"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("front", "is not NAME=DRIVER:ADDRESS"),
        ("front=", "is not NAME=DRIVER:ADDRESS"),
        ("../x=images:a", "cannot name a camera"),
        ("front=images:a,path=b", "gives path twice"),
        ("front=images:a,size=12", "is not WIDTHxHEIGHT"),
        ("front=images:a,size=0x4", "cannot be made"),
        ("front=images:a,crop=3,4,5,6", "is not WIDTHxHEIGHT"),
        ("front=realsens:1", "did you mean realsense?"),
    ],
)
def test_a_camera_that_is_not_typed_right(tmp_path: Path, text: str, says: str) -> None:
    assert says in refused(tmp_path, "capture-goal", "cup", "--camera", text)


def test_the_file_s_cameras_and_those_typed(tmp_path: Path) -> None:
    (tmp_path / "a2g.toml").write_text(
        '[cameras.front]\ndriver = "realsense"\nserial = "12"\nexposure = 90\nsize = "64x64"\n'
        '[cameras.wrist]\ndriver = "opencv"\ndevice = "/dev/video3"\n'
    )
    both = choose(Workspace(tmp_path), [])
    assert both["front"] == CameraChoice(
        "front", "realsense", {"serial": "12", "exposure": 90}, Framing(None, (64, 64))
    )
    assert choose(Workspace(tmp_path), ["front=images:x"])["front"].driver == "images"
    with pytest.raises(UsageError, match="given twice"):
        choose(Workspace(tmp_path), ["front=images:x", "front=images:y"])
    (tmp_path / "a2g.toml").write_text('[cameras]\nfront = "realsense"\n')
    with pytest.raises(UsageError, match=r"\[cameras.front\] in a2g.toml must be a table"):
        choose(Workspace(tmp_path), [])
    (tmp_path / "a2g.toml").write_text("cameras = 3\n")
    with pytest.raises(UsageError, match="must hold a table for each camera"):
        choose(Workspace(tmp_path), [])
    with pytest.raises(UnknownNameError):
        CameraChoice.from_table("front", {"driver": "imags"}).make()


@pytest.mark.parametrize("kind", ["images", "opencv"])
def test_a_goal_through_a_camera_as_large_as_the_robot_s(tmp_path: Path, kind: str) -> None:
    clip = video(tmp_path / "clip.avi")
    taken = ask(tmp_path, "capture-goal", "cup", "--camera", f"front={kind}:{clip}")
    assert taken["cameras"] == {"front": [64, 64]}
    assert taken["source"].startswith(f"front={kind}:")
    view = taken["views"]["front"]
    assert (view["device"], view["width"], view["height"], view["crop"]) == (f"{kind}:{clip}", 64, 48, [8, 0, 48, 48])
    assert load_goal(Workspace(tmp_path), "cup").views == taken["views"]
    assert "top" in refused(tmp_path, "capture-goal", "x", "--camera", f"top={kind}:{clip}")
    assert "cannot be combined with --camera" in refused(
        tmp_path, "capture-goal", "x", "--camera", f"front={kind}:{clip}", "--seed", 3
    )


def test_configured_cameras_are_looked_through_without_being_named(tmp_path: Path, image_folder: Path) -> None:
    (tmp_path / "a2g.toml").write_text(f'[cameras.front]\ndriver = "images"\npath = "{image_folder}"\n')
    assert ask(tmp_path, "capture-goal", "cup")["views"]["front"]["device"] == f"images:{image_folder}"
    assert ask(tmp_path, "capture-goal", "drawn", "--seed", 3)["truth"]  # but not where a goal is drawn


def test_a_bad_image_is_refused_unless_it_is_forced(tmp_path: Path, white: Path) -> None:
    words = ("capture-goal", "cup", "--camera", f"front=images:{white}")
    said = refused(tmp_path, *words)
    assert "overexposed (100% of the pixels are white" in said
    assert "--force" in said
    assert not (tmp_path / "recordings").exists()
    assert len(ask(tmp_path, *words, "--force")["warnings"]) == 2


def test_what_cannot_be_opened_ends_with_3(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "holds no image" in refused(
        tmp_path, "capture-goal", "x", "--camera", f"front=images:{tmp_path / 'empty'}", code=3
    )


class Looking(SimRobot):
    """A simulated robot whose image comes from a camera that says which it is."""

    views = {"front": CameraMetadata("realsense:42", 640, 480, (80, 0, 480, 480), {"exposure": 120.0})}  # noqa: RUF012


def test_a_run_refuses_a_goal_taken_with_another_view(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(tmp_path, "capture-goal", "cup", "--seed", 3)
    path = tmp_path / "recordings" / "goals" / "cup" / "goal.json"
    goal = json.loads(path.read_text())
    mine = Looking.views["front"].to_json()
    path.write_text(json.dumps(goal | {"views": {"front": mine | {"settings": {"exposure": 90.0}}}}))
    load = plugins.load
    monkeypatch.setattr(plugins, "load", lambda kind, name: Looking if kind == "robot" else load(kind, name))
    ran = a2g(tmp_path, "run", "cup", "--steps", 2)
    assert "the goal was taken with exposure 90, now 120" in ran.stderr  # the same view in another light
    (recorded,) = (tmp_path / "recordings" / "sessions").glob("*/episode-0000.hdf5")
    with Recording(recorded) as recording:
        assert recording.provenance.settings["views"]["front"] == mine
    assert goal_from_recording(recorded).views["front"] == mine
    path.write_text(json.dumps(goal | {"views": {"front": mine | {"device": "realsense:43"}}}))
    said = refused(tmp_path, "run", "cup", "--steps", 2)
    assert "was taken with another view, front: camera realsense:43, now realsense:42" in said


def test_what_makes_another_view() -> None:
    mine = Looking.views["front"]
    assert CameraMetadata.from_json(json.loads(json.dumps(mine.to_json()))) == mine
    assert mine.differences(replace(mine, settings={"exposure": 1.0})) == []
    assert mine.differences(replace(mine, width=848)) == ["images of 640x480, now 848x480"]
    assert mine.differences(replace(mine, crop=None)) == ["crop 80,0,480,480, now none"]
    assert mine.differences(replace(mine, device="opencv:0")) == ["camera realsense:42, now opencv:0"]


@pytest.mark.parametrize("views", [3, {"front": 3}, {"front": {"device": "x"}}, {"front": {"crop": [1]}}])
def test_views_from_elsewhere_are_checked(tmp_path: Path, views: object) -> None:
    ask(tmp_path, "capture-goal", "cup", "--seed", 3)
    path = tmp_path / "recordings" / "goals" / "cup" / "goal.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"views": views}))
    assert "damaged" in refused(tmp_path, "goals", "show", "cup")


def test_the_preview_shows_now_over_the_goal() -> None:
    black, red = np.zeros((8, 8, 3), np.uint8), np.full((16, 16, 3), (200, 0, 0), np.uint8)
    assert blended(black, red).tolist() == np.full((8, 8, 3), (100, 0, 0)).tolist()
    console = terminal()
    console.print(Preview(console, {"front": red}, "Enter takes it").render({"front": black}, ["front: blurred"]))
    for words in ("now front", "now over the goal", "goal", "front: blurred", "Enter takes it"):
        assert words in visible(console)
    alone = terminal()
    alone.print(Preview(alone, {}, "").render({"front": black}, []))
    assert "over" not in visible(alone)
    plain = pipe()
    plain.print(Preview(plain, {}, "").render({"front": black}, []))
    assert "1 image, 8x8" in visible(plain)


def test_a_person_sees_the_preview_and_presses_enter(tmp_path: Path, image_folder: Path, white: Path) -> None:
    """In a real terminal: bad images are not taken by Enter, good ones are; Ctrl-C leaves."""
    ask(tmp_path, "capture-goal", "before", "--camera", f"front=images:{image_folder}")
    good = talk(
        tmp_path, ["before", "--overwrite", "--camera", f"front=images:{image_folder}"], ["take the image", "\n"]
    )
    assert "now over the goal" in good
    assert "goal before:" in good
    bad = talk(tmp_path, ["bad", "--camera", f"front=images:{white}"], ["overexposed", "\n", "take the image", "\x03"])
    assert "interrupted" in bad
    assert not (tmp_path / "recordings" / "goals" / "bad").exists()


def talk(workspace: Path, words: list[str], script: list[str]) -> str:
    """Run ``a2g capture-goal words`` on a terminal; ``script`` alternates what to wait for and what to type."""
    ours, theirs = pty.openpty()
    # The child makes the terminal its own, so that Ctrl-C reaches it.
    environment = {"NO_COLOR": "", "TERM": "xterm-256color"}
    with Forked("--workspace", workspace, "capture-goal", *words, terminal=theirs, env=environment) as child:
        os.close(theirs)
        seen = bytearray()

        def listen() -> None:
            while True:
                try:
                    found = os.read(ours, 65536)
                except OSError:  # the child has gone: a terminal's way of saying so
                    return
                if not found:
                    return
                seen.extend(found)

        listener = threading.Thread(target=listen)
        listener.start()
        begin = 0
        try:
            for awaited, typed in zip(script[::2], script[1::2], strict=True):
                end = time.monotonic() + 60
                while awaited.encode() not in seen[begin:]:
                    assert time.monotonic() < end, bytes(seen)[-2000:]
                    assert child.poll() is None, bytes(seen)[-2000:]
                    time.sleep(0.02)
                begin = len(seen)
                os.write(ours, typed.encode())
            child.wait(60)
        finally:
            child.kill()  # else a child that waits for a key would be waited for without end
        listener.join(10)
        os.close(ours)
    return seen.decode(errors="replace")
