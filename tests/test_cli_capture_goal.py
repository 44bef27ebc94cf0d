from pathlib import Path

import h5py
import numpy as np
import PIL.Image
import pytest
from cli_examples import a2g, ask, record, refused
from recording_examples import SPEC as OTHER_SPEC
from recording_examples import episode

from a2g_cli.cli.commands.capture_goal import photos, state_words
from a2g_cli.core import plugins
from a2g_cli.core.clock import SteppedClock
from a2g_cli.core.errors import UsageError
from a2g_cli.core.types import Observation
from a2g_cli.core.workspace import Workspace
from a2g_cli.data.goals import load_goal
from a2g_cli.data.recording.reader import Recording
from a2g_cli.data.recording.writer import write_episode
from a2g_cli.robots.base import RobotSpec
from a2g_cli.simulator.scenes.place import RANGE

GREY = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    PIL.Image.fromarray(GREY).save(path)
    return path


def test_a_fresh_goal_is_drawn_and_can_be_drawn_again(tmp_path: Path) -> None:
    fresh = [ask(tmp_path, "capture-goal", f"fresh-{i}") for i in range(2)]
    assert fresh[0]["truth"] != fresh[1]["truth"]
    assert fresh[0]["next"] == f"a2g run fresh-0 --workspace {tmp_path}"
    seeded = [ask(tmp_path, "capture-goal", f"seeded-{i}", "--seed", 4) for i in range(2)]
    assert seeded[0]["truth"] == seeded[1]["truth"]
    assert seeded[0]["fingerprint"] == seeded[1]["fingerprint"]
    goal = load_goal(Workspace(tmp_path), "seeded-0")
    assert (goal.truth, goal.images["front"].shape) == (seeded[0]["truth"], (64, 64, 3))


def test_it_says_where_the_goal_is_and_what_to_type_next(tmp_path: Path) -> None:
    said = a2g(tmp_path, "capture-goal", "cup", "--state", "block=0.05,-0.08", "--shift", "lighting:0.5")
    assert "block at x 0.050 m, y -0.080 m" in said.stdout
    assert "next: a2g run cup --shift=lighting:0.5" in said.stdout
    plain = ask(tmp_path, "capture-goal", "plain", "--state", "block=0.05,-0.08")
    shifted = ask(tmp_path, "goals", "show", "cup")
    assert plain["truth"] == shifted["truth"]
    assert plain["fingerprint"] != shifted["fingerprint"]


def test_a_state_may_be_turned(tmp_path: Path) -> None:
    truth = ask(tmp_path, "capture-goal", "cup", "--state", "block=0.05,-0.08,0.1")["truth"]
    assert truth["block"][6] == pytest.approx(np.sin(0.05))


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ("block=0.2,0", f"-{RANGE[0]:g} to {RANGE[0]:g} m"),
        ("block=0,-0.14", "block y = -0.14 m is out of range"),
        ("block=nan,0", "block x = nan m"),
        ("block=0,0,3", "block yaw = 3 rad"),
        ("block=0", "X,Y in metres"),
        ("block=0,0,0,0", "X,Y in metres"),
        ("block=a,b", "X,Y in metres"),
        ("0,0", "expected KEY=VALUE"),
        ("blok=0,0", "did you mean block?"),
    ],
)
def test_a_state_that_cannot_be(tmp_path: Path, state: str, message: str) -> None:
    assert message in refused(tmp_path, "capture-goal", "cup", "--state", state)
    assert not (tmp_path / "recordings").exists()


def test_state_words_are_given_once() -> None:
    assert state_words(["block=1,2", "cup=3,4,5"]) == {"block": [1, 2], "cup": [3, 4, 5]}
    with pytest.raises(UsageError, match="given twice"):
        state_words(["block=1,2", "block=1,2"])


def test_a_photo_is_fitted_to_the_camera(tmp_path: Path, photo: Path) -> None:
    taken = ask(tmp_path, "capture-goal", "cup", "--from-image", photo)
    assert taken["cameras"] == {"front": [64, 64]}
    assert taken["truth"] is None
    assert "centre 96x96 kept" in taken["source"]
    named = ask(tmp_path, "capture-goal", "named", "--from-image", f"front={photo}")
    assert named["fingerprint"] == taken["fingerprint"]


def test_a_bad_photo_is_warned_about(tmp_path: Path) -> None:
    PIL.Image.new("RGB", (64, 64), (90, 90, 90)).save(tmp_path / "flat.png")
    said = a2g(tmp_path, "capture-goal", "cup", "--from-image", tmp_path / "flat.png")
    assert said.exit_code == 0
    assert "note: front: almost no contrast" in said.stderr
    told = ask(tmp_path, "capture-goal", "cup", "--from-image", tmp_path / "flat.png", "--overwrite")["warnings"]
    assert [warning.startswith("front: almost no contrast") for warning in told] == [
        True,
        False,
    ]  # nor is there a state


def test_photos_that_do_not_fit(tmp_path: Path, photo: Path) -> None:
    assert "did you mean front?" in refused(tmp_path, "capture-goal", "cup", "--from-image", f"fron={photo}")
    assert "which camera" in refused(tmp_path, "capture-goal", "cup", "--from-image", photo, "--from-image", photo)
    assert "cannot be read" in refused(tmp_path, "capture-goal", "cup", "--from-image", tmp_path / "none.png")
    (tmp_path / "text.png").write_text("no image")
    assert "cannot be read" in refused(tmp_path, "capture-goal", "cup", "--from-image", tmp_path / "text.png")


def test_one_of_several_cameras_may_go_without_its_name(tmp_path: Path) -> None:
    odd = tmp_path / "a=b.png"
    odd.touch()
    assert photos([str(odd), "wrist=w.png"], OTHER_SPEC) == {"front": odd, "wrist": Path("w.png")}
    with pytest.raises(UsageError, match="which camera"):
        photos(["f.png"], OTHER_SPEC)
    with pytest.raises(UsageError, match="two images"):
        photos(["wrist=a.png", "wrist=b.png"], OTHER_SPEC)


def test_a_frame_of_a_recording(tmp_path: Path) -> None:
    path = record(tmp_path)
    last = ask(tmp_path, "capture-goal", "last", "--from-recording", "monday/episode-0000")
    first = ask(tmp_path, "capture-goal", "first", "--from-recording", "latest", "--frame", 0)
    assert (last["source"], first["source"]) == (f"recording:{path}#5", f"recording:{path}#0")
    with Recording(path) as recording:
        np.testing.assert_array_equal(
            load_goal(Workspace(tmp_path), "last").images["front"], recording.frame("front", 5)
        )
    assert "observations 0 to 5" in refused(tmp_path, "capture-goal", "x", "--from-recording", "monday", "--frame", 6)
    assert "did you mean monday?" in refused(tmp_path, "capture-goal", "x", "--from-recording", "mondei")


def test_recordings_that_do_not_fit(tmp_path: Path) -> None:
    path = record(tmp_path)
    write_episode(tmp_path / "other.hdf5", OTHER_SPEC, episode(2))
    foreign = refused(tmp_path, "capture-goal", "x", "--from-recording", tmp_path / "other.hdf5")
    assert "has images of front, wrist" in foreign
    path.write_bytes(path.read_bytes()[:3000])
    assert "not a valid recording" in refused(tmp_path, "capture-goal", "x", "--from-recording", "monday", code=1)
    with h5py.File(tmp_path / "x.hdf5", "w") as file:
        file["x"] = 1
    refused(tmp_path, "capture-goal", "x", "--from-recording", tmp_path / "x.hdf5", code=1)


@pytest.mark.parametrize(
    "words",
    [
        ("--state", "block=0,0", "--from-image", "a.png"),
        ("--from-image", "a.png", "--from-recording", "latest"),
        ("--frame", "3"),
        ("--seed", "3", "--state", "block=0,0"),
    ],
)
def test_one_source_at_most(tmp_path: Path, words: tuple[str, ...]) -> None:
    refused(tmp_path, "capture-goal", "cup", *words)


def test_names_are_checked_before_anything_else(tmp_path: Path) -> None:
    assert "cannot name a goal" in refused(tmp_path, "capture-goal", "../x")
    ask(tmp_path, "capture-goal", "cup", "--seed", 1)
    assert "--overwrite" in refused(tmp_path, "capture-goal", "cup")
    assert ask(tmp_path, "capture-goal", "cup", "--overwrite", "--seed", 2)["notes"] == ["drawn from seed 2"]
    assert "did you mean camera-bump?" in refused(tmp_path, "capture-goal", "x", "--shift", "camera-bumb")
    assert "unknown scene" in refused(tmp_path, "capture-goal", "x", "--scene", "nowhere")
    assert "unknown robot" in refused(tmp_path, "capture-goal", "x", "--robot", "simm")


def test_a_workspace_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "recordings").write_text("a file where a folder must be")
    assert "cannot be written" in refused(tmp_path, "capture-goal", "cup", "--seed", 1)


class Blind:
    """A robot that nothing is known about but what its camera sees, and that must not be moved."""

    spec = RobotSpec("blind", ("x",), ("m",), (-1.0,), (1.0,), 10.0, (), (), {"top": (48, 64)})
    clock = SteppedClock()

    def connect(self) -> None: ...
    def close(self) -> None: ...
    def observe(self) -> Observation:
        return Observation({"top": GREY[:48, :64]}, np.zeros(0, np.float32), {"top": 0.0}, 0.0)


def test_a_real_robot_is_looked_through_and_never_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load = plugins.load
    monkeypatch.setattr(plugins, "load", lambda kind, name: Blind if kind == "robot" else load(kind, name))
    taken = ask(tmp_path, "capture-goal", "cup", "--robot", "blind")
    assert (taken["cameras"], taken["truth"], taken["source"]) == ({"top": [48, 64]}, None, "blind")
    assert "--robot=blind" in taken["next"]
    for option in (["--state", "top=1,2"], ["--seed", 3]):
        assert "by hand" in refused(tmp_path, "capture-goal", "x", "--robot", "blind", *option)
