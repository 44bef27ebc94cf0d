"""Safe reading of untrusted HDF5 files: datasets are asked for by name, shape and dtype, and must be stored in the file.

Links, virtual datasets, unknown filters and false sizes are refused before HDF5 follows them.
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
"""Deflate packs at most 1032 bytes into one: a dataset that claims more gives a false size."""

_CHUNK = 64 * 2**20
"""Largest chunk that may be larger than its dataset [bytes]: programs that append choose the chunk beforehand."""
_STORED_CHUNK = 512 * 2**20
"""Largest chunk if the file really stores a good part of it [bytes]: space for an episode's frames."""
_WORTH = 16
"""A good part is at least one byte in so many: images pack less than that, zeros more."""


class PluginNeededError(ValueError):
    """A dataset that only a plugin of HDF5 can unpack."""


def opened(path: Path) -> Any:
    """Open an HDF5 file read-only. Raises OSError."""
    return h5py.File(path, "r", locking="best-effort")


def plain(file: Any, name: str) -> Any:
    """Return the dataset ``name``, of any shape and dtype, stored in this file.

    Raises:
        KeyError: there is none.
        ValueError: a link, a virtual or external dataset, a filter that needs a plugin, or a size that the file's bytes
            cannot hold.
    """
    node = _located(file, name)
    _check_storage(name, node)
    return node


def holds(node: Any, name: str) -> bool:
    """Whether the group ``node`` itself has a member ``name``. Raises ValueError for a link.

    ``name in node`` would follow a link, and so open any file that an external link names.
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
    """Return the dataset ``name`` of ``shape`` (None: any size) and ``dtype``, stored in this file.

    Raises:
        KeyError: there is none.
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
        )  # HDF5 would never finish
    plist = dataset.id.get_create_plist()
    filters = {plist.get_filter(index)[0] for index in range(plist.get_nfilters())}
    if not filters <= _FILTERS:
        raise PluginNeededError(f"{name} needs the HDF5 filters {sorted(filters - _FILTERS)}")
    ratio = _MOST_DEFLATE_CAN if filters & {_DEFLATE, _LZF} else 1
    stored = dataset.id.get_storage_size()
    if dataset.nbytes > ratio * stored:
        raise ValueError(f"{name} claims {dataset.nbytes} bytes, {stored} are stored")
    # Newer files compute a chunk's place from the size that a dataset may grow to, and HDF5 crashes on some false sizes.
    if _grows_oddly(dataset) and not finds_chunks_by_tree(dataset):
        raise ValueError(
            f"{name} has shape {dataset.shape} and may grow to {dataset.maxshape}, in HDF5's newest layout: "
            "`h5repack --high=1` writes the file in one that is safe to read"
        )
    # Reading one number unpacks its whole chunk, which may be far larger than its stored bytes.
    size = math.prod(dataset.chunks or ()) * dataset.dtype.itemsize
    if dataset.chunks and size > max(_CHUNK, dataset.nbytes, min(_STORED_CHUNK, _WORTH * stored)):
        raise ValueError(f"{name} is stored in pieces of {size} bytes")


def _grows_oddly(dataset: Any) -> bool:
    """Whether ``dataset`` may grow in another way than by any number of rows."""
    sizes = zip(dataset.maxshape, dataset.shape, strict=True)
    return any(most not in {None, size} for most, size in sizes) or None in dataset.maxshape[1:]


def members(file: Any, name: str) -> list[str]:
    """Return the names in the group ``name``, empty if there is no such group. Raises ValueError for a link."""
    if not holds(file, name):
        return []
    if not isinstance(file[name], h5py.Group):
        raise ValueError(f"{name} is not a group")
    return list(file[name])


def text_attribute(node: Any, name: str) -> str:
    """Return a string attribute. Raises KeyError if it is missing, ValueError if it is something else."""
    if name not in node.attrs:
        raise KeyError(f"the attribute {name!r} is missing")
    identifier = node.attrs.get_id(name)
    if identifier.shape != () or h5py.check_string_dtype(identifier.dtype) is None:
        raise ValueError(f"the attribute {name!r} is not a text")
    value = node.attrs[name]
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def integer_attribute(node: Any, name: str) -> int:
    """Return an integer attribute. Raises KeyError if it is missing, ValueError if it is something else."""
    if name not in node.attrs:
        raise KeyError(f"the attribute {name!r} is missing")
    identifier = node.attrs.get_id(name)
    if identifier.shape != () or identifier.dtype.kind not in "iu":
        raise ValueError(f"the attribute {name!r} is not an integer")
    return int(node.attrs[name])
