"""The deadman key: the robot moves only while a person holds a key down in the terminal.

A terminal reports key presses, not releases. A held key repeats; if it has not come for a second, it counts as released.
This does not replace an emergency stop: keep the hardware one within reach.
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
"""A key that did not come for so long counts as released [s]. Keyboards wait up to 0.7 s before they repeat a key."""

_NAMED = {"space": " ", "enter": "\n", "tab": "\t"}


class HoldKey:
    """Reads the terminal key by key while open. Ctrl-C works as usual.

    Args:
        key: one printable character, or ``space``, ``enter``, ``tab``.
        descriptor: file descriptor of the terminal; None: standard input.

    Raises:
        UsageError: no such key, or no terminal.
    """

    def __init__(self, key: str, descriptor: int | None = None) -> None:
        character = _NAMED.get(key, key)
        if len(character) != 1 or not (character.isprintable() or key in _NAMED):
            raise UsageError(f"{key!r} is not a key: expected one character, or {', '.join(_NAMED)}.")
        self._key, self._name = character.encode(), key
        self._terminal = sys.stdin.fileno() if descriptor is None else descriptor
        if not os.isatty(self._terminal):
            raise UsageError(
                f"the key {key!r} cannot be held: standard input is not a terminal. Use a terminal, or leave "
                "--deadman-key out."
            )
        self._pressed = -float("inf")
        self._over = threading.Event()
        self._before: list[Any] = []

    def __call__(self) -> bool:
        """Whether the key is held now."""
        return time.monotonic() - self._pressed < PATIENCE

    def wait(self, interrupted: Callable[[], bool] = lambda: False) -> bool:
        """Wait until the key is held: True; or until ``interrupted``: False."""
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
            except OSError:  # the terminal was closed
                typed = b""
            if not typed:
                return  # the key counts as released
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
        with suppress(termios.error):  # a closed terminal needs no reset
            termios.tcsetattr(self._terminal, termios.TCSADRAIN, self._before)
