"""Reads datasets and attributes of other programs' HDF5 files, after checks of their size and type."""

from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from a2g_cli.data.formats.incoming import MAX_ELEMENTS
from a2g_cli.data.recording import schema, storage, untrusted

_DEEPEST, _MOST_MEMBERS = 6, 4096
_YES, _NO = {"true", "yes", "success", "succeeded", "1"}, {"false", "no", "failure", "failed", "0"}


def numbers(file: Any, name: str, rows: int | None = None) -> NDArray[np.float64]:
    """Return the dataset ``name`` as (T, …) float64. Raises KeyError, or ValueError if it is not numbers."""
    return numbers_of(name, untrusted.plain(file, name), rows)


def numbers_of(name: str, dataset: Any, rows: int | None = None) -> NDArray[np.float64]:
    """Return a dataset as (T, …) float64; ``name`` is for messages. Raises ValueError if it is not numbers."""
    if dataset.dtype.kind not in "iufb" or dataset.ndim < 1 or dataset.size > MAX_ELEMENTS // 8:
        raise ValueError(f"{name} has shape {dataset.shape} of {dataset.dtype}: numbers are needed, a row per step")
    if rows is not None and dataset.shape[0] != rows:
        raise ValueError(f"{name} has {dataset.shape[0]} rows, not {rows}")
    return np.asarray(dataset[()], np.float64)


def matrix(file: Any, name: str, rows: int | None = None) -> NDArray[np.float32]:
    """Return the dataset ``name`` as (T, N) float32; N is 1 for one number per row. Raises KeyError, ValueError."""
    return matrix_of(name, untrusted.plain(file, name), rows)


def matrix_of(name: str, dataset: Any, rows: int | None = None) -> NDArray[np.float32]:
    """Return a dataset as (T, N) float32; ``name`` is for messages. Raises ValueError if it is not such numbers."""
    values = numbers_of(name, dataset, rows)
    if values.ndim > 2:
        raise ValueError(f"{name} has shape {values.shape}")
    return values.reshape(len(values), -1).astype(np.float32)


def timing(own: Any, rows: int) -> NDArray[np.float64] | None:
    """Return (T, 3) the timing of actions, as in a recording; None if there is none. Raises KeyError, ValueError."""
    if not untrusted.holds(own, "timing"):
        return None
    columns = [untrusted.stored(own, f"timing/{name}", (rows,), "f8")[()] for name in schema.TIMING]
    return np.stack(columns, axis=1)


def optional_text(node: Any, name: str) -> str | None:
    """Return a string attribute, None if it is missing. Raises ValueError for another type."""
    return untrusted.text_attribute(node, name) if name in node.attrs else None


def group(file: Any, name: str) -> Any:
    """Return the group ``name``, without following links. Raises KeyError, ValueError."""
    node = file
    for part in name.split("/"):
        if not untrusted.holds(node, part):
            raise KeyError(f"{name} is missing")
        node = node[part]
        if not isinstance(node, h5py.Group):
            raise ValueError(f"{name} is not a group")
    return node


def leaves(node: Any, depth: int = _DEEPEST) -> dict[str, Any]:
    """Return path -> dataset, of the group ``node`` and all groups in it; None for a dataset that needs a plugin.

    Raises ValueError for a link, for data in another file, for sizes that the file cannot hold, for too many datasets.
    """
    found: dict[str, Any] = {}
    for name in sorted(node):
        if untrusted.holds(node, name) and isinstance(node[name], h5py.Group):
            if depth > 1:
                found |= {f"{name}/{below}": leaf for below, leaf in leaves(node[name], depth - 1).items()}
            continue
        try:
            found[name] = untrusted.plain(node, name)
        except untrusted.PluginNeededError:
            found[name] = None
        if len(found) > _MOST_MEMBERS:
            raise ValueError(f"{node.name} holds more than {_MOST_MEMBERS} datasets")
    return found


def success(node: Any) -> tuple[bool | None, tuple[str, ...]]:
    """Return the attribute ``success`` of ``node``, None if there is none; and a note if it is unclear."""
    if "success" not in node.attrs:
        return None, ()
    identifier = node.attrs.get_id("success")
    if identifier.shape in {(), (1,)}:
        value = np.asarray(node.attrs["success"]).reshape(-1)[0]
        if identifier.dtype.kind in "biuf":
            return bool(value), ()
        if isinstance(value, str | bytes):
            word = (value.decode("utf-8", "replace") if isinstance(value, bytes) else value).strip().lower()
            if word in _YES | _NO:
                return word in _YES, ()
    return None, ("the attribute `success` is neither yes nor no: it is not known whether the goal was reached",)


def write_words(node: Any, words: dict[str, str]) -> None:
    """Write strings as attributes, under their names in a recording."""
    for name, text in words.items():
        storage.write_text(node, name, text)
