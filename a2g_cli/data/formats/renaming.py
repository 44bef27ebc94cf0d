"""Gives the actions and measured values of imported episodes other names, and units: ``--rename action.0=dx:m``."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from a2g_cli.core.errors import RecordingError, UsageError
from a2g_cli.data.formats.incoming import Incoming


@dataclass(frozen=True)
class NewName:
    """What an action or a measured value is called from now on."""

    name: str
    unit: str | None
    """None: as it was."""


Renames = dict[str, NewName]
"""The source's name -> the new one."""


def parse_renames(given: Sequence[str]) -> Renames:
    """Return the renames ``OLD=NEW`` or ``OLD=NEW:UNIT``. Raises UsageError."""
    renames: Renames = {}
    for text in given:
        old, equals, new = text.partition("=")
        name, _, unit = new.partition(":")
        if not (old and equals and name):
            raise UsageError(f"--rename {text!r}: expected OLD=NEW or OLD=NEW:UNIT, as in action.0=dx:m.")
        if old in renames:
            raise UsageError(f"--rename {old}=… is given twice: leave one out.")
        renames[old] = NewName(name, unit or None)
    return renames


def renamed(episode: Incoming, renames: Renames) -> Incoming:
    """Return ``episode`` with other names. Raises RecordingError for a name that it does not have, or has twice then."""
    spec = episode.spec
    there = (*spec.action_names, *spec.proprioception_names)
    if unknown := [old for old in renames if old not in there]:
        raise RecordingError(f"--rename names {', '.join(unknown)}; it has: {', '.join(there)}")
    actions, action_units = _each(spec.action_names, spec.action_units, renames)
    measured, units = _each(spec.proprioception_names, spec.proprioception_units, renames)
    for names in (actions, measured):
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise RecordingError(f"after --rename two values are called {', '.join(twice)}")
    return replace(
        episode,
        spec=replace(
            spec,
            action_names=actions,
            action_units=action_units,
            proprioception_names=measured,
            proprioception_units=units,
        ),
    )


def _each(names: tuple[str, ...], units: tuple[str, ...], renames: Renames) -> tuple[tuple[str, ...], tuple[str, ...]]:
    new = [renames.get(name, NewName(name, None)) for name in names]
    return tuple(one.name for one in new), tuple(one.unit or unit for one, unit in zip(new, units, strict=True))
