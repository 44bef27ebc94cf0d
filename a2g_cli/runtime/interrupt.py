"""Ctrl-C, SIGTERM and a closed terminal: the first signal asks for a clean end, a second one forces it."""

import signal
import threading
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any, Self


def insists(heard: Sequence[int], number: int) -> bool:
    """Whether signal ``number`` forces the end that earlier signals (``heard``) have asked for.

    A closed terminal never forces it: the system and the shell each send a SIGHUP, and ending the login session sends a
    SIGTERM after it.
    """
    if not heard or number == signal.SIGHUP:
        return False
    return number == signal.SIGINT or any(before != signal.SIGHUP for before in heard)


class Ending:
    """While open, SIGINT, SIGTERM and SIGHUP raise KeyboardInterrupt, so that everything open is closed.

    After the first one, only a signal that ``insists`` raises another. A signal that is handled already, or ignored as
    under ``nohup``, is left alone.
    """

    def __init__(self) -> None:
        self.heard: list[int] = []
        """The signals that came during this command, including those of an ``Interrupt`` inside it."""
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
            # A second SIGHUP while the program ends must not change how it ends.
            done = bool(self.heard) and not insists(self.heard, number)
            signal.signal(number, signal.SIG_IGN if done else handler)


class Interrupt:
    """While open, the first SIGINT, SIGTERM or SIGHUP only sets ``requested``; one that ``insists`` raises KeyboardInterrupt.

    A SIGHUP that is ignored, as under ``nohup``, stays ignored. ``request`` does what the first signal does.

    ``notify`` is called once, by the first call that finds the request, not by the signal handler: that may run in the middle
    of a print, where a second print raises "reentrant call".
    """

    def __init__(self, notify: Callable[[], None] | None = None) -> None:
        self.requested = False
        self.who = ""
        """Who asked for the end, where that was not a signal."""
        self._notify = notify
        self._heard: list[int] = []
        self._before: dict[signal.Signals, Any] = {}

    def __call__(self) -> bool:
        """Return whether the end was requested; the first call that finds it so calls ``notify``."""
        if self.requested and self._notify is not None:
            notify, self._notify = self._notify, None
            notify()
        return self.requested

    def request(self, who: str) -> None:
        """Ask for a clean end, from any thread; ``who`` asks, in words. A signal that comes later is a first one."""
        if not self.requested:
            self.who, self.requested = who, True

    def words(self) -> str:
        """Return what a person is told when the end was requested."""
        asked = f", as {self.who} asked" if self.who else ""
        return f"stopping{asked}: finishing the step, saving …"

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
        for outer in {ending for ending in map(_ending_of, self._before.values()) if ending is not None}:
            outer.heard += self._heard
        for number, handler in self._before.items():
            signal.signal(number, handler)


def _ending_of(handler: object) -> Ending | None:
    owner = getattr(handler, "__self__", None)
    return owner if isinstance(owner, Ending) else None
