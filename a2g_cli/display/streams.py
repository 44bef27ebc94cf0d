"""Keeps a command working when standard output or error is closed, for example with the terminal."""

import errno
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, cast

from a2g_cli.display.starting import starting_line


class ForgivingStream:
    """A stream whose reader may disappear while the command works.

    After the first failed write, the stream's descriptor is replaced by /dev/null, so that libraries and Python itself can
    still write to it.

    Args:
        stream: receives the text.
        only: the only error number that is ignored; None: all are ignored.
        over: called before anything is written, as what stands on the terminal has to be removed first.
    """

    def __init__(self, stream: IO[Any], only: int | None = None, over: Callable[[], None] = lambda: None) -> None:
        self._stream, self._only, self.over = stream, only, over

    def __getattr__(self, name: str) -> Any:
        """Return any other attribute of the stream."""
        found = getattr(self._stream, name)
        return ForgivingStream(found, self._only, self.over) if name == "buffer" and found is not None else found

    def write(self, text: Any) -> int:
        """Write ``text``, or nothing if there is no reader any more; return its length."""
        self.over()
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
        """Flush, if there is still a reader."""
        try:
            self._stream.flush()
        except OSError as error:
            self._let_go(error)

    def _let_go(self, error: OSError) -> None:
        if self._only not in (None, error.errno):
            raise error
        with suppress(OSError):  # not a file of the system, as in a test
            descriptor, nothing = self._stream.fileno(), os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, descriptor)
            os.close(nothing)


@contextmanager
def streams_that_may_go_away() -> Iterator[None]:
    """Keep failed writes from stopping the command, while open.

    Standard error holds messages, so all of its errors are ignored. Standard output holds data: only the error of a closed
    terminal is ignored, since nobody is left to read the data.
    """
    before = sys.stdout, sys.stderr
    errors = _there(sys.stderr)
    with starting_line(cast("Any", ForgivingStream(errors))) as line:
        over = (lambda: None) if line is None else line.over
        sys.stdout = cast("Any", ForgivingStream(_there(sys.stdout), errno.EIO, over))
        sys.stderr = cast("Any", ForgivingStream(errors, None, over))
        try:
            yield
        finally:
            sys.stdout, sys.stderr = before


def _there(stream: IO[Any] | None) -> IO[Any]:
    """Return ``stream``, or /dev/null if the program was started without that stream."""
    return Path(os.devnull).open("w", encoding="utf-8") if stream is None else stream
