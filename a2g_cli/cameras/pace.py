"""The pace at which recorded pictures are played: no faster than they were taken."""

import time


class Pace:
    """Even moments, a period apart; where the reader is late the whole schedule moves on, and nothing is left out."""

    def __init__(self, rate: float) -> None:
        self.period = 1.0 / rate
        """[s]."""
        self._due = time.monotonic()

    def wait(self) -> float:
        """Return when the present picture was due [s], once that moment has come."""
        now = time.monotonic()
        moment = self._due if self._due > now - self.period else now
        time.sleep(max(0.0, moment - now))
        self._due = moment + self.period
        return moment

    def due_within(self, seconds: float) -> bool:
        """Whether ``wait`` would return within ``seconds`` [s]."""
        return self._due <= time.monotonic() + seconds
