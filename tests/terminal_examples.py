"""A program at a real pseudo-terminal, which is closed while it runs."""

import os
import pty
import select
import termios
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

from processes import Forked

PATIENCE = 120.0
"""[s]; a slow machine starts a process in several."""


class AtATerminal:
    """``a2g words...`` as the foreground program of a terminal of its own; a session leader, as under ``ssh host a2g``."""

    def __init__(self, *words: object, env: Mapping[str, str] | None = None, module: str = "a2g_cli") -> None:
        self._ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (40, 100))
        self.process = Forked(*words, module=module, env={"TERM": "xterm-256color", **(env or {})}, terminal=theirs)
        os.close(theirs)
        self.seen = b""
        self.open = True

    def read_until(self, there: Callable[[], bool]) -> None:
        """Read what the program shows until something is so."""
        end = time.monotonic() + PATIENCE
        while not there():
            assert self.process.poll() is None, self.seen.decode(errors="replace")
            assert time.monotonic() < end, self.seen.decode(errors="replace")
            if self.open and select.select([self._ours], [], [], 0.02)[0]:
                self.seen += os.read(self._ours, 65536)
            elif not self.open:
                time.sleep(0.02)

    def close(self) -> None:
        """Close the terminal: its system sends SIGHUP, and every write fails from now on."""
        self.open = False
        os.close(self._ours)

    def ended(self) -> int:
        """Return the exit code."""
        return self.process.wait(PATIENCE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.open:
            os.close(self._ours)
        self.process.kill()
        self.process.wait()


def written(folder: Path, at_least: int) -> Callable[[], bool]:
    """Return whether an episode that is no held-out trial is under way below ``folder``, with so many bytes [bytes]."""

    def under_way() -> bool:
        partial = [path for path in folder.rglob("*.partial") if "held-out" not in path.parts]
        return sum(path.stat().st_size for path in partial) >= at_least

    return under_way
