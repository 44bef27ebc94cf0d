"""A device's own times on the machine's clock: when a picture was taken, not when it arrived."""

import time

DRIFT = 1e-4
"""How fast two clocks may drift apart [s / s]: quartz is ten times better."""
_PLAUSIBLE = 1.0
"""A stamp of the host's wall clock is believed only where it is less old than this [s]."""


class DeviceTime:
    """Maps stamps of a clock that began at some other moment to ``time.monotonic()``.

    Pictures arrive late by varying amounts, never early. So the least of what lies between stamp and arrival is what the
    clocks differ by, and whatever is beyond that is jitter of the way here, which the stamp does not have.
    """

    def __init__(self) -> None:
        self._offset: float | None = None
        self._last = 0.0
        self._seen = 0.0

    def captured_at(self, stamp: float, of_host: bool, now: float | None = None) -> float:
        """Return when the picture of ``stamp`` [s] was taken [s], never later than now.

        Args:
            stamp: the device's time [s]; one that goes back (a reset, a clock that ran over) begins anew.
            of_host: the stamp is the host's wall clock already, or the SDK's estimate of it.
            now: the machine's monotonic clock [s].
        """
        now = time.monotonic() if now is None else now
        if of_host:
            moment = stamp - (time.time() - time.monotonic())
            if 0 <= now - moment < _PLAUSIBLE:
                return moment
        if self._offset is None or stamp < self._last:
            self._offset = now - stamp
        else:
            self._offset = min(self._offset + DRIFT * (now - self._seen), now - stamp)
        self._last, self._seen = stamp, now
        return stamp + self._offset
