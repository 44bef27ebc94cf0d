"""What the command line says about safety: ``--safety KEY=VALUE`` over the workspace's limits, and the key to hold."""

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
    """Return ``limits`` with what ``--safety`` and ``--deadman-key`` say over them.

    Args:
        limits: of the workspace.
        words: each ``KEY=VALUE``, or ``KEY.NAME=VALUE`` for limits by name, with the keys of ``[safety]`` in a2g.toml.
        hold: key that must be held down; None leaves it to ``limits``.

    Raises:
        UnknownNameError: no such key.
        UsageError: a value that is no number, or none that could be meant.
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
        raise UsageError(f"--safety {word}: {text!r} is no {'whole ' if whole else ''}number.") from error
    if math.isnan(value):
        raise UsageError(f"--safety {word}: {text!r} is no number.")
    return value


@contextmanager
def deadman_key(limits: SafetyLimits) -> Iterator[tuple[Held, Callable[[Callable[[], bool]], bool]]]:
    """Give the dead-man's switch, and a function that waits until its key is held. Raises UsageError without a terminal."""
    if limits.hold_key is None:
        yield always_held, lambda _: True
        return
    with HoldKey(limits.hold_key) as key:

        def wait(interrupted: Callable[[], bool]) -> bool:
            if not key():
                say(stderr_console(), f"hold {limits.hold_key} down to let the robot move; let go to stop it.", "bold")
            return key.wait(interrupted)

        yield key, wait


PATIENCE = 300.0
"""For a person to put the scene back [s]."""


def ask_for_key(seconds: float, told: Callable[[str], None], interrupted: Callable[[], bool]) -> Callable[[str], bool]:
    """Return a question: told to a person, who answers with Enter within ``seconds`` [s]; False when interrupted meanwhile.

    What it returns raises A2GError when nobody answers in time.
    """

    def ask(goal: str) -> bool:
        told(f"put the scene back for {goal}, step away, then press Enter (within {seconds:g} s)")
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if interrupted():
                return False
            if select.select([sys.stdin], [], [], 0.1)[0]:
                if line_typed():
                    return True
                break  # the end of the input: nobody is there
        raise A2GError(
            f"nobody put the scene back for {goal} within {seconds:g} s: the run ends here, its episodes are kept."
        )

    return ask
