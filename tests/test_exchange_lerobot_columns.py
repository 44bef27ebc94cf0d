"""Which columns of a LeRobot dataset become cameras, depth and numbers: found, chosen, or left out with a reason."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lerobot_sets import DEPTH, FRONT, H, Made, W, assert_shows, brought, episodes, png, shade

from a2g_cli.core.errors import UsageError
from a2g_cli.core.workspace import Workspace
from a2g_cli.data.formats.importing import ImportOptions, bring_in
from a2g_cli.data.formats.reading import ReadOptions
from a2g_cli.data.formats.registry import detect, find
from a2g_cli.data.recording.reader import Recording, read_episode

NAN = float("nan")


def depth_at(episode: int, row: int) -> Any:
    return png(np.arange(H * W, dtype=np.uint16).reshape(H, W) * 100 + row)


ONE_CHANNEL = {"dtype": "image", "shape": [H, W, 1], "names": None}


@pytest.mark.parametrize(
    ("features", "columns", "name", "reason"),
    [
        ({DEPTH: {**ONE_CHANNEL, "dtype": "video", "info": {"video.is_depth_map": True}}}, {}, "front_depth", "8 bits"),
        ({DEPTH: ONE_CHANNEL}, {DEPTH: lambda e, i: png(shade(e, i)[..., 0])}, "front_depth", "8 bits"),
        ({DEPTH: ONE_CHANNEL}, {DEPTH: lambda e, i: {"bytes": b"GIF89a", "path": None}}, "front_depth", "not PNG"),
        (
            {"observation.images.far_depth": ONE_CHANNEL},
            {"observation.images.far_depth": depth_at},
            "far_depth",
            "without a camera",
        ),
        ({"observation.images.rgba": {**ONE_CHANNEL, "shape": [H, W, 4]}}, {}, "rgba", "one or three channels"),
        ({"observation.images.a/b": {**ONE_CHANNEL, "shape": [H, W, 3]}}, {}, "a/b", "cannot have such a name"),
        (
            {"next.pose": {"dtype": "float32", "shape": [2]}},
            {"next.pose": lambda e, i: [0.0, 1.0]},
            "next.pose",
            "next.success",
        ),
        (
            {"next.success": {"dtype": "bool", "shape": [2]}},
            {"next.success": lambda e, i: [True, False]},
            "next.success",
            "the success is not known",
        ),
        ({"language": {"dtype": "string", "shape": [1]}}, {"language": lambda e, i: "pick"}, "language", "not numbers"),
        (
            {"grid": {"dtype": "float32", "shape": [2, 2]}},
            {"grid": lambda e, i: [[0.0, 1.0]] * 2},
            "grid",
            "row of numbers",
        ),
        (
            {"observation.effort": {"dtype": "float32", "shape": [1]}},
            {"observation.effort": lambda e, i: 0.0},
            "effort",
            "--columns",
        ),
        ({}, {"info": lambda e, i: {"a": 1}}, "info", "does not describe"),
    ],
)
def test_what_cannot_be_read_is_left_out_and_named_once(
    tmp_path: Path, features: dict[str, Any], columns: dict[str, Any], name: str, reason: str
) -> None:
    root = Made(features=features, columns=columns).write(tmp_path / "set")
    found = brought(root)
    assert found.episodes == 3
    (note,) = [note for note in found.notes if note.startswith("left out: ")]
    assert note.startswith(f"left out: {name} (")
    assert reason in note
    for number, path in enumerate(found.session.recordings()):
        assert_shows(read_episode(path), number)


def test_success_in_lists_of_one_is_read(tmp_path: Path) -> None:
    columns = {"next.success": lambda e, i: [e == 1]}
    made = episodes(Made(columns=columns).write(tmp_path / "set"))
    assert [one.outcome.success for one in made if one.outcome] == [False, True, False]
    assert {one.outcome.judge for one in made if one.outcome} == {"environment"}, "no person has looked at it"


@pytest.mark.parametrize(("dtype", "key"), [("image", DEPTH), ("depth", "observation.images.depth")])
def test_depth_of_16_bits_is_stored_with_its_camera(tmp_path: Path, dtype: str, key: str) -> None:
    made = Made(features={key: {**ONE_CHANNEL, "dtype": dtype}}, columns={key: depth_at})
    found = brought(made.write(tmp_path / "set"), flip="rows", size=(H // 2, W // 2))
    with Recording(found.session.recordings()[1]) as recording:
        assert recording.spec.depth == ("front",)
        deep = recording.depth("front")
        # Of every second row and column the nearest, none in between; turned as the image is.
        taken = (np.arange(H * W, dtype=np.uint16).reshape(H, W) * 100)[::-1][1::2, 1::2]
        np.testing.assert_array_equal(deep - deep[:, :1, :1], np.broadcast_to(taken - taken[:1, :1], deep.shape))
        assert recording.frame("front", 0)[0].mean() > recording.frame("front", 0)[-1].mean()
    assert any("does not say its unit" in note for note in found.notes)


def test_grey_cameras_become_colour(tmp_path: Path) -> None:
    key = "observation.images.infrared"
    made = Made(features={key: ONE_CHANNEL}, columns={key: lambda e, i: png(shade(e, i)[..., 0])})
    found = brought(made.write(tmp_path / "set"))
    assert_shows(read_episode(found.session.recordings()[2]), 2, "infrared")
    assert any("infrared is grey" in note for note in found.notes)


EFFORT = Made(
    cameras=(FRONT, "observation.images.wrist"),
    features={"observation.effort": {"dtype": "float32", "shape": [2], "names": ["pan", "lift"]}},
    columns={"observation.effort": lambda e, i: [7.0, 8.0]},
)


def test_cameras_and_columns_are_chosen(tmp_path: Path) -> None:
    read = ReadOptions(cameras=("wrist",), columns=("effort", "observation.state"))
    (path, *_) = brought(EFFORT.write(tmp_path / "set"), read=read).session.recordings()
    with Recording(path) as recording:
        assert recording.cameras == ("wrist",)
        assert recording.spec.proprioception_names == ("effort.pan", "effort.lift", "state.pan", "state.lift")
        np.testing.assert_array_equal(recording.proprioception[3], [7, 8, 0, 3])


@pytest.mark.parametrize(
    ("read", "message"),
    [
        (ReadOptions(cameras=("wirst",)), r"--cameras wirst: .* They have front, wrist\."),
        (ReadOptions(columns=("torque",)), r"--columns torque: .* They have state, effort\."),
        (ReadOptions(cameras=("action",)), "no such name"),
    ],
)
def test_names_that_there_are_not(tmp_path: Path, read: ReadOptions, message: str) -> None:
    root = EFFORT.write(tmp_path / "set")
    with pytest.raises(UsageError, match=message):
        bring_in(Workspace(tmp_path), root, detect(root), "theirs", ImportOptions(read, skip_bad=True))


def test_a_camera_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    root = Made(features={"observation.images.rgba": {**ONE_CHANNEL, "shape": [H, W, 4]}}).write(tmp_path / "set")
    with pytest.raises(UsageError, match="one or three channels"):
        brought(root, read=ReadOptions(cameras=("rgba",)))


def test_an_own_export_of_which_one_camera_is_read(tmp_path: Path) -> None:
    from recording_examples import SPEC, episode

    from a2g_cli.data.recording.writer import write_episode

    path = write_episode(tmp_path / "0.hdf5", SPEC, episode(4))
    find("lerobot").write([path], tmp_path / "set", lossless=True)
    (made,) = episodes(tmp_path / "set", read=ReadOptions(cameras=("wrist",)))
    (whole,) = [read_episode(path)]
    assert set(made.goal.images) == {"wrist"}
    np.testing.assert_array_equal(made.observations[-1].images["wrist"], whole.observations[-1].images["wrist"])


# -- shapes ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("video", [True, False])
@pytest.mark.parametrize(
    ("shape", "names"),
    [
        ([3, H, W], None),
        ([3, H, W], ["c", "h", "w"]),
        ([3, H, W], ["height", "width", "channels"]),  # says otherwise
        ([H, W, 3], ["channels", "height", "width"]),  # says otherwise
        ([H, W, 3], {"axes": ["height", "width", "channel"]}),
        ([3, W, H], None),  # width first: the video's own size decides
        ([W, H, 3], ["width", "height", "channel"]),
    ],
)
def test_channels_are_found_by_shape_and_video(tmp_path: Path, video: bool, shape: list[int], names: Any) -> None:
    feature = {"dtype": "video" if video else "image", "shape": shape, "names": names}
    for number, made in enumerate(episodes(Made(video=video, features={FRONT: feature}).write(tmp_path / "set"))):
        assert_shows(made, number)


def test_two_cameras_of_one_short_name(tmp_path: Path) -> None:
    (made, *_) = episodes(Made(cameras=(FRONT, "observation.front")).write(tmp_path / "set"))
    assert_shows(made, 0, FRONT)
    assert_shows(made, 0, "observation.front")


def test_openpi_s_columns(tmp_path: Path) -> None:
    made = Made(video=False, cameras=("image", "wrist_image"), action="actions", state="state")
    (_, second, _) = episodes(made.write(tmp_path / "set"))
    assert_shows(second, 1, "image")
    assert_shows(second, 1, "wrist_image")
    np.testing.assert_array_equal(second.sent, [[row, 1] for row in range(4)])
    np.testing.assert_array_equal(second.observations[3].proprioception, [1, 3])
