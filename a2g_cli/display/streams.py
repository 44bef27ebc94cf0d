"""Standard output and error that may go away, as a terminal does that is closed: what is only told stops nothing."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, cast


class Told:
    """A stream whose reader may go away in the middle of the work.

    The first write that fails is the last one that is tried: what the stream was connected to is replaced by nothing, so
    that nobody else who writes there fails either, such as a library, or Python itself when it ends.

    Args:
        stream: where it goes.
        only: the only error that is forgiven; None forgives all.
    """

    def __init__(self, stream: IO[Any], only: int | None = None) -> None:
        self._stream, self._only = stream, only

    def __getattr__(self, name: str) -> Any:
        """Return whatever else a stream has."""
        found = getattr(self._stream, name)
        return Told(found, self._only) if name == "buffer" and found is not None else found

    def write(self, text: Any) -> int:
        """Write ``text``, or nothing where nobody reads any more; return its length."""
        try:
            return int(self._stream.write(text))
        except OSError as error:
            self._let_go(error)
            return len(text)

    def writelines(self, lines: Any) -> None:
        """Write each of ``lines``."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Flush, where there is somebody to read."""
        try:
            self._stream.flush()
        except OSError as error:
            self._let_go(error)

    def _let_go(self, error: OSError) -> None:
        if self._only not in (None, error.errno):
            raise error
        with suppress(OSError):  # no file of the system's, as in a test
            descriptor, nothing = self._stream.fileno(), os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, descriptor)
            os.close(nothing)


@contextmanager
def streams_that_may_go_away() -> Iterator[None]:
    """Let nothing that is only told stop what must be done, while open: not the terminal that is closed, nor a full disk.

    Standard error only tells, so whatever it fails with is forgiven. Standard output holds data, and fails where that cannot
    be delivered, except to a terminal that is closed: nobody is left to miss it.
    """
    before = sys.stdout, sys.stderr
    sys.stdout = cast("Any", Told(_there(sys.stdout), errno.EIO))
    sys.stderr = cast("Any", Told(_there(sys.stderr)))
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def _there(stream: IO[Any] | None) -> IO[Any]:
    """Return ``stream``; Python has none where a program was started without."""
    return Path(os.devnull).open("w", encoding="utf-8") if stream is None else stream
