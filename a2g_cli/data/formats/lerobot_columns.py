"""Sorts the columns of a LeRobot dataset into those that a recording can hold, and those that are left out and why.

Raises (from every function): KeyError, TypeError or ValueError for a damaged description.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from a2g_cli.core.errors import RecordingError
from a2g_cli.data.formats.choosing import choose, listed
from a2g_cli.data.formats.incoming import SourceError, numbered
from a2g_cli.data.formats.lerobot import OWN
from a2g_cli.data.formats.reading import ReadOptions
from a2g_cli.data.recording import schema

SUCCESS = "next.success"
_ACTIONS = ("action", "actions")
"""LeRobot's name, and the one in openpi's examples, which have ``state`` too."""
_STATES = ("observation.state", "state")
_BOOKKEEPING = {"timestamp", "frame_index", "episode_index", "index", "task_index"}
_NUMBERS = re.compile(r"(u?int|float)\d+|bool")
_COLOUR_WORDS = {"rgb", "color", "colour", "image", "images"}


@dataclass(frozen=True)
class CameraColumn:
    """One camera: its name in a recording, its column, (H, W) [px], and whether it is a video or images in the column."""

    name: str
    key: str
    size: tuple[int, int]
    video: bool
    grey: bool = False


@dataclass(frozen=True)
class Look:
    """What the first image of a column really is."""

    size: tuple[int, int]
    """(H, W) [px]."""
    deep: bool = False
    """One channel of 16 bits."""


@dataclass(frozen=True)
class Columns:
    """The columns of a dataset that are read."""

    action: str
    action_names: tuple[str, ...]
    proprioception: Mapping[str, tuple[str, ...]]
    """Column -> the names of its numbers."""
    cameras: tuple[CameraColumn, ...]
    depth: tuple[CameraColumn, ...]
    """Each has the name of the camera that it belongs to."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Column -> why."""

    def reads(self, name: str) -> bool:
        """Whether the numbers of the column ``name`` are read."""
        return name in {self.action, "timestamp", SUCCESS} or name in self.proprioception or name.startswith(OWN)


def sort(features: Mapping[str, Any], options: ReadOptions, look: Callable[[str], Look | None]) -> Columns:
    """Return the columns that are read of a dataset with ``features``.

    ``look(key)`` returns what the first image of a column is; None if it cannot be read.

    Raises:
        UsageError: a camera or column that was named does not exist, or cannot be read.
        SourceError: there are no actions, or no camera.
    """
    action = next((name for name in _ACTIONS if name in features), None)
    if action is None:
        raise SourceError(
            f"the dataset has no actions: a column {' or '.join(_ACTIONS)} is needed, it has {listed(features)}."
        )
    action_names = names(features[action], "action")
    cameras, depths, vectors, left_out = _sorted(features, action, look)
    known = {*cameras, *vectors, *left_out}
    wanted = [name if name in known else _short(name) for name in options.cameras]
    chosen = choose("--cameras", wanted, cameras, left_out)
    if not chosen:
        videos = {_short(key) for key, feature in features.items() if _is_image(feature)}
        why = "".join(f"; {name} cannot be read: {why}" for name, why in left_out.items() if name in videos)
        raise SourceError(f"the dataset has no colour camera that can be read, and a policy needs one{why}.")
    usual = next((name for state in _STATES for name, (key, _) in vectors.items() if key == state), None)
    wanted = [name if name in known else _short(name) for name in options.columns]
    numbers = choose("--columns", wanted, vectors, left_out)
    if not options.columns:
        left_out |= dict.fromkeys(numbers, "not read unless --columns names it")
        left_out.pop(usual or "", None)
        numbers = {} if usual is None else {usual: vectors[usual]}
    several = len(numbers) > 1
    depth = _paired(depths, chosen, left_out)
    return Columns(
        action,
        action_names,
        {key: tuple(f"{name}.{one}" for one in found) if several else found for name, (key, found) in numbers.items()},
        tuple(chosen.values()),
        depth,
        left_out,
    )


def _sorted(
    features: Mapping[str, Any], action: str, look: Callable[[str], Look | None]
) -> tuple[dict[str, CameraColumn], dict[str, CameraColumn], dict[str, tuple[str, tuple[str, ...]]], dict[str, str]]:
    """Return cameras, depth, vectors (name -> column and its numbers' names), and what is left out."""
    cameras: dict[str, CameraColumn] = {}
    depths: dict[str, CameraColumn] = {}
    vectors: dict[str, tuple[str, tuple[str, ...]]] = {}
    left_out: dict[str, str] = {}
    short = [_short(key) for key in features]
    for key, feature in features.items():
        # Two columns with the same short name keep their full names.
        name = _short(key) if short.count(_short(key)) == 1 else key
        if key in _BOOKKEEPING or key in {action, SUCCESS} or key.startswith(OWN):
            continue
        if _is_image(feature):
            try:
                deep, camera = _camera(name, key, feature, look)
            except _LeftOutError as reason:
                left_out[name] = str(reason)
            else:
                (depths if deep else cameras)[name] = camera
        elif key.startswith("next."):
            left_out[name] = "only next.success is read of what follows an action"
        elif not _NUMBERS.fullmatch(str(feature.get("dtype"))):
            left_out[name] = "not numbers"
        elif len(feature["shape"]) != 1:
            left_out[name] = "not a row of numbers"
        else:
            vectors[name] = key, names(feature, "state" if key in _STATES else name)
    return cameras, depths, vectors, left_out


class _LeftOutError(Exception):
    """A column that cannot be read; the message is the reason."""


def _camera(
    name: str, key: str, feature: Mapping[str, Any], look: Callable[[str], Look | None]
) -> tuple[bool, CameraColumn]:
    """Return whether a column of images holds depth, and its camera. Raises _LeftOutError."""
    try:
        schema.check_keys("camera", [key, name])
    except RecordingError as error:
        raise _LeftOutError("a camera in a recording cannot have such a name") from error
    seen = look(key)
    size, channels = _size(feature, seen)
    camera = CameraColumn(name, key, size, feature["dtype"] == "video", grey=channels == 1)
    if channels == 3:
        return False, camera
    if not camera.video and seen is None:
        raise _LeftOutError("its images are not PNG or JPEG")
    if seen is not None and seen.deep:
        return True, camera
    if _is_depth(name, feature):
        raise _LeftOutError("depth of 8 bits, which is not a distance: only PNG of 16 bits can be read")
    return False, camera


def _size(feature: Mapping[str, Any], seen: Look | None) -> tuple[tuple[int, int], int]:
    """Return (H, W) [px] and channels, concluded from the numbers: the names of the axes are often wrong or missing.

    If the numbers can be read in two ways, the first image decides.
    """
    shape = tuple(map(whole, feature["shape"]))
    shape = (*shape, 1) if len(shape) == 2 else shape
    if len(shape) != 3:
        raise _LeftOutError(f"a shape of {shape}")
    (first, second, third) = shape
    ways = [((first, second), third), ((second, third), first)]
    ways = [way for way in ways if way[1] in {1, 3}]
    if not ways:
        raise _LeftOutError(f"a shape of {shape}: images of one or three channels can be read")
    for size, channels in ways:
        if seen is not None and seen.size in {size, size[::-1]}:
            return seen.size, channels
    return ways[0]


def _paired(
    depths: Mapping[str, CameraColumn], cameras: Mapping[str, CameraColumn], left_out: dict[str, str]
) -> tuple[CameraColumn, ...]:
    """Return the depth columns that belong to a camera, under its name; the others go to ``left_out``."""
    found: dict[str, CameraColumn] = {}
    for name, depth in depths.items():
        words = _words(name) - {"depth"}
        same = [one for one in cameras.values() if one.size == depth.size and one.name not in found]
        named = [one for one in same if _words(one.name) == words]
        if not named and not words and len(cameras) == 1:
            named = same
        if named:
            found[named[0].name] = CameraColumn(named[0].name, depth.key, depth.size, video=False)
        else:
            left_out[name] = "depth without a camera of the same name and size"
    return tuple(found.values())


def _words(name: str) -> set[str]:
    return set(re.split(r"[^a-z0-9]+", name.lower())) - _COLOUR_WORDS - {""}


def _is_depth(name: str, feature: Mapping[str, Any]) -> bool:
    info = feature.get("info") or feature.get("video_info") or {}
    marked = isinstance(info, dict) and bool(info.get("video.is_depth_map") or info.get("is_depth_map"))
    return marked or feature["dtype"] == "depth" or "depth" in name.lower()


def _is_image(feature: Any) -> bool:
    return isinstance(feature, Mapping) and feature.get("dtype") in {"video", "image", "depth"}


def _short(key: str) -> str:
    return key.removeprefix("observation.").removeprefix("images.")


def names(feature: Mapping[str, Any], prefix: str) -> tuple[str, ...]:
    """Return the names of a vector's numbers; ``prefix.0`` and so on if it has none."""
    shape, given = tuple(map(whole, feature["shape"])), feature.get("names")
    if len(shape) != 1 or not 1 <= shape[0] <= schema.MAX_NAMES:
        raise ValueError(f"{prefix} has shape {shape}")
    if isinstance(given, dict) and len(given) == 1:
        given = next(iter(given.values()))
    if isinstance(given, list) and len(given) == shape[0] and all(isinstance(name, str) for name in given):
        return tuple(name[:200] for name in given)
    return numbered(prefix, shape[0])


def whole(value: object) -> int:
    """Return a whole number, 0 or more."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**40:
        raise ValueError(f"{value!r} instead of a whole number")
    return value


def flat(table: Any, name: str) -> NDArray[Any]:
    """Return (T,), a column of numbers, or of lists with one number."""
    column = table.column(name).combine_chunks()
    if column.type.num_fields == 1 and hasattr(column.type, "value_type"):  # a list, of one length or of any
        rows = len(column)
        column = column.flatten()
        if len(column) != rows:
            raise ValueError(f"the column {name} does not hold one number a row")
    values = np.asarray(column.to_numpy(zero_copy_only=False))
    if values.ndim != 1 or values.dtype.kind not in "iufb":
        raise ValueError(f"the column {name} does not hold numbers")
    return values


def matrix(table: Any, name: str, width: int) -> NDArray[Any]:
    """Return (T, width), a column with ``width`` numbers per row."""
    column = table.column(name).combine_chunks()
    if column.type.num_fields == 0:
        return flat(table, name).reshape(-1, 1)
    values = np.asarray(column.flatten().to_numpy(zero_copy_only=False))
    if values.dtype.kind not in "iufb" or values.size != len(column) * width:
        raise ValueError(f"the column {name} does not hold {width} numbers a row")
    return values.reshape(-1, width)
