"""HDF5 files from elsewhere: what they hold is asked for by name, shape and dtype, and is in this very file.

Links, virtual datasets, strange filters and made-up sizes are refused before HDF5 follows them.
"""

import math
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from a2g_cli.data.recording.object_header import finds_chunks_by_tree

_DEFLATE, _SHUFFLE, _FLETCHER32, _LZF = 1, 2, 3, 32000
_FILTERS = {_DEFLATE, _SHUFFLE, _FLETCHER32, _LZF}
_MOST_DEFLATE_CAN = 1100
"""Deflate packs at most 1032 bytes into one: a dataset that claims more is not stored, it is made up."""

_CHUNK = 64 * 2**20
"""A chunk that is larger than its dataset may have as many bytes: writers that append choose them beforehand."""
_STORED_CHUNK = 512 * 2**20
"""So many bytes it may have where the file holds a good part of them: an episode's frames, reserved beforehand."""
_WORTH = 16
"""A chunk of so many times the bytes that are stored of it is worth unpacking: pictures, and not zeros."""


class PluginNeededError(ValueError):
    """A dataset whose bytes only a plugin of HDF5's unpacks."""


def opened(path: Path) -> Any:
    """Open an HDF5 file read-only. Raises OSError."""
    return h5py.File(path, "r", locking="best-effort")


def plain(file: Any, name: str) -> Any:
    """Return the dataset ``name`` of any shape and dtype, its bytes in this very file.

    Raises:
        KeyError: it is not there.
        ValueError: a link, a virtual or external dataset, a filter that needs a plugin, or a size that the bytes in the
            file cannot account for.
    """
    node = _located(file, name)
    _check_storage(name, node)
    return node


def holds(node: Any, name: str) -> bool:
    """Whether the group ``node`` has a member ``name`` of its own. Raises ValueError for a link.

    ``name in node`` would follow a link to find out, and so open whatever file an external link names.
    """
    links, encoded = node.id.links, name.encode("utf-8")
    if not links.exists(encoded):
        return False
    if links.get_info(encoded).type != h5py.h5l.TYPE_HARD:
        raise ValueError(f"{name} is a link: a recording holds its own data")
    return True


def _located(file: Any, name: str) -> Any:
    node = file
    for part in name.split("/"):
        if not isinstance(node, h5py.Group) or not holds(node, part):
            raise KeyError(f"{name} is missing")
        node = node[part]
    if not isinstance(node, h5py.Dataset):
        raise ValueError(f"{name} is not a dataset")
    if node.is_virtual or node.external:
        raise ValueError(f"{name} points into another file: a recording holds its own data")
    return node


def stored(file: Any, name: str, shape: tuple[int | None, ...], dtype: str) -> Any:
    """Return the dataset ``name``, its bytes in this very file, of ``shape`` (None: any) and ``dtype``.

    Raises:
        KeyError: it is not there.
        ValueError: as ``plain``, or another shape or dtype.
    """
    node = _located(file, name)
    if node.dtype != np.dtype(dtype):
        raise ValueError(f"{name} is {node.dtype}, not {np.dtype(dtype)}")
    if len(node.shape) != len(shape) or any(w is not None and w != g for w, g in zip(shape, node.shape, strict=True)):
        raise ValueError(f"{name} has shape {node.shape}, not {tuple('*' if n is None else n for n in shape)}")
    _check_storage(name, node)
    return node


def _check_storage(name: str, dataset: Any) -> None:
    if dataset.shape is None:
        raise ValueError(f"{name} is empty")
    if dataset.chunks and len(dataset.chunks) != len(dataset.shape):
        raise ValueError(
            f"{name} has shape {dataset.shape} in pieces of shape {dataset.chunks}"
        )  # HDF5 searches for ever
    plist = dataset.id.get_create_plist()
    filters = {plist.get_filter(index)[0] for index in range(plist.get_nfilters())}
    if not filters <= _FILTERS:
        raise PluginNeededError(f"{name} needs the HDF5 filters {sorted(filters - _FILTERS)}")
    ratio = _MOST_DEFLATE_CAN if filters & {_DEFLATE, _LZF} else 1
    stored = dataset.id.get_storage_size()
    if dataset.nbytes > ratio * stored:
        raise ValueError(f"{name} claims {dataset.nbytes} bytes, {stored} are stored")
    # Newer files find chunks by the size that a dataset may grow to, and HDF5 does not survive every lie about it.
    if _grows_oddly(dataset) and not finds_chunks_by_tree(dataset):
        raise ValueError(
            f"{name} has shape {dataset.shape} and may grow to {dataset.maxshape}, in HDF5's newest layout: "
            "`h5repack --high=1` writes the file in one that is safe to read"
        )
    # One number brings its whole chunk into memory, and a chunk may be far larger than what is stored in it.
    size = math.prod(dataset.chunks or ()) * dataset.dtype.itemsize
    if dataset.chunks and size > max(_CHUNK, dataset.nbytes, min(_STORED_CHUNK, _WORTH * stored)):
        raise ValueError(f"{name} is stored in pieces of {size} bytes")


def _grows_oddly(dataset: Any) -> bool:
    """Whether ``dataset`` may grow in another way than by as many rows as one likes."""
    sizes = zip(dataset.maxshape, dataset.shape, strict=True)
    return any(most not in {None, size} for most, size in sizes) or None in dataset.maxshape[1:]


def members(file: Any, name: str) -> list[str]:
    """Return the names in the group ``name``, none when there is no such group. Raises ValueError for a link."""
    if not holds(file, name):
        return []
    if not isinstance(file[name], h5py.Group):
        raise ValueError(f"{name} is not a group")
    return list(file[name])


def text_attribute(node: Any, name: str) -> str:
    """Return a string attribute. Raises KeyError when it is missing, ValueError when it is something else."""
    if name not in node.attrs:
        raise KeyError(f"the attribute {name!r} is missing")
    identifier = node.attrs.get_id(name)
    if identifier.shape != () or h5py.check_string_dtype(identifier.dtype) is None:
        raise ValueError(f"the attribute {name!r} is not a text")
    value = node.attrs[name]
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def integer_attribute(node: Any, name: str) -> int:
    """Return an integer attribute. Raises KeyError when it is missing, ValueError when it is something else."""
    if name not in node.attrs:
        raise KeyError(f"the attribute {name!r} is missing")
    identifier = node.attrs.get_id(name)
    if identifier.shape != () or identifier.dtype.kind not in "iu":
        raise ValueError(f"the attribute {name!r} is not an integer")
    return int(node.attrs[name])
