"""Files and folders that survive a kill or a power cut.

A file's bytes are on the disk after ``fsync`` of the file, its name after ``fsync`` of the folder that holds it.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_CANNOT = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP}
"""Errors of file systems that cannot sync a folder: some network and FUSE disks."""


def sync_folder(folder: Path) -> None:
    """Bring the names in ``folder`` to the disk. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Bring the files of ``folder`` and their names to the disk, one level deep. Raises OSError."""
    for path in folder.iterdir():
        if path.is_file():
            _sync_file(path)
    sync_folder(folder)


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Make ``folder`` and its missing parents, durably; harmless if it exists. Raises OSError."""
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for made in reversed(missing):
        made.mkdir(exist_ok=True)
        sync_folder(made.parent)


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write every byte of ``data``: one call may take fewer. Raises OSError."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


@contextmanager
def replacing(path: Path, suffix: str = ".tmp", *, durable: bool = False) -> Iterator[Path]:
    """Give a path to write a new version of the file ``path`` at; the version takes its place when the block ends.

    A program that reads ``path`` finds the whole old version or the whole new one, and so does the next start after a kill.
    If the block raises, the new version is removed and ``path`` stays as it was.

    Two programs must not replace a file at once: hold a lock (``core/locks.py``), or give each a suffix of its own.

    Args:
        path: the file; its folder must exist.
        suffix: what the new version's name has after ``path``'s until it is complete.
        durable: bring bytes and name to the disk, so that a power cut leaves one of the two versions as well.

    Raises:
        OSError: the disk refuses.
    """
    temporary = path.with_name(f"{path.name}{suffix}")
    try:
        if temporary.is_symlink():  # whoever left it, what it leads to is another file
            temporary.unlink()
        yield temporary
        if durable:
            _sync_file(temporary)
        os.replace(temporary, path)  # noqa: PTH105 - over the old version
        if durable:
            sync_folder(path.parent)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def write_file(path: Path, data: bytes) -> None:
    """Write ``data`` to the new or emptied file ``path``. Raises OSError."""
    # Through `os` alone, like everything that must survive a power cut: the crash tests watch it.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        write_all(descriptor, data)
    finally:
        os.close(descriptor)


def replace_file(path: Path, data: bytes) -> None:
    """Replace the file ``path`` by ``data``, durably; see ``replacing``. Raises OSError."""
    with replacing(path, durable=True) as temporary:
        write_file(temporary, data)
