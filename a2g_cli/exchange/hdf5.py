"""Datasets of other programs' HDF5 files, held to bounds before they are read."""

from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from a2g_cli.episode import Image
from a2g_cli.exchange.incoming import MAX_ELEMENTS
from a2g_cli.recording import schema, storage, untrusted

_BLOCK_BYTES = 64 * 2**20


def numbers(file: Any, name: str, rows: int | None = None) -> NDArray[np.float64]:
    """Return the dataset ``name`` as (T, …) float64. Raises KeyError, or ValueError for what is none."""
    dataset = untrusted.plain(file, name)
    if dataset.dtype.kind not in "iufb" or dataset.ndim < 1 or dataset.size > MAX_ELEMENTS // 8:
        raise ValueError(f"{name} has shape {dataset.shape} of {dataset.dtype}: numbers are needed, a row a step")
    if rows is not None and dataset.shape[0] != rows:
        raise ValueError(f"{name} has {dataset.shape[0]} rows, not {rows}")
    return np.asarray(dataset[()], np.float64)


def matrix(file: Any, name: str, rows: int | None = None) -> NDArray[np.float32]:
    """Return the dataset ``name`` as (T, N) float32, one number a row becoming a column. Raises KeyError, ValueError."""
    values = numbers(file, name, rows)
    if values.ndim > 2:
        raise ValueError(f"{name} has shape {values.shape}")
    return values.reshape(len(values), -1).astype(np.float32)


def timing(own: Any, rows: int) -> NDArray[np.float64] | None:
    """Return (T, 3) when actions went out, as a recording holds it; None where there is none. Raises KeyError, ValueError."""
    if not untrusted.holds(own, "timing"):
        return None
    columns = [untrusted.stored(own, f"timing/{name}", (rows,), "f8")[()] for name in schema.TIMING]
    return np.stack(columns, axis=1)


def picture_size(dataset: Any) -> tuple[int, int] | None:
    """Return (H, W) of a dataset of (T, H, W, 3) bytes; None for anything else. Raises ValueError for absurd sizes."""
    if dataset.ndim != 4 or dataset.dtype != np.uint8 or dataset.shape[3] != 3:
        return None
    height, width = int(dataset.shape[1]), int(dataset.shape[2])
    if not (1 <= height <= schema.MAX_SIDE and 1 <= width <= schema.MAX_SIDE):
        raise ValueError(f"{dataset.name} holds frames of {width}x{height} px")
    return height, width


def pictures(dataset: Any, count: int) -> Iterator[Image]:
    """Yield the first ``count`` rows of a dataset of pictures, some megabytes in memory at a time."""
    block = max(1, _BLOCK_BYTES // max(1, int(np.prod(dataset.shape[1:]))))
    for start in range(0, count, block):
        yield from np.asarray(dataset[start : min(start + block, count)], np.uint8)


def optional_text(node: Any, name: str) -> str | None:
    """Return a string attribute, None where there is none. Raises ValueError for something else."""
    return untrusted.text_attribute(node, name) if name in node.attrs else None


def group(file: Any, name: str) -> Any:
    """Return the group ``name``, reached without links. Raises KeyError, ValueError."""
    node = file
    for part in name.split("/"):
        if not untrusted.holds(node, part):
            raise KeyError(f"{name} is missing")
        node = node[part]
        if not isinstance(node, h5py.Group):
            raise ValueError(f"{name} is not a group")
    return node


def write_words(node: Any, words: dict[str, str]) -> None:
    """Write texts as attributes, under the names they have in a recording."""
    for name, text in words.items():
        storage.write_text(node, name, text)
