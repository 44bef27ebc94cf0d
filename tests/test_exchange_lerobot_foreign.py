"""LeRobot datasets as people publish them: what cannot be used is left out and named, the rest is read as it is."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from exchange_examples import in_memory
from lerobot_sets import DEPTH, FPS, FRONT, H, Made, W, png, shade

from a2g_cli.core.errors import A2GError, RecordingError, UsageError
from a2g_cli.core.types import Episode
from a2g_cli.core.workspace import Workspace
from a2g_cli.data.formats import lerobot_read, lerobot_tables
from a2g_cli.data.formats.importing import BadEpisodeError, Imported, ImportOptions, bring_in
from a2g_cli.data.formats.reading import ReadOptions
from a2g_cli.data.formats.registry import detect, find
from a2g_cli.data.recording.reader import Recording, read_episode
from a2g_cli.data.recording.verify import verify

NAN = float("nan")


def brought(root: Path, **options: Any) -> Imported:
    """Import the dataset in ``root``; what comes of it is sound."""
    found = bring_in(Workspace(root.parent), root, detect(root), "theirs", ImportOptions(**options))
    assert [verify(path) for path in found.session.recordings()] == [[]] * found.episodes
    return found


def episodes(root: Path, **options: Any) -> list[Episode]:
    return [read_episode(path) for path in brought(root, **options).session.recordings()]


def assert_shows(made: Episode, number: int, camera: str = "front") -> None:
    """Every frame is the one that its row had, and the goal is the last."""
    for row, seen in enumerate(made.observations):
        np.testing.assert_allclose(seen.images[camera].astype(int), shade(number, row), atol=2)
    np.testing.assert_array_equal(made.goal.images[camera], made.observations[-1].images[camera])


# -- columns --------------------------------------------------------------------------------------------------------------


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


# -- one bad episode ------------------------------------------------------------------------------------------------------

BAD: dict[str, tuple[Made, str]] = {
    "no row": (Made(lengths=(6, 0, 4)), "it has no row"),
    "one row": (Made(lengths=(6, 1, 4)), "one row: two are needed"),
    "a row too many": (
        Made(told=lambda one: one.update(length=one["length"] - (one["episode_index"] == 1))),
        "5 rows, its description announces 4",
    ),
    "NaN in actions": (
        Made(columns={"action": lambda e, i: [NAN if (e, i) == (1, 2) else 0.0, 1.0]}),
        "actions: 1 of 8",
    ),
    "NaN in state": (
        Made(columns={"observation.state": lambda e, i: [NAN if (e, i) == (1, 4) else 0.0, 1.0]}),
        "proprioception: 1 of 10",
    ),
    "no number": (Made(columns={"action": lambda e, i: None if (e, i) == (1, 2) else [0.0, 1.0]}), "2 numbers a row"),
    "a clock that stands": (
        Made(columns={"timestamp": lambda e, i: i / FPS * (e != 1)}),
        "times: 4 of 4 .*a2g recordings import /.* --rate 10`",
    ),
    "a clock that runs back": (
        Made(columns={"timestamp": lambda e, i: i / FPS * (-1 if e == 1 else 1)}),
        "times: 4 of 4",
    ),
    "another rate": (Made(columns={"timestamp": lambda e, i: i / FPS * (3 if e == 1 else 1)}), "the spec says 10 Hz"),
    "no video": (Made(videos={1: None}), "file-001.mp4 is missing"),
    "a video too short": (
        Made(videos={1: 4}, told=lambda one: one.pop(f"videos/{FRONT}/to_timestamp")),
        "has 4 frames .* 5 are needed",
    ),
    "a video of less than its rows": (Made(videos={1: 4}), "shows 4 frames of it, 5 are needed"),
    "video of v2 too short": (Made(videos={1: 4}, version="v2.1"), "has 4 frames .* 5 are needed"),
    "another image": (
        Made(video=False, columns={FRONT: lambda e, i: png(shade(e, i, H, 8 if (e, i) == (1, 2) else W))}),
        "an image is 8x16",
    ),
    "no image": (
        Made(
            video=False, columns={FRONT: lambda e, i: png(shade(e, i)) if e != 1 else {"bytes": None, "path": "a.png"}}
        ),
        "files of their own",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_one_bad_episode_is_named_and_can_be_left_out(tmp_path: Path, kind: str) -> None:
    made, message = BAD[kind]
    root = made.write(tmp_path / "set")
    workspace = Workspace(tmp_path)
    with pytest.raises(BadEpisodeError, match=f"episode 1 cannot be used: .*{message}.*--skip-bad") as refused:
        bring_in(workspace, root, detect(root), "theirs")
    assert "restore" not in str(refused.value).lower()
    assert not list(workspace.sessions.iterdir())
    found = brought(root, skip_bad=True)
    assert list(found.skipped) == ["episode 1"]
    assert [len(read_episode(path)) for path in found.session.recordings()] == [5, 3]


def test_a_video_of_many_never_shows_the_next_episode_s_frames(tmp_path: Path) -> None:
    for number, made in enumerate(episodes(Made(together=True).write(tmp_path / "set"))):
        assert_shows(made, number)
    root = Made(together=True, videos={0: 5}).write(tmp_path / "other" / "short")
    with pytest.raises(BadEpisodeError, match=r"episode 0 cannot be used: .* shows 5 frames of it, 6 are needed"):
        brought(root)


def test_a_clock_that_stands_is_counted_by_the_rate_that_a_person_says(tmp_path: Path) -> None:
    root = Made(columns={"timestamp": lambda e, i: 0.0}).write(tmp_path / "set")
    (made, *_) = episodes(root, read=ReadOptions(rate=5.0))
    np.testing.assert_allclose([one.time for one in made.observations], np.arange(6) / 5)


def test_rows_that_stand_in_another_file_than_is_said(tmp_path: Path) -> None:
    root = Made().write(tmp_path / "set")
    path = root / "data" / "chunk-000" / "file-000.parquet"
    table = pq.read_table(path)
    numbers = np.asarray(table.column("episode_index"))
    pq.write_table(table.filter(pa.array(numbers == 1)), path.with_name("file-001.parquet"))
    pq.write_table(table.filter(pa.array(numbers != 1)), path)
    found = brought(root)
    for number, recording in enumerate(found.session.recordings()):
        assert_shows(read_episode(recording), number)
    assert sum("names wrong files" in note for note in found.notes) == 1


# -- the dataset as a whole -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("video", [True, False])
@pytest.mark.parametrize("version", ["v2.0", "v2.1"])
def test_version_2_reads_as_version_3_does(tmp_path: Path, version: str, video: bool) -> None:
    new = [in_memory(one.load()) for one in lerobot_read.read(Made(video=video).write(tmp_path / "new"))]
    old = [
        in_memory(one.load()) for one in lerobot_read.read(Made(video=video, version=version).write(tmp_path / "old"))
    ]
    for number, (one, other) in enumerate(zip(new, old, strict=True)):
        assert_shows(other, number)
        np.testing.assert_array_equal(one.sent, other.sent)
        assert [moment.time for moment in one.observations] == [moment.time for moment in other.observations]
        assert other.goal.name == "stack"


def _unlike(root: Path, pattern: str, text: str) -> Path:
    for path in root.rglob(pattern):
        path.write_text(text)
    return root


LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 9\n"


@pytest.mark.parametrize(
    ("prepared", "message"),
    [
        (lambda root: Made(version="v1.6").write(root), "LeRobot v1.6, this a2g reads v3.0, v2.1 and v2.0"),
        (lambda root: Made(version="v4.0").write(root), "LeRobot v4.0, this a2g reads"),
        (lambda root: _unlike(Made().write(root), "*.parquet", LFS), "git lfs pull"),
        (lambda root: _unlike(Made().write(root), "*.mp4", LFS), "git lfs pull"),
        (lambda root: _unlike(Made(version="v2.1").write(root), "*.jsonl", LFS), "git lfs pull"),
        (lambda root: Made(action="act").write(root), "no actions: a column action or actions is needed, it has act, "),
        (lambda root: Made(cameras=()).write(root), "no colour camera"),
        (lambda root: _unlike(Made().write(root), "file-000.parquet", "PAR1"), "cannot be read as a LeRobot dataset"),
    ],
)
def test_a_dataset_that_cannot_be_read_is_not_called_damaged(
    tmp_path: Path, prepared: Callable[[Path], Path], message: str
) -> None:
    root = prepared(tmp_path / "set")
    for skip_bad in (False, True):  # it is no single episode's fault
        with pytest.raises(RecordingError, match=message) as refused:
            bring_in(Workspace(tmp_path), root, detect(root), "theirs", ImportOptions(skip_bad=skip_bad))
        assert "Restore" not in str(refused.value)
        assert "--skip-bad" not in str(refused.value)


def test_a_version_2_without_its_list_names_the_command_that_converts(tmp_path: Path) -> None:
    root = Made(version="v2.1").write(tmp_path / "set")
    (root / "meta" / "episodes.jsonl").unlink()
    with pytest.raises(A2GError, match=r"python -m lerobot\.datasets\.v30\.convert_dataset_v21_to_v30"):
        brought(root)


def test_images_in_parquet_are_passed_once_whatever_the_number_of_episodes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes: list[int] = []
    opened = lerobot_tables.opened

    class Counted:
        def __init__(self, path: Path) -> None:
            self._file = opened(path)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._file, name)

        def __enter__(self) -> Any:
            return self._file.__enter__()

        def __exit__(self, *error: object) -> None:
            self._file.__exit__(*error)

        def iter_batches(self, *args: Any, **more: Any) -> Any:
            passes.append(1)
            return self._file.iter_batches(*args, **more)

    monkeypatch.setattr(lerobot_tables, "opened", Counted)
    counted = []
    for count in (2, 9):
        passes.clear()
        root = Made(lengths=(20,) * count, video=False).write(tmp_path / f"{count}")
        bring_in(Workspace(tmp_path), root, detect(root), f"of-{count}", ImportOptions())
        counted.append(len(passes))
    assert counted[0] == counted[1]


@pytest.mark.parametrize(
    ("flip", "brightest"), [("rows", (0, -1)), ("columns", (-1, 0)), ("turn", (0, 0)), (None, (-1, -1))]
)
def test_frames_are_turned_as_is_said(tmp_path: Path, flip: Any, brightest: tuple[int, int]) -> None:
    (made, *_) = episodes(Made(video=False).write(tmp_path / "set"), flip=flip)
    for image in (made.observations[2].images["front"], made.goal.images["front"]):
        assert image[brightest].max() == image.max()
        assert image[tuple(-1 - index for index in brightest)].max() == image.min()
