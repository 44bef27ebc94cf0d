"""What a LeRobot dataset says of its columns, and the numbers in them, each checked before it is used.

Raises (from every function): KeyError, TypeError or ValueError for what is no such description.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from a2g_cli.exchange.incoming import numbered
from a2g_cli.recording import schema


@dataclass(frozen=True)
class Camera:
    """One camera: its name here, its column, (H, W) [px], and whether it is a film or pictures in the column."""

    name: str
    key: str
    size: tuple[int, int]
    video: bool


def cameras(features: dict[str, Any]) -> tuple[Camera, ...]:
    """Return the cameras among ``features``: colour pictures, as films or as they are."""
    found = []
    for key, feature in features.items():
        if feature["dtype"] not in {"video", "image"}:
            continue
        shape, names = tuple(map(whole, feature["shape"])), feature.get("names") or []
        if len(shape) != 3:
            raise ValueError(f"{key} has shape {shape}")
        if str(names[0] if isinstance(names, list) and names else "").startswith("channel"):
            shape = (shape[1], shape[2], shape[0])
        if shape[2] != 3:
            raise ValueError(f"{key} has {shape[2]} channels: only colour pictures become recordings")
        schema.check_keys("camera", [key])
        name = key.removeprefix("observation.").removeprefix("images.")
        found.append(Camera(name, key, (shape[0], shape[1]), feature["dtype"] == "video"))
    return tuple(found)


def names(feature: dict[str, Any], prefix: str) -> tuple[str, ...]:
    """Return the names of a vector's numbers, counted from ``prefix`` where it has none."""
    shape, given = tuple(map(whole, feature["shape"])), feature.get("names")
    if len(shape) != 1 or not 1 <= shape[0] <= schema.MAX_NAMES:
        raise ValueError(f"{prefix} has shape {shape}")
    if isinstance(given, dict) and len(given) == 1:
        given = next(iter(given.values()))
    if isinstance(given, list) and len(given) == shape[0] and all(isinstance(name, str) for name in given):
        return tuple(name[:200] for name in given)
    return numbered(prefix, shape[0])


def whole(value: object) -> int:
    """Return a number that counts something."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**40:
        raise ValueError(f"{value!r} where a whole number must stand")
    return value


def flat(table: Any, name: str) -> NDArray[Any]:
    """Return a column of single numbers (T,)."""
    values = np.asarray(table.column(name).to_numpy())
    if values.ndim != 1 or values.dtype.kind not in "iufb":
        raise ValueError(f"the column {name} does not hold numbers")
    return values


def matrix(table: Any, name: str, width: int) -> NDArray[Any]:
    """Return a column of ``width`` numbers a row (T, width)."""
    column = table.column(name).combine_chunks()
    if column.type.num_fields == 0:
        return flat(table, name).reshape(-1, 1)
    values = np.asarray(column.flatten().to_numpy(zero_copy_only=False))
    if values.dtype.kind not in "iuf" or values.size != len(column) * width:
        raise ValueError(f"the column {name} does not hold {width} numbers a row")
    return values.reshape(-1, width)
