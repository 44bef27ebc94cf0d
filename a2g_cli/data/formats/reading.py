"""Options for reading another program's data, and its episodes, which are loaded one at a time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from a2g_cli.core.errors import UsageError
from a2g_cli.data.formats.incoming import Incoming

ColourOrder = Literal["auto", "rgb", "bgr"]


@dataclass(frozen=True)
class ReadOptions:
    """How another program's data are read. Each format uses the options that apply to it."""

    rate: float | None = None
    """Control rate, if the source does not say it, or says a wrong one [Hz]."""
    cameras: tuple[str, ...] = ()
    """The cameras to read, by the source's names; empty: all that a recording can hold."""
    columns: tuple[str, ...] = ()
    """The numbers to read as proprioception, by the source's names; empty: the format's default."""
    colour_order: ColourOrder = "auto"
    """Order of the colours in compressed images; auto: concluded from the file."""


DEFAULTS = ReadOptions()


def check_nothing_chosen(options: ReadOptions) -> None:
    """Raise UsageError where only some of an export of a2g's own are asked for, from a format that gives it back whole."""
    if options.cameras or options.columns:
        raise UsageError(
            "--cameras and --columns choose from other programs' data: this is an export of a2g's own, and is imported whole."
        )


@dataclass(frozen=True)
class SourceEpisode:
    """One episode of the source, not loaded yet."""

    name: str
    """Its name in the source: ``demo_3``, ``episode 12``, a file's name."""
    load: Callable[[], Incoming]
    """Loads it. Raises ``storage.UNREADABLE`` errors and RecordingError."""


SourceEpisodes = Iterator[SourceEpisode]
"""Episodes in order. Each must be loaded before the next is asked for, which closes its file."""
