"""A LeRobot dataset's Parquet files: checked for size before they are unpacked, and each read once for all its episodes.

Raises (from everything here): OSError, KeyError, TypeError or ValueError for a file that cannot be read.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from a2g_cli.data.formats.incoming import MAX_ELEMENTS, check_downloaded
from a2g_cli.data.formats.lerobot import arrow
from a2g_cli.data.formats.lerobot_columns import flat
from a2g_cli.data.recording import schema

MAX_IMAGE = 64 * 2**20
"""Largest packed image [bytes]."""
_MAX_FILE = 8 * 2**30
_BATCH = 16
"""Rows of packed images in memory at a time."""
_BUFFER = 2**20
"""Bytes of a column that are read at a time: without it, Parquet reads a whole row group into memory."""


def opened(path: Path) -> Any:
    """Open a Parquet file, unless it claims more content than its bytes can hold."""
    check_downloaded(path)
    if path.stat().st_size > _MAX_FILE:
        raise ValueError(f"{path.name} is too large")
    file = arrow()[1].ParquetFile(path, memory_map=False, pre_buffer=False, buffer_size=_BUFFER)
    meta = file.metadata
    claimed = sum(meta.row_group(index).total_byte_size for index in range(meta.num_row_groups))
    # Parquet packs a column of one value best; LeRobot's counter columns reach some hundreds.
    if claimed > 2**20 + 10_000 * path.stat().st_size or meta.num_rows > schema.MAX_STEPS * 100:
        raise ValueError(f"{path.name} claims {claimed} bytes in {meta.num_rows} rows")
    return file


def table(path: Path, wanted: Callable[[str], bool]) -> Any:
    """Return the columns of a Parquet file whose names are ``wanted``."""
    with opened(path) as file:
        names = [name for name in file.schema_arrow.names if wanted(name)]
        if file.metadata.num_rows * max(1, len(names)) > MAX_ELEMENTS // 64:
            raise ValueError(f"{path.name} has {file.metadata.num_rows} rows")
        return file.read(columns=names, use_threads=False)


@dataclass(frozen=True)
class Rows:
    """The rows of one episode in a file."""

    path: Path
    places: NDArray[np.int64]
    """(T,) row numbers in the file, in order."""
    table: Any
    """The T rows of the wanted columns."""
    columns: tuple[str, ...]
    """All columns of the file."""


class RowFinder:
    """Finds an episode's rows, and keeps the numbers of the last file in memory."""

    def __init__(self, wanted: Callable[[str], bool]) -> None:
        """``wanted`` returns whether the column of that name is read."""
        self._wanted = wanted
        self._path: Path | None = None

    def rows(self, path: Path, number: int) -> Rows:
        """Return the rows of episode ``number`` in ``path``; they may be empty."""
        if self._path != path:
            self._path = None
            with opened(path) as file:
                self._columns = tuple(map(str, file.schema_arrow.names))
            self._table = table(path, lambda name: name == "episode_index" or self._wanted(name))
            numbers = flat(self._table, "episode_index")
            self._order = np.argsort(numbers, kind="stable")
            self._sorted = numbers[self._order]
            self._path = path
        first, last = np.searchsorted(self._sorted, [number, number + 1])
        places = self._order[first:last]
        return Rows(path, places, self._table.take(places), self._columns)


class ImageReader:
    """Reads packed images from Parquet files, forwards: a file is read once for all its episodes."""

    def __init__(self, keys: Sequence[str]) -> None:
        """``keys`` are the columns that hold images."""
        self._keys = list(keys)
        self._path: Path | None = None
        self._file: Any = None
        self._batches: Iterator[Any] = iter(())
        self._batch: Any = None
        self._begin = self._end = 0

    def cells(self, path: Path, places: NDArray[np.int64]) -> Iterator[dict[str, bytes]]:
        """Yield column -> packed image, for each of the rows ``places`` of ``path``."""
        for place in map(int, places):
            if self._path != path or place < self._begin:
                self._start(path, place)
            while place >= self._end:
                self._batch = next(self._batches, None)
                if self._batch is None:
                    self._path = None
                    raise ValueError(f"{path.name} has no row {place}")
                self._begin, self._end = self._end, self._end + self._batch.num_rows
            yield {key: _packed(key, self._batch.column(key)[place - self._begin].as_py()) for key in self._keys}

    def _start(self, path: Path, place: int) -> None:
        """Begin with the row group that holds ``place``."""
        if self._file is not None:
            self._file.close()
        self._path, self._file = None, opened(path)
        file = self._file
        sizes = [file.metadata.row_group(index).num_rows for index in range(file.metadata.num_row_groups)]
        group = int(np.searchsorted(np.cumsum(sizes), place, side="right"))
        groups = range(group, len(sizes))
        self._batches = file.iter_batches(_BATCH, row_groups=list(groups), columns=self._keys, use_threads=False)
        self._path, self._batch = path, None
        self._begin = self._end = sum(sizes[:group])


def _packed(key: str, cell: object) -> bytes:
    content = cell.get("bytes") if isinstance(cell, dict) else None
    if not isinstance(content, bytes) or len(content) > MAX_IMAGE:
        raise ValueError(f"{key} holds no image: images in files of their own are not read")
    return content
