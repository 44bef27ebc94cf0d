"""Ctrl-C, SIGTERM and a terminal that closes: the first asks for a good ending, the second insists."""

import signal
from collections.abc import Callable
from types import FrameType
from typing import Any, Self


class Interrupt:
    """While open, the first SIGINT, SIGTERM or SIGHUP only sets ``requested``; the next one raises KeyboardInterrupt.

    A SIGHUP that is ignored, as under ``nohup``, stays so.

    ``told`` is called once, by whoever asks first whether an ending was requested, never by the handler: that one may run in
    the middle of a print, and a second print inside it raises "reentrant call".
    """

    def __init__(self, told: Callable[[], None] | None = None) -> None:
        self.requested = False
        self._told = told
        self._before: dict[signal.Signals, Any] = {}

    def __call__(self) -> bool:
        """Return whether an ending was asked for; the first to learn it tells the person."""
        if self.requested and self._told is not None:
            told, self._told = self._told, None
            told()
        return self.requested

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                continue
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
