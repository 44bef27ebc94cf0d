"""Ctrl-C, SIGTERM and a terminal that closes: the first asks for a good ending, the second insists."""

import signal
import threading
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any, Self


def insists(heard: Sequence[int], number: int) -> bool:
    """Whether signal ``number`` insists on an ending that ``heard`` asked for already.

    A terminal that closes never insists: its system and its shell each send a SIGHUP, and what tears a login session down
    sends a SIGTERM after it.
    """
    if not heard or number == signal.SIGHUP:
        return False
    return number == signal.SIGINT or any(before != signal.SIGHUP for before in heard)


class Ending:
    """While open, SIGINT, SIGTERM and SIGHUP raise KeyboardInterrupt wherever the program stands: what is open is closed.

    While that goes on only a signal that ``insists`` raises another one. A signal that somebody handles already, or that is
    ignored as under ``nohup``, stays so.
    """

    def __init__(self) -> None:
        self.heard: list[int] = []
        """The signals of this command, those of an ``Interrupt`` inside it included."""
        self._before: dict[signal.Signals, Any] = {}

    def handle(self, number: int, _frame: FrameType | None) -> None:
        """Handle a signal."""
        first, insisting = not self.heard, insists(self.heard, number)
        self.heard.append(number)
        if first or insisting:
            raise KeyboardInterrupt

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                    self._before[number] = signal.signal(number, self.handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            # A second SIGHUP that comes while the program says goodbye must not end it in another way either.
            done = bool(self.heard) and not insists(self.heard, number)
            signal.signal(number, signal.SIG_IGN if done else handler)


class Interrupt:
    """While open, the first SIGINT, SIGTERM or SIGHUP only sets ``requested``; one that ``insists`` raises KeyboardInterrupt.

    A SIGHUP that is ignored, as under ``nohup``, stays so.

    ``told`` is called once, by whoever asks first whether an ending was requested, never by the handler: that one may run in
    the middle of a print, and a second print inside it raises "reentrant call".
    """

    def __init__(self, told: Callable[[], None] | None = None) -> None:
        self.requested = False
        self._told = told
        self._heard: list[int] = []
        self._before: dict[signal.Signals, Any] = {}

    def __call__(self) -> bool:
        """Return whether an ending was asked for; the first to learn it tells the person."""
        if self.requested and self._told is not None:
            told, self._told = self._told, None
            told()
        return self.requested

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        insisting = insists(self._heard, number)
        self._heard.append(number)
        self.requested = True
        if insisting:
            raise KeyboardInterrupt

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                continue
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for outer in {one for one in map(_ending_of, self._before.values()) if one is not None}:
            outer.heard += self._heard
        for number, handler in self._before.items():
            signal.signal(number, handler)


def _ending_of(handler: object) -> Ending | None:
    owner = getattr(handler, "__self__", None)
    return owner if isinstance(owner, Ending) else None
