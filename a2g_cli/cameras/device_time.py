"""Converts a device's own time stamps to the machine's clock: when an image was taken, not when it arrived."""

import time

DRIFT = 1e-4
"""How fast two clocks may drift apart [s / s]; quartz is ten times better."""
_PLAUSIBLE = 1.0
"""An older stamp of the host's wall clock is not used [s]."""


class DeviceTime:
    """Maps the stamps of a clock with an unknown start to ``time.monotonic()``.

    Images arrive with a varying delay. So the smallest difference between arrival and stamp is the offset of the clocks,
    and the rest is jitter of the transfer.
    """

    def __init__(self) -> None:
        self._offset: float | None = None
        self._last = 0.0
        self._seen = 0.0

    def captured_at(self, stamp: float, of_host: bool, now: float | None = None) -> float:
        """Return when the image of ``stamp`` [s] was taken [s], never later than now.

        Args:
            stamp: the device's time [s]; a smaller one than before (a reset, an overflow) starts the estimate again.
            of_host: the stamp is already the host's wall clock, or the SDK's estimate of it.
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
