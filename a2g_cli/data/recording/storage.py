"""Where HDF5 meets the disk: errors in plain words, room, durability."""

import errno
import fcntl
import io
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import h5py
from numpy.typing import NDArray

from a2g_cli.core.errors import RecordingError
from a2g_cli.core.files import make_folder, sync_folder

LIBVER = ("v110", "v110")
"""Any HDF5 since 1.10 (2016) reads what is written: the first with virtual datasets."""

_FLOOR = 200 * 2**20
_REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file would be larger than is allowed here",
    errno.EROFS: "the disk is read-only",
    errno.EACCES: "no permission",
    errno.EPERM: "no permission",
    errno.ENOENT: "there is no such file or folder",
    errno.EEXIST: "a file stands where a folder must be",
    errno.EISDIR: "it is a folder",
    errno.ENOTDIR: "a file stands where a folder must be",
    errno.EAGAIN: "another program is writing it",
    **dict.fromkeys(
        (errno.EIO, errno.ENODEV, errno.ENXIO, errno.ESTALE), "the disk does not answer: is it still plugged in?"
    ),
}
_NO_HARD_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}
BUILDING = ".building"
"""Ends the name of an HDF5 file that is not whole yet."""


def reason(error: Exception) -> str:
    """Return why the operating system, or HDF5 on top of it, refused, in a few words."""
    number = getattr(error, "errno", None)
    if not number and (inner := re.search(r"errno = (\d+)", str(error))):
        number = int(inner.group(1))
    if number:
        return _REASONS.get(number, os.strerror(number).lower())
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what HDF5 and the disk raise while ``path`` is written into a RecordingError."""
    try:
        yield
    # h5py raises RuntimeError and ValueError too when the library underneath fails.
    except (OSError, RuntimeError, ValueError) as error:
        raise RecordingError(f"{path} cannot be written: {reason(error)}.") from error


@contextmanager
def reading(path: Path, what: str = "recording") -> Iterator[None]:
    """Turn what HDF5, the disk and JSON raise while the untrusted ``path`` is read into a RecordingError."""
    try:
        yield
    except UNREADABLE as error:
        message = f"{path} is not a valid {what}: {fault(error)}. Restore it from a copy, or remove it."
        raise RecordingError(message) from error


UNREADABLE = (OSError, RuntimeError, ValueError, TypeError, OverflowError, AttributeError, MemoryError, KeyError)
"""What reading an untrusted file may raise."""


def fault(error: Exception) -> str:
    """Return in a few words what is wrong with a file whose reading raised one of ``UNREADABLE``."""
    if isinstance(error, json.JSONDecodeError):
        return f"an attribute is not JSON ({error})"
    return _missing(error) if isinstance(error, KeyError) else reason(error)


def _missing(error: KeyError) -> str:
    text = str(error.args[0]) if error.args else "something"
    return text[:200] if " " in text else f"{text!r} is missing"


def check_disk(path: Path, needed_bytes: int = _FLOOR) -> None:
    """Raise RecordingError when the disk that will hold ``path`` has less than ``needed_bytes`` free."""
    folder = path
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise RecordingError(f"{folder} cannot be examined: {reason(error)}.") from error
    if free < needed_bytes:
        raise RecordingError(
            f"only {free / 2**20:.0f} MB are free for {path}, {needed_bytes / 2**20:.0f} MB are needed: "
            "free some, or choose another workspace with --workspace."
        )


@contextmanager
def creating(path: Path, overwrite: bool = False) -> Iterator[Any]:
    """Give an HDF5 file to fill; when the block ends, it is on the disk, whole, under the name ``path``.

    Until then it stands beside it under a name of its own, so that two programs never write into one file.

    Raises:
        RecordingError: ``path`` exists and ``overwrite`` is false, or the disk refuses. Nothing is left behind then.
    """
    building = path.with_name(f"{path.name}.{secrets.token_hex(4)}{BUILDING}")
    with writing(path):
        make_folder(path.parent)
        descriptor = os.open(building, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        with open(descriptor, "w+b", buffering=0) as raw:  # noqa: PTH123 - a descriptor
            with suppress(OSError):  # some network disks have no locks
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # see `leftovers`
            sink = _Sink(raw)
            try:
                with h5py.File(sink, "w", libver=LIBVER) as file:
                    yield file
            except (OSError, RuntimeError, ValueError, KeyError):
                if sink.error is None:
                    raise
            with writing(path):
                if sink.error is not None:
                    raise sink.error
                os.fsync(descriptor)
                _publish(building, path, overwrite)
    finally:
        with suppress(OSError):
            building.unlink(missing_ok=True)


def _publish(building: Path, path: Path, overwrite: bool) -> None:
    """Give the whole file ``building`` the name ``path``, durably. Raises OSError, RecordingError."""
    if overwrite:
        os.replace(building, path)  # noqa: PTH105 - replace, whatever is there
    else:
        try:
            os.link(building, path)
        except FileExistsError as error:
            raise RecordingError(f"{path} exists: a recording is never overwritten.") from error
        except OSError as error:
            if error.errno not in _NO_HARD_LINKS:
                raise
            # FAT and exFAT, as on USB sticks. The exclusive name of the .partial keeps other writers of `path` away.
            if path.exists():
                raise RecordingError(f"{path} exists: a recording is never overwritten.") from error
            os.rename(building, path)  # noqa: PTH104
    sync_folder(path.parent)


def leftovers(folder: Path) -> list[Path]:
    """Return the ``.building`` files in ``folder`` whose writers died: halves of what can be built again. Raises OSError."""
    found = []
    for path in sorted(folder.glob(f"*{BUILDING}")):
        with suppress(FileNotFoundError):  # completed at this very moment
            if not being_written(path):
                found.append(path)
    return found


class _Sink(io.RawIOBase):
    """A file for HDF5 to write that never fails: the first error is kept, and what follows it is dropped.

    HDF5 does not survive a disk that is full: closing the file ends the process. So it is not told.
    """

    def __init__(self, raw: io.FileIO) -> None:
        super().__init__()
        self._raw = raw
        self._position = 0
        self._size = 0
        self.error: OSError | None = None

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        begin = self._position
        self._position += len(view)
        self._size = max(self._size, self._position)
        try:
            rest = view
            while rest and self.error is None:
                written = os.pwrite(self._raw.fileno(), rest, begin)
                begin, rest = begin + written, rest[written:]
        except OSError as error:
            self.error = error
        return len(view)

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        data = os.pread(self._raw.fileno(), len(view), self._position).ljust(len(view), b"\0")
        view[:] = data
        self._position += len(view)
        return len(view)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._position = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        return self._position

    def tell(self) -> int:
        return self._position

    def truncate(self, size: int | None = None) -> int:
        size = self._position if size is None else size
        self._size = size
        try:
            if self.error is None:
                os.ftruncate(self._raw.fileno(), size)
        except OSError as error:
            self.error = error
        return size


@contextmanager
def holding(path: Path) -> Iterator[bool]:
    """Hold the lock that a writer of ``path`` holds; give whether nobody else has it. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            free = True
        except BlockingIOError:
            free = False
        except OSError:  # some network disks have no locks
            free = True
        yield free
    finally:
        os.close(descriptor)


def being_written(path: Path) -> bool:
    """Whether a living process holds the lock of a writer on ``path``. Raises OSError."""
    with holding(path) as free:
        return not free


def write_array(node: Any, name: str, array: NDArray[Any]) -> None:
    """Write a small array with a checksum, as frames have: a flipped bit is found, not learned from."""
    if array.size:
        node.create_dataset(name, data=array, chunks=array.shape, fletcher32=True)
    else:
        node.create_dataset(name, data=array)


def write_text(node: Any, name: str, text: str) -> None:
    """Write a string attribute of fixed length: that stands in the object's header, under a checksum."""
    encoded = text.encode("utf-8")
    node.attrs.create(name, encoded, dtype=h5py.string_dtype("utf-8", len(encoded)))
