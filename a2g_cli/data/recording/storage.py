"""HDF5 files on the disk: error messages, free space, durable writes, locks."""

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
"""HDF5 1.10 (2016) and newer can read the files; older versions have no virtual datasets."""

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
"""End of the name of an HDF5 file that is still being built."""


def reason(error: Exception) -> str:
    """Return in a few words why the operating system or HDF5 refused."""
    number = getattr(error, "errno", None)
    if not number and (inner := re.search(r"errno = (\d+)", str(error))):
        number = int(inner.group(1))
    if number:
        return _REASONS.get(number, os.strerror(number).lower())
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn errors of HDF5 and the disk while ``path`` is written into a RecordingError."""
    try:
        yield
    # h5py also raises RuntimeError and ValueError when the HDF5 library fails.
    except (OSError, RuntimeError, ValueError) as error:
        raise RecordingError(f"{path} cannot be written: {reason(error)}.") from error


@contextmanager
def reading(path: Path, what: str = "recording") -> Iterator[None]:
    """Turn errors of HDF5, the disk and JSON while the untrusted file ``path`` is read into a RecordingError."""
    try:
        yield
    except UNREADABLE as error:
        message = f"{path} is not a valid {what}: {fault(error)}. Restore it from a copy, or remove it."
        raise RecordingError(message) from error


UNREADABLE = (OSError, RuntimeError, ValueError, TypeError, OverflowError, AttributeError, MemoryError, KeyError)
"""Errors that reading an untrusted file can raise."""


def fault(error: Exception) -> str:
    """Return in a few words what is wrong with a file, given the error of ``UNREADABLE`` that reading it raised."""
    if isinstance(error, json.JSONDecodeError):
        return f"an attribute is not JSON ({error})"
    if "truncated file" in str(error):  # HDF5's words, with its internal numbers
        return "the file is incomplete"
    return _missing(error) if isinstance(error, KeyError) else reason(error)


def _missing(error: KeyError) -> str:
    text = str(error.args[0]) if error.args else "something"
    return text[:200] if " " in text else f"{text!r} is missing"


def check_disk(path: Path, needed_bytes: int = _FLOOR) -> None:
    """Raise RecordingError if the disk of ``path`` has less than ``needed_bytes`` free."""
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
    """Give an empty HDF5 file to fill; when the block ends, it is complete and durable under the name ``path``.

    Until then it has a unique name beside ``path``: two programs never write into one file.

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
    """Give the complete file ``building`` the name ``path``, durably. Raises OSError, RecordingError."""
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
            # FAT and exFAT, as on USB sticks. Only one writer has the .partial, so no other program makes `path` now.
            if path.exists():
                raise RecordingError(f"{path} exists: a recording is never overwritten.") from error
            os.rename(building, path)  # noqa: PTH104
    sync_folder(path.parent)


def leftovers(folder: Path) -> list[Path]:
    """Return the ``.building`` files in ``folder`` whose writers died; they can be removed. Raises OSError."""
    found = []
    for path in sorted(folder.glob(f"*{BUILDING}")):
        with suppress(FileNotFoundError):  # it was completed meanwhile
            if not being_written(path):
                found.append(path)
    return found


class _Sink(io.RawIOBase):
    """A file for HDF5 that never fails: it keeps the first error and drops what is written after it.

    On a full disk, HDF5 ends the process when it closes the file. So it must not see the error.
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
    """Take the lock that the writer of ``path`` holds; give whether it was free. Raises OSError."""
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
    """Whether a living process is writing ``path`` and holds its lock. Raises OSError."""
    with holding(path) as free:
        return not free


def write_array(node: Any, name: str, array: NDArray[Any]) -> None:
    """Write a small array with a checksum, so that a flipped bit is found."""
    if array.size:
        node.create_dataset(name, data=array, chunks=array.shape, fletcher32=True)
    else:
        node.create_dataset(name, data=array)


def write_text(node: Any, name: str, text: str) -> None:
    """Write a string attribute of fixed length: HDF5 stores it in the object's header, which has a checksum."""
    encoded = text.encode("utf-8")
    node.attrs.create(name, encoded, dtype=h5py.string_dtype("utf-8", len(encoded)))
