"""Reads a LeRobot dataset v3 from anywhere: nothing in it is believed before it is checked.

The names of files are LeRobot's default ones. ``info.json`` could ask for others, by a pattern that would be filled in;
what comes from elsewhere does not choose paths here.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from a2g_cli.episode import Image, Outcome, Provenance
from a2g_cli.exchange import pictures
from a2g_cli.exchange.incoming import (
    MAX_ELEMENTS,
    Frames,
    Incoming,
    OwnWords,
    last_frame_as_goal,
    spec_for,
)
from a2g_cli.exchange.lerobot import DATA, OWN, SIDE, VERSION, VIDEO, arrow
from a2g_cli.exchange.lerobot_columns import Camera, cameras, flat, matrix, names, whole
from a2g_cli.exchange.reading import DEFAULTS, ReadOptions, SourceEpisode, SourceEpisodes
from a2g_cli.exchange.videos import read_mp4
from a2g_cli.recording import schema, storage
from a2g_cli.workspace import read_text

TIME, CAPTURED = f"{OWN}time", f"{OWN}captured_at."
_MAX_FILE = 8 * 2**30
_MAX_PICTURE = 64 * 2**20


_Rows = dict[str, NDArray[Any]]
"""Column -> (T, …): the numbers of one episode."""


def recognises(source: Path) -> bool:
    """Whether ``source`` looks like a LeRobot dataset."""
    return (source / "meta" / "info.json").is_file()


def read(source: Path, options: ReadOptions = DEFAULTS) -> SourceEpisodes:
    """Yield the episodes of the dataset in the folder ``source``. ``options.rate`` [Hz] overrides the dataset's ``fps``.

    Raises:
        RecordingError: it is damaged, of another version, or describes what no recording can hold.
        A2GError: pyarrow is missing.
    """
    arrow()
    with storage.reading(source, "LeRobot dataset"):
        dataset = _Dataset(source, options.rate)
        for entry in dataset.entries():
            yield SourceEpisode(f"episode {entry.get('episode_index')}", partial(dataset.episode, entry))


def _timing(rows: _Rows) -> NDArray[np.float64] | None:
    """Return (T, 3) when actions went out; None in a dataset of an a2g that did not keep it."""
    columns = [rows[key] for name in schema.TIMING if (key := f"{OWN}{name}") in rows]
    return np.stack(columns, axis=1) if len(columns) == len(schema.TIMING) else None


class _Dataset:
    """One dataset's description, and the Parquet file that was read last. Raises OSError, KeyError, TypeError, ValueError."""

    def __init__(self, root: Path, rate: float | None) -> None:
        self.root = root
        self._pa, self._pq = arrow()
        information = self._json("meta/info.json")
        if information["codebase_version"] != VERSION:
            raise ValueError(
                f"it is LeRobot {str(information['codebase_version'])[:20]}, this a2g reads {VERSION}: LeRobot's own "
                "converter brings it there"
            )
        features = information["features"]
        if not isinstance(features, dict) or len(features) > schema.MAX_NAMES:
            raise TypeError("features that are not an object")
        if information.get("data_path") != DATA or information.get("video_path") not in {VIDEO, None}:
            raise ValueError("its files do not have LeRobot's default names")
        self.cameras = cameras(features)
        self.actions = names(features["action"], "action")
        state = features.get("observation.state")
        self.joints = () if state is None else names(state, "state")
        self._fps = float(information["fps"])  # the films', whatever the control rate is said to be
        if not (np.isfinite(self._fps) and self._fps > 0):
            raise ValueError(f"{self._fps} frames a second")
        self.robot = str(information.get("robot_type") or "unknown")
        sizes = {camera.name: camera.size for camera in self.cameras}
        if len(sizes) != len(self.cameras):
            raise ValueError("two cameras of one name")
        self.spec = spec_for(f"lerobot:{self.robot}", self.actions, self.joints, sizes, rate or self._fps)
        self._read: tuple[Path, Any] | None = None

    def entries(self) -> Iterator[dict[str, Any]]:
        """Yield what the dataset says of every episode."""
        for path in sorted((self.root / "meta" / "episodes").glob("chunk-*/file-*.parquet")):
            table = self._table(path, lambda name: not name.startswith("stats/"))
            yield from table.to_pylist()

    def episode(self, entry: dict[str, Any]) -> Incoming:
        """Return the episode of an entry, all of it where a2g wrote it."""
        number = whole(entry["episode_index"])
        data = self._inside(DATA, entry, "data")
        rows = self._rows(data, number)
        steps = len(rows["action"])
        if not steps:
            raise ValueError(f"episode {number} has no row")

        def moments() -> Iterator[Frames]:
            films = {camera.name: self._film(camera, entry, data, number, steps) for camera in self.cameras}
            for _ in range(steps):
                yield {name: next(film) for name, film in films.items()}
            for film in films.values():
                next(film, None)  # a film that is too short says so at its end

        side = self._side(number, float(rows[TIME][0])) if TIME in rows else None
        if side is not None:
            return self._own(rows, moments, side)
        goal = {camera.name: self._last(camera, entry, data, number, steps) for camera in self.cameras}
        return self._foreign(entry, number, rows, moments, goal)

    def _own(self, rows: _Rows, moments: Callable[[], Iterator[Frames]], side: "_Side") -> Incoming:
        final = side.final

        def with_last() -> Iterator[Frames]:
            yield from moments()
            yield side.images

        ending = np.array(final["proprioception"], np.float32).reshape(1, -1)
        return Incoming(
            side.words.spec,
            side.words.goal,
            side.words.provenance,
            side.words.outcome,
            rows["action"],
            rows[f"{OWN}action_requested"],
            np.concatenate([self._joints(rows), ending]),
            np.append(rows[TIME], float(final["time"])),
            {
                camera.name: np.append(rows[f"{CAPTURED}{camera.name}"], float(final["captured_at"][camera.name]))
                for camera in self.cameras
            },
            with_last,
            side.words.created_at,
            _timing(rows),
        )

    def _foreign(
        self,
        entry: dict[str, Any],
        number: int,
        rows: _Rows,
        moments: Callable[[], Iterator[Frames]],
        goal: Frames,
    ) -> Incoming:
        times = rows.get(TIME, rows["timestamp"])
        reached = bool(rows["next.success"][-1]) if "next.success" in rows else None
        task = str((entry.get("tasks") or ["imported"])[0])[:80]
        return Incoming(
            self.spec,
            last_frame_as_goal(goal, f"lerobot:{self.root.name}#{number}", task),
            Provenance(self.spec.name, "imported", settings={"imported": {"format": "lerobot", "episode": number}}),
            Outcome(reached, "none" if reached is None else "person", "imported"),
            rows["action"][:-1],
            rows.get(f"{OWN}action_requested", rows["action"])[:-1],
            self._joints(rows),
            times,
            {camera.name: rows.get(f"{CAPTURED}{camera.name}", times) for camera in self.cameras},
            moments,
            notes=(
                "times are LeRobot's timestamps; when a frame was captured is not known, its row's time stands for it",
                "the last action of an episode leads nowhere that was kept, and is left out",
            ),
        )

    def _joints(self, rows: _Rows) -> NDArray[np.float32]:
        return rows["observation.state"] if self.joints else np.zeros((len(rows["action"]), 0), np.float32)

    # -- files --------------------------------------------------------------------------------------------------------

    def _json(self, name: str) -> dict[str, Any]:
        path = self.root / name
        if path.stat().st_size > schema.MAX_JSON:
            raise ValueError(f"{name} is too large")
        return schema.from_json(read_text(path))

    def _inside(self, pattern: str, entry: dict[str, Any], prefix: str, **more: str) -> Path:
        chunk, file = whole(entry[f"{prefix}/chunk_index"]), whole(entry[f"{prefix}/file_index"])
        return self.root / pattern.format(chunk_index=chunk, file_index=file, **more)

    def _table(self, path: Path, wanted: Any) -> Any:
        """Return the columns of a Parquet file whose names are ``wanted``, bounded before they are unpacked."""
        if path.stat().st_size > _MAX_FILE:
            raise ValueError(f"{path.name} is too large")
        with self._opened(path) as file:
            names = [name for name in file.schema_arrow.names if wanted(name)]
            if file.metadata.num_rows * max(1, len(names)) > MAX_ELEMENTS // 64:
                raise ValueError(f"{path.name} has {file.metadata.num_rows} rows")
            return file.read(columns=names, use_threads=False)

    def _opened(self, path: Path) -> Any:
        file = self._pq.ParquetFile(path, memory_map=False, pre_buffer=False)
        meta = file.metadata
        claimed = sum(meta.row_group(index).total_byte_size for index in range(meta.num_row_groups))
        # What Parquet packs best is a column of one value; LeRobot's columns of counters reach some hundreds.
        if claimed > 2**20 + 10_000 * path.stat().st_size or meta.num_rows > schema.MAX_STEPS * 100:
            raise ValueError(f"{path.name} claims {claimed} bytes in {meta.num_rows} rows")
        return file

    def _rows(self, path: Path, number: int) -> _Rows:
        """Return the numbers of one episode, column -> (T, …)."""
        if self._read is None or self._read[0] != path:
            pictured = {camera.key for camera in self.cameras}
            self._read = (path, self._table(path, lambda name: name not in pictured))
        table = self._read[1]
        mine = np.flatnonzero(flat(table, "episode_index") == number)
        widths = {"action": len(self.actions), f"{OWN}action_requested": len(self.actions)}
        widths["observation.state"] = len(self.joints)
        found = {}
        for name in table.column_names:
            if widths.get(name):
                found[name] = matrix(table, name, widths[name])[mine].astype(np.float32)
            elif name == "timestamp" or name.startswith((OWN, "next.")):
                found[name] = flat(table, name)[mine].astype(np.float64)
        for name in ("action", "timestamp", *(("observation.state",) if self.joints else ())):
            if name not in found:
                raise KeyError(f"the column {name} is missing")
        return found

    def _film(self, camera: Camera, entry: dict[str, Any], data: Path, number: int, steps: int) -> Iterator[Image]:
        if camera.video:
            path = self._inside(VIDEO, entry, f"videos/{camera.key}", video_key=camera.key)
            start = float(entry[f"videos/{camera.key}/from_timestamp"])
            return read_mp4(path, start, steps, camera.size)
        return self._stills(camera, data, number)

    def _last(self, camera: Camera, entry: dict[str, Any], data: Path, number: int, steps: int) -> Image:
        if camera.video:
            path = self._inside(VIDEO, entry, f"videos/{camera.key}", video_key=camera.key)
            start = float(entry[f"videos/{camera.key}/from_timestamp"]) + (steps - 1) / self._fps
            return next(read_mp4(path, start, 1, camera.size))
        image = None
        for image in self._stills(camera, data, number):  # noqa: B007 - the last is wanted
            pass
        if image is None:
            raise ValueError(f"{camera.key} has no picture")
        return image

    def _stills(self, camera: Camera, data: Path, number: int) -> Iterator[Image]:
        """Yield the pictures of one episode that stand in the Parquet file itself."""
        with self._opened(data) as file:
            columns = [camera.key, "episode_index"]
            for batch in file.iter_batches(batch_size=16, columns=columns, use_threads=False):
                numbers = np.asarray(batch.column("episode_index").to_numpy(zero_copy_only=False))
                for index in np.flatnonzero(numbers == number):
                    cell = batch.column(camera.key)[int(index)].as_py()
                    content = cell.get("bytes") if isinstance(cell, dict) else None
                    if not isinstance(content, bytes) or len(content) > _MAX_PICTURE:
                        raise ValueError(f"{camera.key} holds no picture: pictures in files of their own are not read")
                    yield pictures.decode(content, camera.size)

    def _side(self, number: int, begins: float) -> "_Side | None":
        """Return what a2g wrote beside an episode; None where there is nothing, or it is another episode's."""
        stem = f"{SIDE}/episode-{number:06d}"
        if not (self.root / f"{stem}.json").is_file():
            return None
        told = self._json(f"{stem}.json")
        if float(told["begins"]) != begins:
            return None  # LeRobot's own tools renumbered the episodes
        goal, images = (self._pictures(told, stem, kind) for kind in ("goal", "final"))
        words = OwnWords.parse(told, goal)
        if words.spec.cameras != self.spec.cameras or words.spec.action_names != self.spec.action_names:
            raise ValueError(f"{stem}.json describes another robot than info.json")
        if {camera: image.shape[:2] for camera, image in images.items()} != dict(words.spec.cameras):
            raise ValueError(f"the final pictures in {SIDE} are not the robot's")
        return _Side(words, told["final"], images)

    def _pictures(self, told: dict[str, Any], stem: str, kind: str) -> dict[str, Image]:
        cameras = [name.partition("/")[2] for name in told["pictures"] if name.startswith(f"{kind}/")]
        schema.check_keys("camera", cameras)
        # The names of the files are counted, not read: what comes from elsewhere does not choose paths.
        return {c: pictures.open_png(self.root / f"{stem}-{kind}-{index}.png") for index, c in enumerate(cameras)}


@dataclass(frozen=True)
class _Side:
    words: OwnWords
    final: dict[str, Any]
    images: Frames
