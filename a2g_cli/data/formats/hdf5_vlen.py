"""Reads rows of variable length directly from an HDF5 file's bytes: HDF5 2.0 never returns from a damaged heap.

HDF5 File Format Specification 3.0: III.E (the global heap), VIII (the dataset's lengths and places in the heap).
"""

import struct
import zlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np

_PLACE = struct.Struct("<IQI")
"""A row's entry: its length in bytes, the address of its collection, its number in that."""
_OBJECT = struct.Struct("<HHIQ")
_HEAD = 16
_MOST = 256 * 2**20
"""Largest collection, and largest list of all rows' entries [bytes]."""


class VariableRows:
    """A dataset (T,) of rows of variable length, read one row at a time."""

    def __init__(self, dataset: Any) -> None:
        """Read the places of the rows. Raises OSError, or ValueError for a layout that is not supported."""
        self.dtype, self.name, self.shape = dataset.dtype, dataset.name, dataset.shape
        self._path, self._base = Path(dataset.file.filename), int(dataset.file.userblock_size)
        self._places = _places(dataset, self._path)
        self._held: tuple[int, bytes, dict[int, tuple[int, int]]] = (-1, b"", {})

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, index: int) -> bytes:
        """Return row ``index``. Raises OSError, or ValueError if it is not in the file."""
        length, address, number = _PLACE.unpack_from(self._places, index % len(self) * _PLACE.size)
        if self._held[0] != address:
            self._held = (address, *_collection(self._path, self._base + address))
        _, data, objects = self._held
        begin, size = objects.get(number, (0, -1))
        if size != length:
            raise ValueError(f"row {index} of {self.name} is not in the file")
        return data[begin : begin + size]


def is_variable(dataset: Any) -> bool:
    """Whether the rows of ``dataset`` are bytes of variable length."""
    return len(dataset.shape) == 1 and dataset.dtype.kind == "O" and h5py.check_vlen_dtype(dataset.dtype) == np.uint8


def _places(dataset: Any, path: Path) -> bytes:
    """Return ``_PLACE`` of every row."""
    rows, creation = len(dataset), dataset.id.get_create_plist()
    filters = [creation.get_filter(index)[0] for index in range(creation.get_nfilters())]
    if rows * _PLACE.size > _MOST or not set(filters) <= {h5py.h5z.FILTER_DEFLATE} or len(filters) > 1:
        raise ValueError("bytes of variable length with unsupported filters")
    if dataset.chunks is None:
        offset = dataset.id.get_offset()
        if offset is None:
            raise ValueError("bytes of variable length in an unsupported layout")
        return _read(path, int(offset), rows * _PLACE.size)
    found, chunk = b"", int(dataset.chunks[0])
    for start in range(0, rows, chunk):
        mask, data = dataset.id.read_direct_chunk((start,))
        if filters and not mask:
            data = _inflated(data, chunk * _PLACE.size)
        if len(data) < chunk * _PLACE.size:
            raise ValueError(f"{dataset.name} is cut off")
        found += data[: chunk * _PLACE.size]
    return found


def _inflated(data: bytes, most: int) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, most)
    except zlib.error as error:
        raise ValueError(f"a chunk cannot be unpacked: {error}") from error


def _collection(path: Path, address: int) -> tuple[bytes, dict[int, tuple[int, int]]]:
    """Return the collection of the global heap at ``address``, and object number -> (begin, length) in it."""
    head = _read(path, address, _HEAD)
    size = int.from_bytes(head[8:16], "little")
    if head[:5] != b"GCOL\x01" or not _HEAD <= size <= _MOST:
        raise ValueError("a damaged heap")
    data, at, objects = _read(path, address, size), _HEAD, dict[int, tuple[int, int]]()
    while at + _OBJECT.size <= size:
        number, _, _, length = _OBJECT.unpack_from(data, at)
        at += _OBJECT.size
        if number == 0 or at + length > size:
            break  # free space
        objects[number] = (at, length)
        at += -(-length // 8) * 8
    return data, objects


def _read(path: Path, place: int, size: int) -> bytes:
    if place >= 2**63 or size > _MOST:
        raise ValueError("an impossible place in the file")
    with path.open("rb") as file:
        file.seek(place)
        found = file.read(size)
    if len(found) != size:
        raise ValueError("a place beyond the end of the file")
    return found
