"""Time as something injected: a simulation steps it, hardware sleeps on it."""

import time
from typing import Protocol


class Clock(Protocol):
    """Seconds that only grow. A robot owns one; the session asks it to wait."""

    def now(self) -> float:
        """Return the time on this clock [s]."""

    def sleep_until(self, moment: float) -> None:
        """Return when ``now() >= moment`` [s]."""


def goes_on(clock: Clock) -> bool:
    """Whether time goes on by itself while somebody thinks: a clock says so by ``real = True``; others are waited for."""
    return bool(getattr(clock, "real", False))


class WallClock:
    """The machine's monotonic clock, for hardware."""

    real = True

    def now(self) -> float:
        """Return the time on this clock [s]."""
        return time.monotonic()

    def sleep_until(self, moment: float) -> None:
        """Sleep until ``moment`` [s]; return at once when it has passed."""
        remaining = moment - time.monotonic()
        if remaining > 0:
            time.sleep(remaining)


class SteppedClock:
    """A clock that moves only when it is told to: the simulator advances it as physics goes on."""

    def __init__(self) -> None:
        self._now = 0.0

    def now(self) -> float:
        """Return the time on this clock [s]."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Move on by ``seconds`` [s]."""
        self._now += seconds

    def sleep_until(self, moment: float) -> None:
        """Jump to ``moment`` [s]: nobody has to wait for a simulation."""
        self._now = max(self._now, moment)
