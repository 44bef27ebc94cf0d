"""One camera's images or depth in another program's HDF5 file: rows of pixels, or of packed PNG or JPEG."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from a2g_cli.core.types import Depth, Image
from a2g_cli.data.formats import image_files
from a2g_cli.data.formats.hdf5_vlen import VariableRows, is_variable
from a2g_cli.data.recording import schema

DEPTH_UNITS = 0.001
"""The unit of imported depth [m]."""
_FARTHEST = 65_535
"""Largest depth, in ``DEPTH_UNITS``."""
_BLOCK_BYTES = 64 * 2**20
_BEGINNINGS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")
"""First bytes of a JPEG, and of a PNG."""


@dataclass(frozen=True)
class Video:
    """A dataset whose rows are colour images."""

    dataset: Any
    size: tuple[int, int]
    """(H, W) [px]."""
    form: Literal["rows", "planes", "packed"]
    """(T, H, W, 3 or 4) bytes; (T, 3, H, W) bytes; a PNG or JPEG per row."""
    swapped: bool = False
    """Whether red and blue are swapped in the unpacked image."""

    def __len__(self) -> int:
        return int(self.dataset.shape[0])

    def at(self, index: int) -> Image:
        """Return image ``index``, (H, W, 3) RGB. Raises ValueError if it cannot be unpacked, or has another size."""
        return self._image(self.dataset[index])

    def first(self, count: int) -> Iterator[Image]:
        """Yield the first ``count`` images. Raises as ``at``."""
        yield from map(self._image, _rows(self.dataset, count))

    def encoded(self, index: int) -> bytes:
        """Return the PNG or JPEG of image ``index`` of a packed video."""
        return packed_bytes(self.dataset[index])

    def _image(self, row: Any) -> Image:
        if self.form == "packed":
            image = image_files.decode(packed_bytes(row), self.size)
            return np.ascontiguousarray(image[..., ::-1]) if self.swapped else image
        pixels = np.asarray(row, np.uint8)
        return np.ascontiguousarray(np.moveaxis(pixels, 0, -1) if self.form == "planes" else pixels[..., :3])


@dataclass(frozen=True)
class DepthVideo:
    """A dataset whose rows are depth images."""

    dataset: Any
    size: tuple[int, int]
    """(H, W) [px]."""
    packed: bool
    """Whether each row is a PNG of 16 bits."""

    def __len__(self) -> int:
        return int(self.dataset.shape[0])

    @property
    def metres(self) -> bool:
        """Whether the unit is metres, and not whole millimetres."""
        return not self.packed and self.dataset.dtype.kind == "f"

    def at(self, index: int) -> Depth:
        """Return depth image ``index``, (H, W) in ``DEPTH_UNITS``; 0 if nothing was measured, or it is too far away."""
        return self._depth(self.dataset[index])

    def first(self, count: int) -> Iterator[Depth]:
        """Yield the first ``count`` depth images. Raises ValueError if one cannot be unpacked, or has another size."""
        yield from map(self._depth, _rows(self.dataset, count))

    def _depth(self, row: Any) -> Depth:
        if self.packed:
            return image_files.decode_depth(packed_bytes(row), self.size)
        measured = np.asarray(row).reshape(self.size)
        if not self.metres:
            return measured.astype(np.uint16)
        units = np.rint(measured.astype(np.float64) / DEPTH_UNITS)
        return np.where((units > 0) & (units <= _FARTHEST), units, 0).astype(np.uint16)


def video_of(dataset: Any, deep: bool) -> Video | DepthVideo | str:
    """Return the video in ``dataset``, or why a recording cannot hold it; ``deep``: its name says that it is depth.

    Raises ValueError for frames of absurd size.
    """
    if is_variable(dataset):
        return _of_any_length(dataset)
    if is_packed(dataset):
        return _packed(dataset)
    return _measured(dataset) if deep else _coloured(dataset)


def _of_any_length(dataset: Any) -> Video | DepthVideo | str:
    try:
        rows = VariableRows(dataset)
    except ValueError as error:
        return str(error)
    return _packed(rows) if len(rows) else "no rows"


def _coloured(dataset: Any) -> Video | str:
    shape = dataset.shape
    if len(shape) == 4 and dataset.dtype == np.uint8 and shape[3] in {3, 4}:
        return Video(dataset, _checked(dataset, shape[1:3]), "rows")
    if len(shape) == 4 and dataset.dtype == np.uint8 and shape[1] == 3:
        return Video(dataset, _checked(dataset, shape[2:]), "planes")
    return f"{dataset.dtype} of shape {tuple(shape[1:])} per step: neither a colour image nor a row of numbers"


def _measured(dataset: Any) -> DepthVideo | str:
    shape = dataset.shape
    flat = len(shape) == 3 or (len(shape) == 4 and shape[3] == 1)
    if flat and (dataset.dtype == np.uint16 or dataset.dtype.kind == "f"):
        return DepthVideo(dataset, _checked(dataset, shape[1:3]), packed=False)
    return f"{dataset.dtype} of shape {tuple(shape[1:])} per step: not depth in 16 bits or in metres"


def is_packed(dataset: Any) -> bool:
    """Whether the first row of ``dataset``, padded bytes or a string of fixed length, is a PNG or JPEG."""
    kind = dataset.dtype
    fixed = (
        kind.kind in "SV" and kind.names is None and len(dataset.shape) == 1 and kind.itemsize <= image_files.MAX_FILE
    )
    plain = kind == np.uint8 and len(dataset.shape) == 2 and dataset.shape[1] <= image_files.MAX_FILE
    return (fixed or plain) and len(dataset) > 0 and packed_bytes(dataset[0]).startswith(_BEGINNINGS)


def packed_bytes(row: Any) -> bytes:
    """Return the bytes of one packed image; padding does no harm. Raises ValueError if there are too many."""
    data = row if isinstance(row, bytes) else np.asarray(row).tobytes()
    if len(data) > image_files.MAX_FILE:
        raise ValueError(f"a packed image of {len(data)} bytes")
    return data


def _packed(dataset: Any) -> Video | DepthVideo | str:
    try:
        data = packed_bytes(dataset[0])
        size = image_files.size_of(data)
        deep = not data.startswith(_BEGINNINGS[0]) and image_files.is_deep(data)
    except ValueError as error:
        return str(error)
    return (
        DepthVideo(dataset, _checked(dataset, size), packed=True)
        if deep
        else Video(dataset, _checked(dataset, size), "packed")
    )


def _checked(dataset: Any, size: tuple[int, ...]) -> tuple[int, int]:
    height, width = (int(side) for side in size)
    if not (1 <= height <= schema.MAX_SIDE and 1 <= width <= schema.MAX_SIDE):
        raise ValueError(f"{dataset.name} holds frames of {width}x{height} px")
    return height, width


def _rows(dataset: Any, count: int) -> Iterator[Any]:
    """Yield the first ``count`` rows, with some megabytes in memory at a time."""
    if isinstance(dataset, VariableRows):
        yield from map(dataset.__getitem__, range(count))
        return
    size = math.prod(dataset.shape[1:]) * dataset.dtype.itemsize
    block = max(1, _BLOCK_BYTES // max(1, size))
    for start in range(0, count, block):
        yield from dataset[start : min(start + block, count)]
