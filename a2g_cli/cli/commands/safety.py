"""The safety options of the command line: ``--safety KEY=VALUE``, and the dead-man's key."""

import math
import select
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from typing import Any

from a2g_cli.cli.commands.prompts import line_typed
from a2g_cli.core.errors import A2GError, UnknownNameError, UsageError
from a2g_cli.core.safety_limits import SafetyLimits
from a2g_cli.display.console import stderr_console
from a2g_cli.display.lines import say
from a2g_cli.runtime.deadman import HoldKey
from a2g_cli.runtime.safety.guards import Held, always_held

_FIELDS = {
    field.name: getattr(SafetyLimits(), field.name) for field in fields(SafetyLimits) if field.name != "hold_key"
}


def limits_from(limits: SafetyLimits, words: Sequence[str], hold: str | None) -> SafetyLimits:
    """Return ``limits``, changed by ``--safety`` and ``--deadman-key``.

    Args:
        limits: those of the workspace.
        words: each ``KEY=VALUE``, or ``KEY.NAME=VALUE`` for limits by name; keys as in ``[safety]`` of a2g.toml.
        hold: key that must be held down; None: that of ``limits``.

    Raises:
        UnknownNameError: no such key.
        UsageError: not a number, or a number out of range.
    """
    changed: dict[str, Any] = {}
    for word in words:
        key, equals, text = word.partition("=")
        table, dot, name = key.partition(".")
        if table not in _FIELDS:
            raise UnknownNameError("safety limit", table, _FIELDS)
        by_name = isinstance(_FIELDS[table], Mapping)
        if not equals or bool(dot and name) != by_name:
            expected = f"{table}.NAME=VALUE" if by_name else f"{table}=VALUE"
            raise UsageError(f"--safety {word}: expected {expected}.")
        value = _number(word, text, whole=isinstance(_FIELDS[table], int))
        if by_name:
            changed.setdefault(table, dict(getattr(limits, table)))[name] = value
        else:
            if value < 0:
                raise UsageError(f"--safety {word}: expected 0 or more.")
            changed[table] = value
    if hold is not None:
        changed["hold_key"] = hold
    return replace(limits, **changed)


def _number(word: str, text: str, whole: bool) -> float:
    try:
        value = int(text) if whole else float(text)
    except ValueError as error:
        raise UsageError(f"--safety {word}: {text!r} is not a {'whole ' if whole else ''}number.") from error
    if math.isnan(value):
        raise UsageError(f"--safety {word}: {text!r} is not a number.")
    return value


@contextmanager
def deadman_key(limits: SafetyLimits) -> Iterator[tuple[Held, Callable[[Callable[[], bool]], bool]]]:
    """Yield the dead-man's switch, and a function that waits until its key is held. Raises UsageError without a terminal."""
    if limits.hold_key is None:
        yield always_held, lambda _: True
        return
    with HoldKey(limits.hold_key) as key:

        def wait(interrupted: Callable[[], bool]) -> bool:
            if not key():
                say(stderr_console(), f"Hold {limits.hold_key} down to let the robot move; release it to stop.", "bold")
            return key.wait(interrupted)

        yield key, wait


PATIENCE = 300.0
"""Time for a person to put the scene back [s]."""


def ask_for_key(seconds: float, told: Callable[[str], None], interrupted: Callable[[], bool]) -> Callable[[str], bool]:
    """Return a function that asks a person to put the scene back, and waits ``seconds`` [s] for Enter.

    It returns False if it is interrupted, and raises A2GError if nobody answers in time.
    """

    def ask(goal: str) -> bool:
        told(f"Put the scene back for {goal}, step away, then press Enter (within {seconds:g} s).")
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if interrupted():
                return False
            if select.select([sys.stdin], [], [], 0.1)[0]:
                if line_typed():
                    return True
                break  # the end of the input
        raise A2GError(
            f"nobody confirmed within {seconds:g} s that the scene is put back for {goal}. The run ends; its episodes are "
            "kept."
        )

    return ask
