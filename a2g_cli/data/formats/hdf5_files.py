"""The HDF5 files of another program's data set: where they are, what they are, and their episodes, one open at a time."""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import h5py

from a2g_cli.core.errors import UsageError
from a2g_cli.data.formats.incoming import Incoming
from a2g_cli.data.formats.reading import SourceEpisode, SourceEpisodes
from a2g_cli.data.recording import schema, storage, untrusted

SUFFIXES = (".hdf5", ".h5")
_DEEPEST = 4
"""Folders below the one that was named."""
_MOST = 100_000
"""Files of a data set."""
_LOOKED_AT = 16
"""Files of a folder that are opened to tell what it holds."""


def find(source: Path) -> list[Path]:
    """Return the HDF5 files in ``source``, a file or a folder, in the order of the numbers in their names.

    Folders in it are searched too, but no hidden ones, and no links to folders. Raises UsageError for far too many.
    """
    if source.is_file():
        return [source]
    found = list(islice(_walk(source), _MOST + 1))
    if len(found) > _MOST:
        raise UsageError(f"{source} holds more than {_MOST} HDF5 files: name a folder of one data set.")
    return sorted(found, key=lambda path: _by_numbers(str(path.relative_to(source))))


def recognises(source: Path, what: str, holds: Callable[[Any], bool]) -> bool:
    """Whether ``source`` is an HDF5 file for which ``holds`` is true, or a folder with one among its first files.

    ``holds`` is given the open file. What a2g recorded itself is no data set of another program's.
    Raises RecordingError for a file that is damaged, or a folder in which every one is.
    """
    files = find(source) if source.is_file() or source.is_dir() else []
    failed: Exception | None = None
    for path in files[:_LOOKED_AT]:
        try:
            if not h5py.is_hdf5(path):
                continue
            with untrusted.opened(path) as file:
                if schema.MARK not in file.attrs and holds(file):
                    return True
                files = []  # one of them is sound
        except storage.UNREADABLE as error:
            failed = error
    if failed is not None and files:
        with storage.reading(source, what):
            raise failed
    return False


def episodes(source: Path, each: Callable[[Any, Path, str], Sequence[SourceEpisode]]) -> SourceEpisodes:
    """Yield what ``each`` makes of every HDF5 file in ``source``: of the open file, its path, and what a person finds it by.

    A file that cannot be opened, or of which ``each`` can make nothing, is an episode that cannot be loaded:
    others may be sound.
    A folder's recordings of a2g's own are passed over.
    """
    for path in find(source):
        name = path.name if path == source else str(path.relative_to(source))
        with ExitStack() as stack:
            try:
                file = stack.enter_context(untrusted.opened(path))
                if schema.MARK in file.attrs and path != source:
                    continue
                found = each(file, path, name)
            except storage.UNREADABLE as error:
                yield SourceEpisode(name, partial(_fail, error))
                continue
            yield from found


def _fail(error: Exception) -> Incoming:
    raise error


def _walk(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        below = len(Path(place).relative_to(folder).parts)
        folders[:] = [name for name in sorted(folders) if not name.startswith(".")] if below < _DEEPEST else []
        for name in files:
            if name.lower().endswith(SUFFIXES) and not name.startswith("."):
                yield Path(place) / name


def _by_numbers(text: str) -> list[tuple[int, int, str]]:
    """Return a key that puts ``episode_10`` behind ``episode_2``."""
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d{1,18})", text) if part]
