"""Waits for what another thread or process does."""

import time
from collections.abc import Callable


def until(seen: Callable[[], object]) -> None:
    limit = time.monotonic() + 60
    while not seen():
        assert time.monotonic() < limit
        time.sleep(0.01)
