"""A disk that is watched, that fails, and that loses power: what stands between a program and its files in crash tests.

Everything a2g writes goes through ``os``. A ``Tap`` sees each such call under one folder before it happens and may
refuse it, cut it short or end the process there. ``Recorded`` keeps them, and ``after_power_cut`` gives what a disk may
show afterwards. That nothing goes another way is checked by building the folder from what was seen.
"""

import errno
import os
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from unittest import mock

NAMES = ("open", "write", "pwrite", "ftruncate", "fsync", "link", "replace", "rename", "unlink", "mkdir", "rmdir")
REAL = {name: getattr(os, name) for name in NAMES}
SECTOR = 512


class Tap:
    """Calls that change the disk under ``root``, in the order in which they happen; one at a time."""

    def __init__(self, root: Path) -> None:
        self.root = str(root)
        self._lock = threading.RLock()
        self._patches = ExitStack()

    def __enter__(self) -> Self:
        for name in NAMES:
            self._patches.enter_context(mock.patch.object(os, name, self._tapped(name)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._patches.close()

    def _tapped(self, name: str) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            with self._lock:
                if not self._concerns(name, args):
                    return REAL[name](*args, **options)
                return self.happens(name, args, lambda *changed: REAL[name](*(changed or args), **options))

        return call

    def _concerns(self, name: str, args: tuple[Any, ...]) -> bool:
        if name == "open":
            return self._inside(args[0]) and (bool(args[1] & os.O_CREAT) or Path(args[0]).is_dir())
        if isinstance(args[0], int):
            return self._inside(str(Path(f"/proc/self/fd/{args[0]}").readlink()))
        return self._inside(args[0])

    def _inside(self, path: Any) -> bool:
        return str(path) == self.root or str(path).startswith(f"{self.root}/")

    def happens(self, name: str, args: tuple[Any, ...], real: Callable[..., Any]) -> Any:
        """A call ``name`` is about to happen; ``real`` lets it, with other arguments if some are given."""
        return real()


class Failing(Tap):
    """From the ``first`` such call on, every one fails: a disk that is full, pulled or read-only."""

    def __init__(self, root: Path, first: int, number: int) -> None:
        super().__init__(root)
        self.first, self.number, self.seen, self.failed = first, number, 0, 0

    def happens(self, name: str, args: tuple[Any, ...], real: Callable[..., Any]) -> Any:
        """Fail; a write that is the first to fail writes half of what it was given."""
        if name == "open" and not args[1] & os.O_CREAT:
            return real()  # a folder that is opened to be synced
        self.seen += 1
        if self.seen <= self.first:
            return real()
        if name == "unlink" and self.number == errno.ENOSPC:
            return real()  # a full disk lets go
        self.failed += 1
        if name in {"write", "pwrite"} and self.failed == 1 and len(args[1]) > 1:
            return real(args[0], args[1][: len(args[1]) // 2], *args[2:])
        raise OSError(self.number, os.strerror(self.number))


class Dying(Tap):
    """The process is killed at the ``last`` such call: before it, or, if it is a write, halfway through."""

    def __init__(self, root: Path, last: int) -> None:
        super().__init__(root)
        self.last, self.seen = last, 0

    def happens(self, name: str, args: tuple[Any, ...], real: Callable[..., Any]) -> Any:
        """Die, or not yet."""
        self.seen += 1
        if self.seen == self.last:
            if name in {"write", "pwrite"}:
                real(args[0], args[1][: len(args[1]) // 2], *args[2:])
            os.kill(os.getpid(), 9)
        return real()


# -- what a power cut leaves ------------------------------------------------------------------------------------------


@dataclass(eq=False)
class File:
    """Bytes that are on the disk, and what was done to them since."""

    durable: bytes = b""
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)
    """(offset, data) for a write, (size, None) for a truncation."""


@dataclass(eq=False)
class Folder:
    """Names that are on the disk, and what was done to them since: each change sets some names, or removes them."""

    durable: dict[str, "File | Folder"] = field(default_factory=dict)
    pending: list[dict[str, "File | Folder | None"]] = field(default_factory=list)

    def now(self) -> dict[str, "File | Folder"]:
        """Return the names as a running program sees them."""
        return _names(self.durable, self.pending)


def _names(names: dict[str, File | Folder], changes: list[dict[str, File | Folder | None]]) -> dict[str, File | Folder]:
    names = dict(names)
    for change in changes:
        names.update({name: node for name, node in change.items() if node is not None})
        for name in [name for name, node in change.items() if node is None]:
            names.pop(name, None)
    return names


def _written(data: bytes, changes: list[tuple[int, bytes | None]]) -> bytes:
    content = bytearray(data)
    for offset, piece in changes:
        if piece is None:
            del content[offset:]
            content.extend(bytes(offset - len(content)))
        else:
            content.extend(bytes(max(0, offset - len(content))))
            content[offset : offset + len(piece)] = piece
    return bytes(content)


Step = Callable[[], None]


class Recorded(Tap):
    """Keeps every call, so that a disk can be brought to any moment, and ``mark``s of what was promised between them."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.disk = Folder()
        self.steps: list[Step | object] = []
        self._inodes: dict[int, File] = {}

    def mark(self, promise: object) -> None:
        """From this moment on, ``promise`` was made."""
        with self._lock:
            self.steps.append(promise)

    def moments(self) -> Iterator[tuple[int, list[object]]]:
        """Bring ``disk`` to the moment after each call in turn; yield its number and the promises made until then."""
        promises: list[object] = []
        for number, step in enumerate(self.steps):
            if callable(step):
                step()
                yield number, promises
            else:
                promises.append(step)

    def happens(self, name: str, args: tuple[Any, ...], real: Callable[..., Any]) -> Any:
        """Let it happen, and keep it."""
        if name == "open":
            new = not Path(args[0]).exists()
            descriptor = real()
            if new:
                file = self._inodes[os.fstat(descriptor).st_ino] = File()
                self._name({args[0]: file})
            elif args[1] & os.O_TRUNC:
                self._change(self._inodes[os.fstat(descriptor).st_ino], (0, None))
            return descriptor
        if name in {"write", "pwrite", "ftruncate"}:
            file = self._inodes[os.fstat(args[0]).st_ino]
            if name == "ftruncate":
                result = real()
                self._change(file, (args[1], None))
                return result
            offset = args[2] if name == "pwrite" else os.lseek(args[0], 0, os.SEEK_CUR)
            written = real()
            self._change(file, (offset, bytes(args[1])[:written]))
            return written
        if name == "fsync":
            result = real()
            place = str(Path(f"/proc/self/fd/{args[0]}").readlink())
            known = None if Path(place).is_dir() else self._inodes[os.fstat(args[0]).st_ino]
            self.steps.append(lambda: self._sync(known or self._folder(place)))
            return result
        node = None if name == "mkdir" else self._inodes.get(Path(args[0]).stat().st_ino)
        result = real()
        if name == "mkdir":
            self._name({args[0]: Folder()})
        elif name == "link":
            self._name({args[1]: node})
        elif name in {"rename", "replace"}:
            self._name({args[1]: node, args[0]: None})
        else:
            self._name({args[0]: None})
        return result

    def _change(self, file: File, change: tuple[int, bytes | None]) -> None:
        self.steps.append(lambda: file.pending.append(change))

    def _name(self, change: dict[Any, File | Folder | None]) -> None:
        parent = {str(Path(path).parent) for path in change}.pop()
        names = {Path(path).name: node for path, node in change.items()}
        self.steps.append(lambda: self._folder(parent).pending.append(names))

    def _folder(self, path: str) -> Folder:
        node: Any = self.disk
        for part in Path(path).relative_to(self.root).parts:
            node = node.now()[part]
        return node

    def _sync(self, node: File | Folder) -> None:
        if isinstance(node, File):
            node.durable = _written(node.durable, node.pending)
        else:
            node.durable = node.now()
        node.pending.clear()


Tree = dict[str, "bytes | Tree"]


def after_power_cut(disk: Folder, kind: str, chance: random.Random) -> Tree:
    """Return what a disk may show after a power cut at this moment.

    ``kept``: everything. ``lost``: nothing that was not synced. ``names``: names, but not the bytes behind them.
    ``zeros``: names and sizes, with zeros for bytes. ``bytes``: bytes, but not the names. ``random``: of each write all,
    nothing, or some sectors; of each change of names, any.
    """

    def data(file: File) -> bytes:
        if kind in {"kept", "bytes"}:
            return _written(file.durable, file.pending)
        if kind == "zeros":
            changes = [(at, piece if piece is None else bytes(len(piece))) for at, piece in file.pending]
            return _written(file.durable, changes)
        if kind == "random":
            return _written(file.durable, [torn for change in file.pending for torn in _torn(change, chance)])
        return file.durable

    def tree(folder: Folder) -> Tree:
        changes = folder.pending if kind in {"kept", "names", "zeros"} else []
        if kind == "random":
            changes = [change for change in folder.pending if chance.random() < 0.5]
        names = _names(folder.durable, changes)
        return {name: tree(node) if isinstance(node, Folder) else data(node) for name, node in sorted(names.items())}

    return tree(disk)


def _torn(change: tuple[int, bytes | None], chance: random.Random) -> list[tuple[int, bytes | None]]:
    offset, piece = change
    fate = chance.randrange(4)
    if fate == 0:
        return []
    if piece is None or fate == 1:
        return [change]
    if fate == 2:  # it grew, with nothing in it
        return [(offset, bytes(len(piece)))]
    sectors = range(-(offset % SECTOR), len(piece), SECTOR)
    return [
        (offset + max(0, at), piece[max(0, at) : at + SECTOR] if chance.random() < 0.5 else bytes(0)) for at in sectors
    ]


def put(tree: Tree, folder: Path) -> None:
    """Make ``folder`` hold ``tree``."""
    folder.mkdir()
    for name, content in tree.items():
        if isinstance(content, bytes):
            (folder / name).write_bytes(content)
        else:
            put(content, folder / name)


def seen(folder: Path) -> Tree:
    """Return what ``folder`` holds."""
    return {
        path.name: seen(path) if path.is_dir() else path.read_bytes()
        for path in sorted(folder.iterdir(), key=lambda path: path.name)
    }
