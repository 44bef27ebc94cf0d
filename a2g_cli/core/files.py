"""What survives a power cut: files, folders and names that are on the disk before anybody counts on them.

A file's bytes are on the disk after ``fsync`` of the file, its name after ``fsync`` of the folder that holds it.
"""

import errno
import os
from pathlib import Path

_CANNOT = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP}
"""What a file system answers that has no way to sync a folder: some network and FUSE disks."""


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
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
    sync_folder(folder)


def make_folder(folder: Path) -> None:
    """Make ``folder`` and what is missing above it, durably; harmless when it is there. Raises OSError."""
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


def replace_file(path: Path, data: bytes) -> None:
    """Let ``path`` hold ``data``: whoever reads it, at whatever moment, finds the old bytes or the new ones.

    Two programs must not do this at once: hold a lock (``a2g_cli/core/locks.py``). Raises OSError.
    """
    temporary = path.with_name(f"{path.name}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        write_all(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.replace(temporary, path)  # noqa: PTH105 - replace, whatever is there
    sync_folder(path.parent)
