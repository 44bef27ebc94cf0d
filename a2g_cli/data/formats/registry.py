"""The recording formats of other programs that a2g exports to and imports from.

Formats are plugins: each is a ``Format`` in the entry-point group ``a2g.formats``. The modules that read and write are
imported when they are used.
"""

import importlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from a2g_cli.core import plugins
from a2g_cli.core.errors import PluginError, UsageError
from a2g_cli.data.formats.reading import DEFAULTS, ReadOptions, SourceEpisode
from a2g_cli.data.recording.reader import Recording


@dataclass(frozen=True)
class Format:
    """One format."""

    name: str
    """The same as its entry point's."""
    holds: str
    """What an export makes, in words."""
    module: str
    """Dotted name of the module that has ``write(paths, target, lossless) -> notes``."""
    reader: str
    """Dotted name of the module that has ``recognises(source)`` and ``read(source, options)``."""
    suffix: str
    """The file's ending; empty for a folder."""
    loses: str
    """What an export cannot carry to the other program, and what of that a2g's own import finds again."""
    order: int = 100
    """``detect`` asks the formats in this order, low first, then by name."""

    def write(self, paths: Sequence[Path], target: Path, lossless: bool) -> list[str]:
        """Write recordings to ``target``, all of them or nothing; return notes for the user. Raises A2GError."""
        with self._calling("write"):
            notes: list[str] = importlib.import_module(self.module).write(paths, target, lossless)
        return notes + ["depth is left out"] * any(_has_depth(path) for path in paths)

    def read(self, source: Path, options: ReadOptions = DEFAULTS) -> Iterator[SourceEpisode]:
        """Yield the episodes in ``source``, which are loaded later. Raises A2GError."""
        with self._calling("read"):
            yield from importlib.import_module(self.reader).read(source, options)

    def recognises(self, source: Path) -> bool:
        """Whether ``source`` looks like this format. Raises RecordingError if it does and is damaged."""
        with self._calling("recognises"):
            return bool(importlib.import_module(self.reader).recognises(source))

    def _calling(self, call: str) -> AbstractContextManager[None]:
        own = self.module.partition(".")[0] == __name__.partition(".")[0]
        return plugins.calling(f"format {self.name!r}", call, own, PluginError)


_LEFT = "the last frame, which no action follows, and the goal"
_FORMATS = __name__.rpartition(".")[0]

ROBOMIMIC = Format(
    name="robomimic",
    holds="one HDF5 file, data/demo_0 upwards, frames compressed as in the recordings",
    module=f"{_FORMATS}.robomimic",
    reader=f"{_FORMATS}.robomimic",
    suffix=".hdf5",
    loses="nothing; the goal and the time stamps are in it, and robomimic ignores them",
    order=0,
)
LEROBOT = Format(
    name="lerobot",
    holds="a LeRobot dataset v3: Parquet and MP4",
    module=f"{_FORMATS}.lerobot",
    reader=f"{_FORMATS}.lerobot_read",
    suffix="",
    loses=f"pixels, slightly, unless --lossless; times on LeRobot's grid (the true ones in a2g.time); {_LEFT}: "
    "both in meta/a2g",
    order=1,
)
ALOHA = Format(
    name="aloha",
    holds="a folder of HDF5 files, episode_0.hdf5 upwards",
    module=f"{_FORMATS}.aloha",
    reader=f"{_FORMATS}.aloha",
    suffix="",
    loses=f"true times; {_LEFT}: all of them in the group a2g",
    order=2,
)
RERUN = Format(
    name="rerun",
    holds="for Rerun's viewer: NAME.rrd of one recording, or a folder of them",
    module=f"{_FORMATS}.rerun",
    reader=f"{_FORMATS}.rerun_read",
    suffix="",
    loses="nothing; every frame is a PNG, on the robot's clock and on the steps",
    order=3,
)


def _has_depth(path: Path) -> bool:
    with Recording(path) as recording:
        return bool(recording.spec.depth)


def find(name: str) -> Format:
    """Return the format called ``name``. Raises UnknownNameError, PluginError."""
    form: Any = plugins.load("format", name)
    if not isinstance(form, Format):
        raise PluginError(f"format {name!r} is not a {__name__}.Format, as its entry point must be.")
    return form


def detect(source: Path) -> Format:
    """Return the format of ``source``.

    Raises:
        UsageError: it does not exist, or no format recognises it.
        RecordingError: it looks like one of the formats and is damaged.
    """
    if not source.exists():
        raise UsageError(f"{source} does not exist: name a file or folder of another program's recordings.")
    if (form := foreign(source)) is not None:
        return form
    names, broken = ", ".join(plugins.known("format")), "".join(f" {error}" for error in _usable()[1])
    raise UsageError(f"{source} looks like none of the formats {names}: name its format with --format.{broken}")


def foreign(source: Path) -> Format | None:
    """Return the format of ``source``; None if it does not exist, or no format recognises it.

    Raises:
        RecordingError: it looks like one of the formats and is damaged.
    """
    if not source.exists():
        return None
    return next((form for form in _usable()[0] if form.recognises(source)), None)


def _usable() -> tuple[list[Format], list[PluginError]]:
    """Return the formats that can be imported, in order, and the errors of the others."""
    formats, errors = [], []
    for name in plugins.known("format"):
        try:
            formats.append(find(name))
        except PluginError as error:
            errors.append(error)
    return sorted(formats, key=lambda form: form.order), errors
