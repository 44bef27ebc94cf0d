"""Writes a LeRobot dataset v3: Parquet for numbers, MP4 for images. ``lerobot_read.py`` reads it.

LeRobot has T rows for T actions, and times on a grid of ``fps``. What it has no place for is in columns ``a2g.…`` (true
times, requested actions) and in ``meta/a2g/`` (goal, final observation, provenance); its own code ignores both.
"""

import json
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import PIL.Image

from a2g_cli.core.errors import A2GError
from a2g_cli.data.formats.lerobot_stats import Statistics, for_json
from a2g_cli.data.formats.outgoing import building_folder, frames, one_robot, timing, words
from a2g_cli.data.formats.videos import write_mp4
from a2g_cli.data.recording import schema, storage
from a2g_cli.data.recording.reader import Recording
from a2g_cli.robots.base import RobotSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

VERSION = "v3.0"
OWN = "a2g."
"""Prefix of the columns that LeRobot does not know."""
SIDE = "meta/a2g"
"""Folder for what no column can hold, one JSON file per episode."""
CHUNK = 1000
"""Files per folder."""
DATA = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
EPISODES = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
_COUNTERS = ("frame_index", "episode_index", "index", "task_index")
_TIMING = {f"{OWN}{name}" for name in schema.TIMING}
"""Columns that have NaN for missing times, which statistics cannot hold."""
_SAMPLE = 16
"""Frames per episode for the statistics of images."""


def arrow() -> tuple[Any, Any]:
    """Return ``pyarrow`` and ``pyarrow.parquet``. Raises A2GError if they are not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise A2GError("LeRobot's format needs pyarrow: pip install 'a2g[lerobot]'") from error
    return pyarrow, pyarrow.parquet


def features(spec: RobotSpec) -> dict[str, dict[str, Any]]:
    """Return LeRobot's description of the columns, without the ``info`` of videos."""

    def column(dtype: str, names: Sequence[str] | None = None, width: int = 1) -> dict[str, Any]:
        return {"dtype": dtype, "shape": [width], "names": None if names is None else list(names)}

    actions, joints = spec.action_names, spec.proprioception_names
    found = {"action": column("float32", actions, len(actions))}
    if joints:
        found["observation.state"] = column("float32", joints, len(joints))
    for camera, (height, width) in spec.cameras.items():
        found[f"observation.images.{camera}"] = {
            "dtype": "video",
            "shape": [height, width, 3],
            "names": ["height", "width", "channels"],
        }
    found |= {"next.reward": column("float32"), "next.done": column("bool")}
    found |= {f"{OWN}action_requested": column("float32", actions, len(actions)), f"{OWN}time": column("float64")}
    found |= {f"{OWN}captured_at.{camera}": column("float64") for camera in spec.cameras}
    found |= {f"{OWN}{name}": column("float64") for name in schema.TIMING}
    return found | {"timestamp": column("float32"), **{name: column("int64") for name in _COUNTERS}}


def write(paths: Sequence[Path], target: Path, lossless: bool = False) -> list[str]:
    """Write the recordings ``paths`` as one dataset in the folder ``target``; return notes for the user.

    Raises:
        A2GError: pyarrow is missing, the target exists, recordings differ or cannot be read, the disk refuses.
    """
    pa, pq = arrow()
    spec = one_robot(paths)
    described = features(spec)
    tasks: dict[str, int] = {}
    episodes: list[dict[str, Any]] = []
    whole = Statistics()
    with building_folder(target) as root, storage.writing(target):
        data = root / DATA.format(chunk_index=0, file_index=0)
        data.parent.mkdir(parents=True)
        rows = 0
        with _writer(pq, data) as table:
            for number, path in enumerate(paths):
                with Recording(path) as recording:
                    task = tasks.setdefault(recording.goal.name, len(tasks))
                    columns = _columns(recording, spec, number, rows, task)
                    table(pa.table({name: _column(pa, value) for name, value in columns.items()}))
                    statistics = Statistics()
                    for name, value in columns.items():
                        statistics.add(name, value if name not in _TIMING else np.nan_to_num(value))
                    entry = _entry(recording, number, rows)
                    for camera in spec.cameras:
                        entry |= _video(recording, camera, number, root, described, lossless, statistics)
                    _side(recording, root / SIDE, number)
                    episodes.append(entry | statistics.flat())
                    whole.merge(statistics)
                    rows += recording.length
        file = root / EPISODES.format(chunk_index=0, file_index=0)
        file.parent.mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(episodes), file)
        pq.write_table(_tasks(pa, list(tasks)), root / "meta" / "tasks.parquet")
        (root / "meta" / "stats.json").write_text(json.dumps(for_json(whole.nested()), indent=4), encoding="utf-8")
        information = _information(spec, described, len(paths), rows, len(tasks))
        (root / "meta" / "info.json").write_text(json.dumps(information, indent=4), encoding="utf-8")
    return (
        []
        if float(spec.rate).is_integer()
        else [f"LeRobot's own tools expect a whole number of frames, not {spec.rate} Hz."]
    )


@contextmanager
def _writer(pq: Any, path: Path) -> "Iterator[Any]":
    opened: list[Any] = []

    def write(table: Any) -> None:
        if not opened:
            opened.append(pq.ParquetWriter(path, table.schema))
        opened[0].write_table(table)

    try:
        yield write
    finally:
        for writer in opened:
            writer.close()


def _columns(recording: Recording, spec: RobotSpec, number: int, rows: int, task: int) -> dict[str, Any]:
    """Return the T rows of an episode; ``_side`` writes the last observation, which no action follows."""
    steps = recording.length
    last = np.arange(steps) == steps - 1
    taken = timing(recording)
    if taken is None:
        taken = np.full((steps, len(schema.TIMING)), np.nan)
    columns: dict[str, Any] = {"action": recording.actions}
    if spec.proprioception_names:
        columns["observation.state"] = recording.proprioception[:-1]
    columns |= {
        "next.reward": (last & bool(recording.outcome.success)).astype(np.float32),
        "next.done": last,
        f"{OWN}action_requested": recording.requested,
        f"{OWN}time": recording.times[:-1],
        **{f"{OWN}captured_at.{camera}": recording.captured_at(camera)[:-1] for camera in spec.cameras},
        **{f"{OWN}{name}": column for name, column in zip(schema.TIMING, taken.T, strict=True)},
        "timestamp": (np.arange(steps) / spec.rate).astype(np.float32),
        "frame_index": np.arange(steps),
        "episode_index": np.full(steps, number),
        "index": np.arange(rows, rows + steps),
        "task_index": np.full(steps, task),
    }
    return columns


def _column(pa: Any, value: Any) -> Any:
    if value.ndim == 1 or value.shape[1] == 1:
        return pa.array(value.reshape(-1))
    return pa.FixedSizeListArray.from_arrays(pa.array(value.reshape(-1)), value.shape[1])


def _entry(recording: Recording, number: int, rows: int) -> dict[str, Any]:
    return {
        "episode_index": number,
        "tasks": [recording.goal.name],
        "length": recording.length,
        "data/chunk_index": 0,
        "data/file_index": 0,
        "dataset_from_index": rows,
        "dataset_to_index": rows + recording.length,
        "meta/episodes/chunk_index": 0,
        "meta/episodes/file_index": 0,
    }


def _video(
    recording: Recording,
    camera: str,
    number: int,
    root: Path,
    described: dict[str, dict[str, Any]],
    lossless: bool,
    statistics: Statistics,
) -> dict[str, Any]:
    """Write one camera's video of an episode and return its part of the episode's entry."""
    key = f"observation.images.{camera}"
    chunk, file = divmod(number, CHUNK)
    path = root / VIDEO.format(video_key=key, chunk_index=chunk, file_index=file)
    path.parent.mkdir(parents=True, exist_ok=True)
    rate = recording.spec.rate
    described[key]["info"] = write_mp4(path, frames(recording, camera, recording.length), rate, lossless)
    some = np.unique(np.linspace(0, recording.length - 1, _SAMPLE).astype(int))
    statistics.add_images(key, np.stack([recording.frame(camera, int(index)) for index in some]))
    return {
        f"videos/{key}/chunk_index": chunk,
        f"videos/{key}/file_index": file,
        f"videos/{key}/from_timestamp": 0.0,
        f"videos/{key}/to_timestamp": recording.length / rate,
    }


def _side(recording: Recording, folder: Path, number: int) -> None:
    """Write the goal, the final observation and the recording's attributes, as JSON and PNG."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"episode-{number:06d}"
    final = {
        "time": float(recording.times[-1]),
        "proprioception": list(map(float, recording.proprioception[-1])),
        "captured_at": {camera: float(recording.captured_at(camera)[-1]) for camera in recording.cameras},
    }
    names: dict[str, str] = {}
    for kind, images in (
        ("goal", dict(recording.goal.images)),
        ("final", {camera: recording.frame(camera, -1) for camera in recording.cameras}),
    ):
        for index, (camera, image) in enumerate(images.items()):
            names[f"{kind}/{camera}"] = name = f"{stem}-{kind}-{index}.png"
            PIL.Image.fromarray(image).save(folder / name)
    document = {"begins": float(recording.times[0]), "final": final, "pictures": names, **words(recording)}
    (folder / f"{stem}.json").write_text(json.dumps(document, indent=2), encoding="utf-8")


def _tasks(pa: Any, names: list[str]) -> Any:
    """Return a table that pandas reads as ``task -> task_index``, as LeRobot expects it."""
    index = "__index_level_0__"
    table = pa.table({"task_index": pa.array(range(len(names)), pa.int64()), index: pa.array(names, pa.string())})

    def column(name: str | None, field: str, kind: str, numpy: str) -> dict[str, Any]:
        return {"name": name, "field_name": field, "pandas_type": kind, "numpy_type": numpy, "metadata": None}

    pandas = {
        "index_columns": [index],
        "column_indexes": [],
        "columns": [column("task_index", "task_index", "int64", "int64"), column(None, index, "unicode", "object")],
        "pandas_version": "2.2.0",
    }
    return table.replace_schema_metadata({b"pandas": json.dumps(pandas).encode()})


def _information(
    spec: RobotSpec, described: dict[str, dict[str, Any]], episodes: int, rows: int, tasks: int
) -> dict[str, Any]:
    return {
        "codebase_version": VERSION,
        "robot_type": spec.name,
        "total_episodes": episodes,
        "total_frames": rows,
        "total_tasks": tasks,
        "chunks_size": CHUNK,
        "data_files_size_in_mb": 100,
        "video_files_size_in_mb": 200,
        "fps": int(spec.rate) if float(spec.rate).is_integer() else float(spec.rate),
        "splits": {"train": f"0:{episodes}"},
        "data_path": DATA,
        "video_path": VIDEO,
        "features": described,
    }
