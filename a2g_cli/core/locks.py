"""Locks between programs on one workspace: ``flock`` on a file that names the owner.

The kernel releases the lock when its owner dies, so a dead owner's file does not block. The owner in the file is for
messages, and for network disks without locks: there a lock is stale if its owner on this host has ended, or, on another
host, if it is older than a day.
"""

import errno
import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from a2g_cli.core.errors import A2GError, BusyError
from a2g_cli.core.files import write_all

_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS}
_A_DAY = 86400.0
_PAUSE = 0.02
_MOST = 10_000
_NO_PROCESS = 2**31
"""No process has this number or a larger one."""


@dataclass(frozen=True)
class Owner:
    """Who holds a lock."""

    pid: int
    host: str
    started: float
    """When the process began [s since 1970]; the system uses process numbers again."""
    since: float
    """When it took the lock [s since 1970]."""
    doing: str
    """What it does, e.g. ``a2g adapt``."""

    @classmethod
    def here(cls, doing: str) -> "Owner":
        """Return this process as an owner."""
        return cls(os.getpid(), os.uname().nodename, _begun(os.getpid()) or 0.0, time.time(), doing)

    @property
    def alive(self) -> bool:
        """Whether the owner may still run, as far as this host can know."""
        if self.host != os.uname().nodename:
            return time.time() - self.since < _A_DAY
        begun = _begun(self.pid)
        return begun is not None and abs(begun - self.started) < 1.0

    def __str__(self) -> str:
        """Return the owner in words, e.g. ``a2g adapt (process 12 on robot-1, for 40 s)``."""
        return f"{self.doing} (process {self.pid} on {self.host}, for {max(0.0, time.time() - self.since):.0f} s)"


def _begun(pid: int) -> float | None:
    import psutil

    if not 0 < pid < _NO_PROCESS:  # from a damaged file
        return None
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return None


def _read(descriptor: int) -> Owner | None:
    try:
        value = json.loads(os.pread(descriptor, _MOST, 0))
        kinds = {"pid": int, "host": str, "started": float, "since": float, "doing": str}
        return Owner(**{name: kind(value[name]) for name, kind in kinds.items()})
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None  # empty, or torn by a power cut


def _try(path: Path, doing: str) -> tuple[int | None, Owner | None]:
    """Return a descriptor that holds the lock, or None and the owner who holds it. Raises OSError."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            other = _read(descriptor)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                free = True
            except BlockingIOError:
                free = False
            except OSError as error:
                if error.errno not in _NO_LOCKS:
                    raise
                free = other is None or not other.alive
            if not free:
                return None, other
            # The owner before may have removed the file after it was opened here: then this is no lock.
            if _is(descriptor, path):
                os.ftruncate(descriptor, 0)
                write_all(descriptor, json.dumps(asdict(Owner.here(doing))).encode())
                kept, descriptor = descriptor, -1
                return kept, None
        finally:
            if descriptor >= 0:
                os.close(descriptor)


def _is(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


@contextmanager
def locked(path: Path, doing: str, patience: float = 10.0) -> Iterator[None]:
    """Hold the lock ``path``, whose folder exists, while the block runs.

    Args:
        path: the lock's file; it exists only while the lock is held, or after its owner was killed.
        doing: what this program does, for the messages of others, e.g. ``a2g adapt``.
        patience: how long to wait for another owner [s].

    Raises:
        BusyError: another program still holds it.
        A2GError: the disk refuses.
    """
    until = time.monotonic() + patience
    try:
        while (found := _try(path, doing))[0] is None:
            if time.monotonic() >= until:
                raise BusyError(path, str(found[1] or "another program"))
            time.sleep(_PAUSE)
    except OSError as error:
        raise A2GError(f"{path} cannot be written: {error.strerror or error}.") from error
    descriptor = found[0]
    try:
        yield
    finally:
        if descriptor is not None:
            path.unlink(missing_ok=True)  # before the lock is released: a program that waits opens the file again
            os.close(descriptor)


def holder(path: Path) -> Owner | None:
    """Return the owner of the lock ``path``; None if it is free, even if a dead owner's file exists. Raises OSError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe would make it wait
    except FileNotFoundError:
        return None
    try:
        other = _read(descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return other or Owner(0, "?", 0.0, path.stat().st_mtime, "another program")
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            return other if other is not None and other.alive else None
    finally:
        os.close(descriptor)
    return None
