"""The registry of formats: names, what each cannot carry, and where its code is, which is imported when it is used."""

import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from a2g_cli.core.errors import UnknownNameError, UsageError
from a2g_cli.data.formats.reading import DEFAULTS, ReadOptions, SourceEpisode
from a2g_cli.data.recording.reader import Recording


@dataclass(frozen=True)
class Format:
    """One format. Its module has ``write(paths, target, lossless)``; its reader ``recognises(source)`` and
    ``read(source, options)``."""

    name: str
    holds: str
    """What an export makes, in words."""
    module: str
    reader: str
    suffix: str
    """The file's ending; empty for a folder."""
    loses: str
    """What an export cannot carry to the other program; what only a2g's own import finds again is said beside it."""

    def write(self, paths: Sequence[Path], target: Path, lossless: bool) -> list[str]:
        """Write recordings to ``target``, whole or not at all; return what there is to say. Raises A2GError."""
        notes: list[str] = self._load(self.module).write(paths, target, lossless)
        return notes + ["depth is left out"] * any(_has_depth(path) for path in paths)

    def read(self, source: Path, options: ReadOptions = DEFAULTS) -> Iterator[SourceEpisode]:
        """Yield the episodes in ``source``, each still to be loaded. Raises A2GError."""
        episodes: Iterator[SourceEpisode] = self._load(self.reader).read(source, options)
        return episodes

    def recognises(self, source: Path) -> bool:
        """Whether ``source`` looks like this format. Raises RecordingError for what looks like it and is damaged."""
        found: bool = self._load(self.reader).recognises(source)
        return found

    def _load(self, module: str) -> Any:
        return importlib.import_module(f"a2g_cli.data.formats.{module}")


_LEFT = "the last frame, which no action follows, and the goal"

FORMATS = {
    form.name: form
    for form in (
        Format(
            "robomimic",
            "one HDF5 file, data/demo_0 upwards, frames as they are packed",
            "robomimic",
            "robomimic",
            ".hdf5",
            "nothing; goal and true times are in it, and robomimic passes over them",
        ),
        Format(
            "lerobot",
            "a LeRobot dataset v3: Parquet and MP4",
            "lerobot",
            "lerobot_read",
            "",
            f"pixels, slightly, unless --lossless; times on LeRobot's grid (the true ones in a2g.time); {_LEFT}: "
            "both in meta/a2g",
        ),
        Format(
            "aloha",
            "a folder of HDF5 files, episode_0.hdf5 upwards",
            "aloha",
            "aloha",
            "",
            f"true times; {_LEFT}: all of them in the group a2g",
        ),
        Format(
            "rerun",
            "for Rerun's viewer: NAME.rrd of one recording, or a folder of them",
            "rerun",
            "rerun_read",
            "",
            "nothing; every frame is a PNG, on the robot's clock and on the steps",
        ),
    )
}


def _has_depth(path: Path) -> bool:
    with Recording(path) as recording:
        return bool(recording.spec.depth)


def find(name: str) -> Format:
    """Return the format ``name``. Raises UnknownNameError."""
    if name not in FORMATS:
        raise UnknownNameError("format", name, FORMATS)
    return FORMATS[name]


def detect(source: Path) -> Format:
    """Return the format that ``source`` looks like.

    Raises:
        UsageError: none of them, or there is no such place.
        RecordingError: it looks like one of them and is damaged.
    """
    if not source.exists():
        raise UsageError(f"{source} does not exist: name a file or folder of another program's recordings.")
    if (form := foreign(source)) is not None:
        return form
    raise UsageError(f"{source} is none of {', '.join(FORMATS)}, as far as one can see: --format says which.")


def foreign(source: Path) -> Format | None:
    """Return the format that ``source`` looks like; None where there is nothing, or nothing of another program's.

    Raises:
        RecordingError: it looks like one of them and is damaged.
    """
    return next((form for form in FORMATS.values() if source.exists() and form.recognises(source)), None)
