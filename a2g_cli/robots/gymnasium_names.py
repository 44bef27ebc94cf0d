"""Names and units of a Gymnasium robot's actions and measured values, as the user or the world declares them."""

from collections.abc import Mapping, Sequence
from typing import Any

from a2g_cli.core.errors import UsageError
from a2g_cli.robots.gymnasium_choice import WHERE

WITHOUT = "1"
"""The unit of what has none."""


def action_names(robot: str, names: Any, count: int) -> tuple[str, ...]:
    """Return the names of ``count`` actions: ``names``, or ``action.0``, ``action.1``, ... where that is None.

    Raises:
        UsageError: they are not as many different names as there are actions.
    """
    if names is None:
        return tuple(f"action.{i}" for i in range(count))
    listed = list(names) if isinstance(names, Sequence) and not isinstance(names, str) else []
    if len(listed) != count or not all(isinstance(one, str) and one for one in listed) or len(set(listed)) != count:
        raise UsageError(
            f"{robot}: actions = {names!r} {WHERE}: expected {count} different names, one for each action, "
            'as in actions = ["dx", "dy", "dz", "gripper"].'
        )
    return tuple(listed)


def units_of(robot: str, units: Any, names: Sequence[str], every: Sequence[str]) -> tuple[str, ...]:
    """Return the unit of each of ``names``; ``"1"`` where ``units`` (name -> unit) says none.

    Args:
        robot: its name, for messages.
        units: what was declared; None for nothing.
        names: actions, or measured values.
        every: all names of the robot.

    Raises:
        UsageError: it is not a table of names and texts, or names what the robot does not have.
    """
    if units is None:
        return (WITHOUT,) * len(names)
    if not isinstance(units, Mapping) or not all(isinstance(unit, str) for unit in units.values()):
        raise UsageError(f'{robot}: units = {units!r} {WHERE}: expected name -> unit, as in units = {{ x = "m" }}.')
    if unknown := [str(name) for name in units if name not in every]:
        raise UsageError(f"{robot}: units {WHERE} names {', '.join(unknown)}; it has: {', '.join(every)}.")
    return tuple(str(units.get(name, WITHOUT)) for name in names)
