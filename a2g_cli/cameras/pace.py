"""The pace at which recorded images are played: their own rate, at most."""

import time


class Pace:
    """Moments that are one period apart. If the reader is late, the schedule is delayed; no image is left out."""

    def __init__(self, rate: float) -> None:
        self.period = 1.0 / rate
        """[s]."""
        self._due = time.monotonic()

    def wait(self) -> float:
        """Sleep until the next image is due, and return that moment [s]."""
        now = time.monotonic()
        moment = self._due if self._due > now - self.period else now
        time.sleep(max(0.0, moment - now))
        self._due = moment + self.period
        return moment

    def due_within(self, seconds: float) -> bool:
        """Whether ``wait`` would return within ``seconds`` [s]."""
        return self._due <= time.monotonic() + seconds
