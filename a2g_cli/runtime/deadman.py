"""The dead-man's switch: nothing moves unless a person holds a key down at the terminal.

A terminal tells of keys, not of their release: a held key repeats, and one that has not come for a second was let go. That
is a help, not an emergency stop: keep the hardware one within reach.
"""

import os
import select
import sys
import termios
import threading
import time
import tty
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Self

from a2g_cli.core.errors import UsageError

PATIENCE = 1.0
"""A key that did not come for so long was let go [s]: keyboards wait up to 0.7 s before they repeat."""

_NAMED = {"space": " ", "enter": "\n", "tab": "\t"}


class HoldKey:
    """While open, reads the terminal key by key. Ctrl-C still asks for a good ending.

    Args:
        key: one printable character, or ``space``, ``enter``, ``tab``.
        descriptor: of the terminal; standard input's, if not given.

    Raises:
        UsageError: no such key, or there is no terminal at which it could be held.
    """

    def __init__(self, key: str, descriptor: int | None = None) -> None:
        character = _NAMED.get(key, key)
        if len(character) != 1 or not (character.isprintable() or key in _NAMED):
            raise UsageError(f"{key!r} is no key to hold: expected one character, or {', '.join(_NAMED)}.")
        self._key, self._name = character.encode(), key
        self._terminal = sys.stdin.fileno() if descriptor is None else descriptor
        if not os.isatty(self._terminal):
            raise UsageError(
                f"nobody can hold {key!r}: standard input is no terminal. Leave --deadman-key out, or run it in one."
            )
        self._pressed = -float("inf")
        self._over = threading.Event()
        self._before: list[Any] = []

    def __call__(self) -> bool:
        """Whether the key is held now."""
        return time.monotonic() - self._pressed < PATIENCE

    def wait(self, interrupted: Callable[[], bool] = lambda: False) -> bool:
        """Return when the key is held: True, or False when an ending was asked for meanwhile."""
        while not self():
            if interrupted():
                return False
            time.sleep(0.02)
        return True

    def _listen(self) -> None:
        while not self._over.is_set():
            if not select.select([self._terminal], [], [], 0.05)[0]:
                continue
            try:
                typed = os.read(self._terminal, 1024)
            except OSError:  # the terminal hung up
                typed = b""
            if not typed:
                return  # nobody can hold a key any more: it counts as let go
            if self._key in typed:
                self._pressed = time.monotonic()

    def __enter__(self) -> Self:
        self._before = termios.tcgetattr(self._terminal)
        tty.setcbreak(self._terminal)
        self._thread = threading.Thread(target=self._listen, name="hold-key", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        with suppress(termios.error):  # a terminal that hung up has nothing to be put back
            termios.tcsetattr(self._terminal, termios.TCSADRAIN, self._before)
