"""What a person may say about another program's data, and its episodes, each of which is read only when it is asked for."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from a2g_cli.core.errors import UsageError
from a2g_cli.data.formats.incoming import Incoming

ColourOrder = Literal["auto", "rgb", "bgr"]


@dataclass(frozen=True)
class ReadOptions:
    """How another program's data are read. Each format uses what applies to it."""

    rate: float | None = None
    """Control rate where the source does not say, or says it wrong [Hz]."""
    cameras: tuple[str, ...] = ()
    """The cameras to read, as they are named there; empty: all that a recording can hold."""
    columns: tuple[str, ...] = ()
    """The numbers to read as proprioception, as they are named there; empty: the format's own choice."""
    colour_order: ColourOrder = "auto"
    """Order of the colours in compressed pictures; auto: as the file itself shows it."""


DEFAULTS = ReadOptions()


def check_nothing_chosen(options: ReadOptions) -> None:
    """Raise UsageError where only some of an export of a2g's own are asked for, from a format that gives it back whole."""
    if options.cameras or options.columns:
        raise UsageError(
            "--cameras and --columns choose from other programs' data: this is an export of a2g's own, and is imported whole."
        )


@dataclass(frozen=True)
class SourceEpisode:
    """One episode of the source, not read yet."""

    name: str
    """What a person finds it by: ``demo_3``, ``episode 12``, a file's name."""
    load: Callable[[], Incoming]
    """Reads it. Raises what its format's reader raises: whoever calls it does so within ``storage.reading``."""


SourceEpisodes = Iterator[SourceEpisode]
"""In their order. An episode is read before the next one is asked for: its file is closed then."""
