"""Standard output is for what a command returns. Whatever else prints there, in Python or in C, is sent to standard error."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from typing import TextIO

_STDOUT, _STDERR = 1, 2


@contextmanager
def kept_for_data() -> Iterator[None]:
    """Let only ``sys.stdout`` reach this process's standard output; descriptor 1 leads to standard error.

    So the output of a C library or a child process, and a print at the end of the process, go to standard error. The
    descriptor is not restored, because C's buffers are written when the process ends. Only for a2g's own processes.
    """
    for descriptor, name in ((_STDOUT, "stdout"), (_STDERR, "stderr")):
        if getattr(sys, name) is None:  # closed: without this, the next opened file would get the output
            os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
            os.set_inheritable(descriptor, True)
            setattr(sys, name, os.fdopen(descriptor, "w", closefd=False))
    if not _is_descriptor(sys.stdout):
        yield  # already replaced, e.g. by a test
        return
    sys.stdout.flush()
    data = os.fdopen(
        os.dup(_STDOUT),  # no child process inherits it
        "w",
        buffering=1 if sys.stdout.isatty() else -1,
        encoding=sys.stdout.encoding,
        errors=sys.stdout.errors,
    )
    os.dup2(_STDERR, _STDOUT)
    sys.stdout = data
    try:
        yield
    finally:
        sys.stdout = sys.stderr
        with suppress(OSError):  # the writer has flushed before, and got the error
            data.flush()


@contextmanager
def printing_aside() -> Iterator[TextIO]:
    """Yield standard output, while everything that is printed goes to standard error."""
    data = sys.stdout
    with redirect_stdout(sys.stderr):
        yield data


def _is_descriptor(stream: TextIO) -> bool:
    try:
        return stream.fileno() == _STDOUT
    except (OSError, ValueError):  # a stream in memory, or one that is closed
        return False
