"""Finds the HDF5 files of another program's data set, recognises them, and yields their episodes, one file open at a time."""

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
"""Levels of folders that are searched."""
_MOST = 100_000
"""Most files of a data set."""
_LOOKED_AT = 16
"""Files of a folder that are opened to recognise its format."""


def find(source: Path) -> list[Path]:
    """Return the HDF5 files in ``source``, a file or a folder, in the order of the numbers in their names.

    Folders in it are searched too, except hidden ones and links. Raises UsageError for too many files.
    """
    if source.is_file():
        return [source]
    found = list(islice(_walk(source), _MOST + 1))
    if len(found) > _MOST:
        raise UsageError(f"{source} holds more than {_MOST} HDF5 files: name a folder of one data set.")
    return sorted(found, key=lambda path: _by_numbers(str(path.relative_to(source))))


def recognises(source: Path, what: str, holds: Callable[[Any], bool]) -> bool:
    """Whether ``source`` is an HDF5 file for which ``holds`` is true, or a folder with one among its first files.

    ``holds`` gets the open file. Recordings of a2g do not count.
    Raises RecordingError for a damaged file, or for a folder in which every file is damaged.
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
                files = []  # this one is sound: damage is not reported
        except storage.UNREADABLE as error:
            failed = error
    if failed is not None and files:
        with storage.reading(source, what):
            raise failed
    return False


def episodes(source: Path, each: Callable[[Any, Path, str], Sequence[SourceEpisode]]) -> SourceEpisodes:
    """Yield the episodes that ``each`` returns for every HDF5 file in ``source``, given the open file, its path and its name.

    A file that cannot be read becomes an episode that fails when it is loaded: other files may be sound.
    a2g's own recordings in a folder are skipped.
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
    """Return a sort key that puts ``episode_10`` after ``episode_2``."""
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d{1,18})", text) if part]
