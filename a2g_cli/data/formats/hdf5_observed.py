"""The observations of a foreign HDF5 episode: sorts datasets into cameras, depth and numbers by shape and dtype."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from a2g_cli.core.types import Depth, Vector
from a2g_cli.data.formats import hdf5
from a2g_cli.data.formats.choosing import choose, left_out_notes, listed
from a2g_cli.data.formats.colour_order import set_right
from a2g_cli.data.formats.hdf5_videos import DepthVideo, Video, is_packed, video_of
from a2g_cli.data.formats.hdf5_vlen import VariableRows
from a2g_cli.data.formats.incoming import Frames, numbered
from a2g_cli.data.formats.reading import ReadOptions

_DEPTH = re.compile(r"depth|distance_to_(image_plane|camera)")
_COLOUR = ("_image", "_rgb", "_color", "_colour")
_PLUGIN = "it needs a plugin of HDF5"


@dataclass(frozen=True)
class Observed:
    """The cameras, depths and numbers of an episode that are read."""

    videos: Mapping[str, Video]
    """Camera -> its images."""
    depths: Mapping[str, DepthVideo]
    """Camera -> its depth video."""
    columns: Mapping[str, Vector]
    """Name -> (rows, N)."""
    keys: Mapping[str, str]
    """Camera, column, or ``depth of CAMERA`` -> its path in the file."""
    rows: int
    """Number of moments: as many as actions, or one more."""
    notes: tuple[str, ...]

    @property
    def sizes(self) -> dict[str, tuple[int, int]]:
        """Camera -> (H, W) [px]."""
        return {camera: video.size for camera, video in self.videos.items()}

    @property
    def names(self) -> tuple[str, ...]:
        """The name of each number of proprioception."""
        return tuple(one for name, values in self.columns.items() for one in numbered(name, values.shape[1]))

    def proprioception(self) -> Vector:
        """Return (rows, P)."""
        return np.concatenate([*self.columns.values(), np.zeros((self.rows, 0), np.float32)], axis=1)

    def at(self, index: int) -> Frames:
        """Return image ``index`` of every camera. Raises ValueError if one cannot be unpacked."""
        return {camera: video.at(index) for camera, video in self.videos.items()}

    def frames(self) -> Iterator[Frames]:
        """Yield the images of every moment, with some megabytes in memory at a time. Raises as ``at``."""
        yield from _together({camera: video.first(self.rows) for camera, video in self.videos.items()}, self.rows)

    def measured(self) -> Iterator[Mapping[str, Depth]]:
        """Yield the depth images of every moment. Raises ValueError if one cannot be unpacked."""
        yield from _together({camera: video.first(self.rows) for camera, video in self.depths.items()}, self.rows)


def observe(
    found: Mapping[str, Any],
    steps: int,
    options: ReadOptions,
    by_default: Callable[[str, Any], str],
    *,
    no_depth: str = "",
    aloha_marks: bool = False,
) -> Observed:
    """Return the cameras, depth and columns that are read.

    Args:
        found: path -> dataset, or None for one that needs a plugin.
        steps: actions of the episode.
        options: what the user chose.
        by_default: takes a path and its dataset of numbers; returns why only ``--columns`` reads it, or empty if it is read.
        no_depth: why depth is not read; empty if it is.
        aloha_marks: the file has the marks of ALOHA's recorder for compressed images.

    Raises:
        UsageError: a camera or column was named that does not exist, or cannot be read.
        ValueError: a camera or column has too few or too many rows; no camera can be read.
    """
    videos, deep, columns, left_out = _sorted(found, steps)
    keys = _camera_names(videos)
    wanted = [next((camera for camera, key in keys.items() if key == name), name) for name in options.cameras]
    chosen = choose("--cameras", wanted, {camera: videos[key] for camera, key in keys.items()}, left_out)
    if not chosen:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in list(left_out.items())[:5])
        raise ValueError(f"it has no camera that can be read{f' ({reasons})' if reasons else ''}")
    left_out |= {keys[camera]: "--cameras does not name it" for camera in keys if camera not in chosen}
    depths = _paired(deep, chosen, keys, left_out, no_depth)
    asked = {name: by_default(name, dataset) for name, dataset in columns.items()}
    if options.columns:
        columns = choose("--columns", options.columns, columns, left_out)
        left_out |= {name: "--columns does not name it" for name in asked if name not in columns}
    else:
        left_out |= {name: reason for name, reason in asked.items() if reason}
        columns = {name: dataset for name, dataset in columns.items() if not asked[name]}
    chosen, notes = set_right(chosen, options.colour_order, aloha_marks)
    used = {**{keys[camera]: len(video) for camera, video in chosen.items()}, **{n: len(c) for n, c in columns.items()}}
    used |= {deep_key: len(deep[deep_key]) for deep_key in depths.values()}
    rows = _moments(used, steps)
    return Observed(
        chosen,
        {camera: deep[key] for camera, key in depths.items()},
        {name: hdf5.matrix_of(name, dataset)[:rows] for name, dataset in columns.items()},
        {
            **{camera: keys[camera] for camera in chosen},
            **{f"depth of {camera}": key for camera, key in depths.items()},
        },
        rows,
        (*notes, *_depth_notes({camera: deep[key] for camera, key in depths.items()}), *left_out_notes(left_out)),
    )


def after(seen: Observed, found: Mapping[str, Any]) -> Observed:
    """Return the same cameras, depth and columns of another group. Raises KeyError or ValueError if they differ."""
    videos = {
        camera: replace(video, dataset=_alike(video.dataset, found, seen.keys[camera]))
        for camera, video in seen.videos.items()
    }
    depths = {
        camera: replace(video, dataset=_alike(video.dataset, found, seen.keys[f"depth of {camera}"]))
        for camera, video in seen.depths.items()
    }
    columns = {name: hdf5.matrix_of(name, _there(found, name)) for name in seen.columns}
    for name, values in columns.items():
        if values.shape != seen.columns[name].shape:
            raise ValueError(
                f"{name} has shape {seen.columns[name].shape} before the actions and {values.shape} after them"
            )
    return replace(seen, videos=videos, depths=depths, columns=columns)


def _alike(before: Any, found: Mapping[str, Any], key: str) -> Any:
    other = _there(found, key)
    packed = len(before.shape) < 3
    same = before.dtype.kind == other.dtype.kind if packed else before.dtype == other.dtype
    shapes = before.shape[0:1], other.shape[0:1]
    if not same or shapes[0] != shapes[1] or (not packed and before.shape != other.shape):
        raise ValueError(
            f"{key} is {before.dtype} {before.shape} before the actions and {other.dtype} {other.shape} after them"
        )
    return VariableRows(other) if isinstance(before, VariableRows) else other


def _there(found: Mapping[str, Any], key: str) -> Any:
    if (dataset := found.get(key)) is None:
        raise KeyError(f"{key} is missing after the actions")
    return dataset


def _sorted(
    found: Mapping[str, Any], steps: int
) -> tuple[dict[str, Video], dict[str, DepthVideo], dict[str, Any], dict[str, str]]:
    """Return colour videos, depth videos, datasets of numbers, and why the rest is left out, each by its path."""
    videos: dict[str, Video] = {}
    depths: dict[str, DepthVideo] = {}
    columns: dict[str, Any] = {}
    left_out: dict[str, str] = {}
    for path, dataset in found.items():
        if dataset is None:
            left_out[path] = _PLUGIN
        elif dataset.dtype.kind in "iufb" and len(dataset.shape) in {1, 2} and not is_packed(dataset):
            # One row too few or too many is a damaged episode; any other number means something else than steps.
            if abs(len(dataset) - steps) > 1:
                left_out[path] = "not a row per step"
            else:
                columns[path] = dataset
        elif isinstance(video := video_of(dataset, bool(_DEPTH.search(path.lower()))), str):
            left_out[path] = video
        elif isinstance(video, Video):
            videos[path] = video
        else:
            depths[path] = video
    return videos, depths, columns, left_out


def _camera_names(videos: Mapping[str, Video]) -> dict[str, str]:
    """Return camera -> path: ``agentview_image`` or ``agentview_rgb`` is camera ``agentview``, unless both exist."""
    plain = {path: path.replace("/", "_") for path in videos}
    short = {
        path: next((n.removesuffix(end) for end in _COLOUR if n.endswith(end)), n) or n for path, n in plain.items()
    }
    taken = list(short.values())
    return {short[path] if taken.count(short[path]) == 1 else plain[path]: path for path in videos}


def _paired(
    depths: Mapping[str, DepthVideo],
    chosen: Mapping[str, Video],
    keys: Mapping[str, str],
    left_out: dict[str, str],
    no_depth: str,
) -> dict[str, str]:
    """Return camera -> path of the depth with the same name and size; the others go to ``left_out``."""
    paired: dict[str, str] = {}
    for path, depth in depths.items():
        own = [
            camera
            for camera in chosen
            if _words(path) == _words(keys[camera]) or (not _words(path) and len(chosen) == 1)
        ]
        if no_depth:
            left_out[path] = no_depth
        elif not own or own[0] in paired:
            left_out[path] = "depth without a camera that is read"
        elif chosen[own[0]].size != depth.size:
            left_out[path] = "depth with another size than its camera's images"
        else:
            paired[own[0]] = path
    return paired


def _words(path: str) -> tuple[str, ...]:
    parts = re.split(r"[^a-z0-9]+", _DEPTH.sub("", path.lower()))
    return tuple(
        part for part in parts if part and part not in {"image", "images", "rgb", "color", "colour", "depths", "s"}
    )


def _moments(rows: Mapping[str, int], steps: int) -> int:
    """Return how many moments all of ``rows`` (path -> rows) have. Raises ValueError if they do not fit the actions."""
    for path, count in rows.items():
        if not steps <= count <= steps + 1:
            raise ValueError(f"{path} has {count} rows for {steps} actions")
    return steps + 1 if min(rows.values()) > steps else steps


def _depth_notes(depths: Mapping[str, DepthVideo]) -> Iterator[str]:
    whole = {camera: video for camera, video in depths.items() if not video.metres}
    if whole:
        yield f"depth of {listed(whole)}: read as millimetres"
    if len(whole) < len(depths):
        metres = {camera: video for camera, video in depths.items() if video.metres}
        yield f"depth of {listed(metres)}: metres, stored in millimetres; 0 beyond 65.5 m, and if nothing was measured"


def _together(running: Mapping[str, Iterator[Any]], rows: int) -> Iterator[dict[str, Any]]:
    for _ in range(rows):
        yield {camera: next(video) for camera, video in running.items()}
