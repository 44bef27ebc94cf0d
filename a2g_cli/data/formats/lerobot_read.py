"""Reads a LeRobot dataset, v3 or v2. It may come from anywhere: everything in it is checked."""

import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from a2g_cli.core.types import Image, Outcome, Provenance
from a2g_cli.data.formats import image_files, lerobot_columns
from a2g_cli.data.formats.choosing import left_out_notes
from a2g_cli.data.formats.incoming import (
    Depths,
    Frames,
    Incoming,
    last_frame_as_goal,
    reading_source,
    spec_for,
)
from a2g_cli.data.formats.lerobot import OWN, arrow
from a2g_cli.data.formats.lerobot_columns import SUCCESS, CameraColumn, Look, flat, matrix, whole
from a2g_cli.data.formats.lerobot_layout import EpisodeInfo, layout
from a2g_cli.data.formats.lerobot_side import Side, read_json, read_side
from a2g_cli.data.formats.lerobot_tables import ImageReader, RowFinder, Rows
from a2g_cli.data.formats.reading import DEFAULTS, ReadOptions, SourceEpisode, SourceEpisodes
from a2g_cli.data.formats.videos import Stretch, read_mp4, video_size
from a2g_cli.data.recording import schema, storage

TIME, CAPTURED, REQUESTED = f"{OWN}time", f"{OWN}captured_at.", f"{OWN}action_requested"

_Numbers = dict[str, NDArray[Any]]
"""Column -> (T, …): the numbers of one episode."""


def recognises(source: Path) -> bool:
    """Whether ``source`` looks like a LeRobot dataset."""
    return (source / "meta" / "info.json").is_file()


def read(source: Path, options: ReadOptions = DEFAULTS) -> SourceEpisodes:
    """Yield the episodes of the dataset in the folder ``source``.

    ``options.rate`` [Hz] replaces the dataset's ``fps`` and its timestamps.

    Raises:
        UsageError: ``options`` name a camera or column that does not exist.
        RecordingError: it is damaged, of another version, or describes what no recording can hold.
        A2GError: pyarrow is missing.
    """
    arrow()
    with reading_source(source, "LeRobot dataset"):
        dataset = _Dataset(source, options)
        for info in dataset.layout.episodes():
            yield SourceEpisode(f"episode {info.get('episode_index')}", partial(dataset.episode, info))


def _timing(rows: _Numbers) -> NDArray[np.float64] | None:
    """Return (T, 3) the timing of actions; None if the dataset does not have it."""
    columns = [rows[key] for name in schema.TIMING if (key := f"{OWN}{name}") in rows]
    return np.stack(columns, axis=1) if len(columns) == len(schema.TIMING) else None


class _Dataset:
    """One dataset: its description and its open files. Raises OSError, KeyError, TypeError, ValueError."""

    def __init__(self, root: Path, options: ReadOptions) -> None:
        self.root, self._options = root, options
        information = read_json(root / "meta" / "info.json")
        features = information["features"]
        if (
            not isinstance(features, dict)
            or len(features) > schema.MAX_NAMES
            or not all(isinstance(feature, dict) for feature in features.values())
        ):
            raise TypeError("features that are not an object")
        self.layout = layout(root, information)
        self._fps = float(information["fps"])  # the rate of the videos, even if options give another control rate
        if not (np.isfinite(self._fps) and self._fps > 0):
            raise ValueError(f"{self._fps} frames a second")
        self._features = set(features)
        self.columns = columns = lerobot_columns.sort(features, options, partial(self._look, features))
        self.spec = replace(
            spec_for(
                f"lerobot:{information.get('robot_type') or 'unknown'}",
                columns.action_names,
                tuple(name for found in columns.proprioception.values() for name in found),
                {camera.name: camera.size for camera in columns.cameras},
                options.rate or self._fps,
            ),
            depth=tuple(depth.name for depth in columns.depth),
        )
        self._finder = RowFinder(columns.reads)
        packed = [camera.key for camera in (*columns.cameras, *columns.depth) if not camera.video]
        # Two readers, because goals are read ahead of the images: each reads a file once, not once per episode.
        self._ahead, self._behind = ImageReader(packed), ImageReader(packed)

    def _look(self, features: dict[str, Any], key: str) -> Look | None:
        """Return the size and kind of the first image in ``key``. None if it cannot be read: its episode reports why."""
        try:
            info = self._first
            if features[key]["dtype"] == "video":
                return Look(video_size(self.layout.video(info, key)[0]))
            cell = next(ImageReader([key]).cells(self.layout.data(info), np.zeros(1, np.int64)))[key]
            return Look(image_files.size_of(cell), image_files.is_deep(cell))
        except storage.UNREADABLE:
            return None

    @cached_property
    def _first(self) -> EpisodeInfo:
        return next(self.layout.episodes(), {})

    def episode(self, info: EpisodeInfo) -> Incoming:
        """Return the episode that ``info`` describes; without any loss if a2g wrote it."""
        number = whole(info["episode_index"])
        rows, notes = self._rows(info, number)
        numbers, more = self._numbers(rows)
        steps = len(rows.places)
        videos = {camera.name: self._video(camera, info, steps) for camera in self.columns.cameras if camera.video}

        def moments() -> Iterator[Frames]:
            running = {name: read_mp4(video) for name, video in videos.items()}
            for packed in self._packed(self._behind, rows):
                yield {name: next(video) for name, video in running.items()} | self._stills(packed)
            for video in running.values():
                next(video, None)  # raises for a video that is too short

        side = None
        if TIME in numbers and not self._options.columns:
            side = read_side(self.root, number, float(numbers[TIME][0]), self.spec, choice=bool(self._options.cameras))
        if side is not None:
            return self._own(numbers, moments, side)
        last = replace(rows, places=rows.places[-1:])
        goal = {name: next(read_mp4(video, steps - 1)) for name, video in videos.items()}
        goal |= self._stills(next(self._packed(self._ahead, last)))

        def depths() -> Iterator[Depths]:
            for packed in self._behind.cells(rows.path, rows.places):
                yield {one.name: image_files.decode_depth(packed[one.key], one.size) for one in self.columns.depth}

        found = self._foreign(info, number, numbers, moments, goal, (*notes, *more))
        return replace(found, depth=depths) if self.columns.depth else found

    def _packed(self, reader: ImageReader, rows: Rows) -> Iterator[dict[str, bytes]]:
        """Yield the packed images of each of ``rows``; empty if all cameras are videos."""
        if all(camera.video for camera in self.columns.cameras):
            yield from ({} for _ in rows.places)
        else:
            yield from reader.cells(rows.path, rows.places)

    def _stills(self, packed: dict[str, bytes]) -> dict[str, Image]:
        return {
            camera.name: image_files.decode(packed[camera.key], camera.size)
            for camera in self.columns.cameras
            if not camera.video
        }

    def _video(self, camera: CameraColumn, info: EpisodeInfo, steps: int) -> Stretch:
        path, begins, ends = self.layout.video(info, camera.key)
        return Stretch(path, begins, ends, steps, self._fps, camera.size)

    def _own(self, rows: _Numbers, moments: Callable[[], Iterator[Frames]], side: Side) -> Incoming:
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
            rows[self.columns.action],
            rows[REQUESTED],
            np.concatenate([self._joints(rows), ending]),
            np.append(rows[TIME], float(final["time"])),
            {
                camera.name: np.append(rows[f"{CAPTURED}{camera.name}"], float(final["captured_at"][camera.name]))
                for camera in self.columns.cameras
            },
            with_last,
            side.words.created_at,
            _timing(rows),
        )

    def _foreign(
        self,
        info: EpisodeInfo,
        number: int,
        rows: _Numbers,
        moments: Callable[[], Iterator[Frames]],
        goal: Frames,
        notes: Sequence[str],
    ) -> Incoming:
        if self._options.rate is None:
            times = rows.get(TIME, rows["timestamp"])
            clock = "times are LeRobot's timestamps"
        else:
            times = np.arange(len(rows["timestamp"])) / self.spec.rate
            clock = f"times are counted at {self.spec.rate:g} Hz, as --rate says"
        captured = {} if self._options.rate is not None else rows
        reached = bool(rows[SUCCESS][-1]) if SUCCESS in rows else None
        task = str((info.get("tasks") or ["imported"])[0])[:80]
        actions = rows[self.columns.action]
        measured = (
            f"depth of {depth.name} is stored unchanged ({depth.key}): LeRobot does not say its unit, which is mostly mm"
            for depth in self.columns.depth
        )
        grey = (
            f"{camera.key} is grey: its channel is used three times" for camera in self.columns.cameras if camera.grey
        )
        return Incoming(
            self.spec,
            last_frame_as_goal(goal, f"lerobot:{self.root.name}#{number}", task),
            Provenance(self.spec.name, "imported", settings={"imported": {"format": "lerobot", "episode": number}}),
            Outcome(reached, "none" if reached is None else "environment", "imported"),
            actions[:-1],
            rows.get(REQUESTED, actions)[:-1],
            self._joints(rows),
            times,
            {camera.name: captured.get(f"{CAPTURED}{camera.name}", times) for camera in self.columns.cameras},
            moments,
            notes=(
                f"{clock}; capture times are not known: the time of the row is used",
                "the last action of an episode is left out: the dataset has no observation after it",
                *measured,
                *grey,
                *notes,
            ),
            times_remedy=""
            if self._options.rate
            else f"`a2g recordings import {shlex.quote(str(self.root))} --rate {self._fps:g}` "
            "uses that rate instead of the timestamps",
        )

    def _joints(self, rows: _Numbers) -> NDArray[np.float32]:
        columns = [rows[key] for key in self.columns.proprioception]
        return np.concatenate([*columns, np.zeros((len(rows["timestamp"]), 0), np.float32)], axis=1)

    # -- files --------------------------------------------------------------------------------------------------------

    def _rows(self, info: EpisodeInfo, number: int) -> tuple[Rows, Sequence[str]]:
        """Return the rows of an episode, and notes about the file that has them."""
        path, notes = self.layout.data(info), []
        announced = info.get("length")
        rows = self._finder.rows(path, number) if path.is_file() else None
        if (rows is None or not len(rows.places)) and announced != 0:
            there = self.layout.elsewhere(number)
            if there is None and rows is None:
                raise FileNotFoundError(f"{path.relative_to(self.root)} is missing")
            if there is not None:
                rows = self._finder.rows(there, number)
                notes.append("meta/episodes names wrong files for some episodes: their rows were found in others")
        if rows is None or not len(rows.places):
            raise ValueError("it has no row")
        steps = len(rows.places)
        if isinstance(announced, int) and announced != steps:
            raise ValueError(f"it has {steps} rows, its description announces {announced}")
        if steps < 2:
            raise ValueError("it has one row: two are needed, for an action and the observation after it")
        return rows, notes

    def _numbers(self, rows: Rows) -> tuple[_Numbers, Sequence[str]]:
        """Return the numbers of one episode, column -> (T, …), and notes about columns that are left out."""
        columns, left_out, found = self.columns, dict(self.columns.left_out), {}
        widths = {columns.action: len(columns.action_names), REQUESTED: len(columns.action_names)}
        widths |= {key: len(names) for key, names in columns.proprioception.items()}
        for name in rows.table.column_names:
            if name in widths:
                found[name] = matrix(rows.table, name, widths[name]).astype(np.float32)
            elif name == SUCCESS:
                try:
                    found[name] = flat(rows.table, name)
                except ValueError:
                    left_out[name] = "it is not one number per row: the success is not known"
            elif columns.reads(name):
                found[name] = flat(rows.table, name).astype(np.float64)
        for name in (columns.action, "timestamp", *columns.proprioception):
            if name not in found:
                raise KeyError(f"the column {name} is missing")
        strange = [name for name in rows.columns if name not in self._features and not columns.reads(name)]
        left_out |= dict.fromkeys(strange, "meta/info.json does not describe it")
        return found, left_out_notes(left_out)
