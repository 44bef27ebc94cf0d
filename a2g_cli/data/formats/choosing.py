"""Which cameras and columns of another program's data are read: all that a recording can hold, or those that were named."""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import TypeVar

from a2g_cli.core.errors import UsageError

T = TypeVar("T")

_NAMED = 30
"""Names in one line."""


def choose(option: str, wanted: Sequence[str], usable: Mapping[str, T], unusable: Mapping[str, str]) -> dict[str, T]:
    """Return ``usable``, or those of them that are ``wanted``, in the order in which they were named.

    Args:
        option: what the names were given to, for messages: ``--cameras``.
        wanted: names as they were typed; none: all.
        usable: name -> what it stands for.
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
    """Return a line for each reason, which names all that was left out for it; ``left_out`` is name -> reason."""
    together: dict[str, dict[str, str]] = {}
    for name, reason in left_out.items():
        together.setdefault(reason, {})[name] = reason
    return tuple(f"left out: {listed(names)} ({reason})" for reason, names in together.items())


def listed(names: Mapping[str, object]) -> str:
    """Return names in one line, not more than a person reads."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(name[:80] for name in islice(names, _NAMED)) + more
