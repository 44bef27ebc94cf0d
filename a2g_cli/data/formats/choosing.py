"""Chooses the cameras and columns to read from another program's data: all that are usable, or those that the user named."""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import TypeVar

from a2g_cli.core.errors import UsageError

T = TypeVar("T")

_NAMED = 30
"""Most names in one line."""


def choose(option: str, wanted: Sequence[str], usable: Mapping[str, T], unusable: Mapping[str, str]) -> dict[str, T]:
    """Return the ``wanted`` ones of ``usable``, in the order of ``wanted``; all of them if none is named.

    Args:
        option: the option that named them, for messages: ``--cameras``.
        wanted: names as they were typed.
        usable: name -> value.
        unusable: name -> why it cannot be read.

    Raises:
        UsageError: a name that the data do not have, or one that cannot be read.
    """
    if not wanted:
        return dict(usable)
    for name in wanted:
        if name in unusable:
            raise UsageError(f"{option} {name}: it cannot be read, {unusable[name]}.")
        if name not in usable:
            raise UsageError(f"{option} {name}: the data have no such name. They have {listed(usable) or 'none'}.")
    return {name: usable[name] for name in wanted}


def left_out_notes(left_out: Mapping[str, str]) -> tuple[str, ...]:
    """Return one line per reason, with all names that were left out for it; ``left_out`` is name -> reason."""
    together: dict[str, dict[str, str]] = {}
    for name, reason in left_out.items():
        together.setdefault(reason, {})[name] = reason
    return tuple(f"left out: {listed(names)} ({reason})" for reason, names in together.items())


def listed(names: Mapping[str, object]) -> str:
    """Return the first names in one line, and how many more there are."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(name[:80] for name in islice(names, _NAMED)) + more
