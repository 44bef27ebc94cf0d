"""LeRobot datasets as people publish them: what cannot be used is left out and named, the rest is read as it is."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from exchange_examples import in_memory
from lerobot_sets import FPS, FRONT, H, Made, W, assert_shows, brought, episodes, png, shade

from a2g_cli.core.errors import A2GError, RecordingError
from a2g_cli.core.workspace import Workspace
from a2g_cli.data.formats import lerobot_read, lerobot_tables
from a2g_cli.data.formats.importing import BadEpisodeError, ImportOptions, bring_in
from a2g_cli.data.formats.reading import ReadOptions
from a2g_cli.data.formats.registry import detect
from a2g_cli.data.recording.reader import read_episode

NAN = float("nan")


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
