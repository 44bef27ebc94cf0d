"""Clocks: a robot has one; a simulation steps it, hardware sleeps on it."""

import time
from typing import Protocol


class Clock(Protocol):
    """A time in seconds that never decreases."""

    def now(self) -> float:
        """Return the time on this clock [s]."""

    def sleep_until(self, moment: float) -> None:
        """Return when ``now() >= moment`` [s]."""


def goes_on(clock: Clock) -> bool:
    """Whether a clock runs in real time: it has ``real = True``. Other clocks stand still until they are stepped."""
    return bool(getattr(clock, "real", False))


class WallClock:
    """The machine's monotonic clock, for hardware."""

    real = True

    def now(self) -> float:
        """Return the time on this clock [s]."""
        return time.monotonic()

    def sleep_until(self, moment: float) -> None:
        """Sleep until ``moment`` [s]; return at once if it has passed."""
        remaining = moment - time.monotonic()
        if remaining > 0:
            time.sleep(remaining)


class SteppedClock:
    """A clock that the simulator advances as it steps its physics."""

    def __init__(self) -> None:
        self._now = 0.0

    def now(self) -> float:
        """Return the time on this clock [s]."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Advance by ``seconds`` [s]."""
        self._now += seconds

    def sleep_until(self, moment: float) -> None:
        """Jump to ``moment`` [s], without waiting."""
        self._now = max(self._now, moment)
