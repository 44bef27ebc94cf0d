"""A line on the terminal while a command imports and loads: from the first second on it is not silent."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any

_PATIENCE = 1.0
"""A command that says something sooner needs no such line; it is redrawn as often [s]."""
_ERASED = "\r\x1b[K"


class StartingLine:
    """Says every second how long a command has been starting, until ``over`` is called."""

    def __init__(self, stream: IO[Any], patience: float) -> None:
        self._stream, self._patience = stream, patience
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._shown = False
        self._thread = threading.Thread(target=self._run, name="starting", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        seconds = 0.0
        while not self._over.wait(self._patience):
            seconds += self._patience
            with self._lock:
                if self._over.is_set():
                    return
                self._shown = True
                self._write(f"{_ERASED}starting … {seconds:.0f} s")

    def over(self) -> None:
        """Remove the line, for good; harmless when called again."""
        if self._over.is_set():
            return
        with self._lock:
            self._over.set()
            if self._shown:
                self._write(_ERASED)

    def _write(self, text: str) -> None:
        with suppress(OSError, ValueError, UnicodeEncodeError):  # the terminal has closed, or has no such letter
            self._stream.write(text)
            self._stream.flush()


@contextmanager
def starting_line(stream: IO[Any]) -> Iterator[StartingLine | None]:
    """Show the line on ``stream`` if it is a terminal that can erase; yield it, or None."""
    shown = StartingLine(stream, _PATIENCE) if stream.isatty() and os.environ.get("TERM", "dumb") != "dumb" else None
    try:
        yield shown
    finally:
        if shown is not None:
            shown.over()


def over() -> None:
    """Remove the line of the command that runs now, before it prints its report."""
    forget = getattr(sys.stderr, "over", None)
    if forget is not None:
        forget()
