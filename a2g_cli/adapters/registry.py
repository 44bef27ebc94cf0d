"""The adapters of a workspace: which exist, which one is active, and which were active before."""

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from a2g_cli.adapters import files as adapters
from a2g_cli.adapters.files import Adapter
from a2g_cli.core.errors import A2GError, BusyError, CheckpointError, UnknownNameError, UsageError
from a2g_cli.core.files import make_folder, replace_file
from a2g_cli.core.locks import Owner, holder, locked
from a2g_cli.core.workspace import Workspace, checked_name, read_text

BASE = "base"
"""Stands for the base policy, without an adapter."""
RESERVED = (BASE, "random", "still")
"""Names of the policies that always exist: the base policy, and the two baselines."""
_OLD_BASE = "none"
"""Version 0.1's word for the base policy."""


def current_name(name: str) -> str:
    """Return an adapter's name as files have it, with today's word for the base policy."""
    return BASE if name == _OLD_BASE else name


_ACTIVE_LOCK = ".active.lock"


class AdapterRegistry:
    """The folder ``adapters/``: one folder per adapter, and ``active.json`` with the history of promotions.

    Several programs may use it at once: a lock and an atomic write protect the active adapter.
    """

    def __init__(self, workspace: Workspace) -> None:
        self.folder = workspace.adapters

    def names(self) -> list[str]:
        """Return the names of all adapters, oldest first."""
        if not self.folder.is_dir():
            return []
        folders = [path.parent for path in self.folder.glob(f"[!.]*/{adapters.CONFIG}")]
        return [path.name for path in sorted(folders, key=lambda path: (path.stat().st_mtime_ns, path.name))]

    def get(self, name: str) -> Adapter:
        """Return the adapter ``name``. Raises UnknownNameError, CheckpointError, UsageError."""
        checked_name("adapter", name)
        if not (self.folder / name).is_dir():
            raise UnknownNameError("adapter", name, [*self.names(), *RESERVED])
        return adapters.read(self.folder / name)

    def fresh_name(self) -> str:
        """Return the next free ``adapter-NNN``. Another program may take it; ``creating`` reserves it."""
        return f"adapter-{self._next_number():03d}"

    def _next_number(self) -> int:
        # A damaged adapter takes a name as well.
        taken = [path.name[8:] for path in self.folder.glob("adapter-*")]
        return max((int(number) for number in taken if number.isdecimal()), default=0) + 1

    @contextmanager
    def creating(self, name: str | None = None) -> Iterator[Path]:
        """Reserve a new adapter, ``name`` or the next free number, while the block runs; yield its folder.

        Raises:
            UsageError: the name is taken or reserved.
            BusyError: another program is creating an adapter of that name.
            A2GError: the folder cannot be made.
        """
        names = iter([name]) if name else (f"adapter-{number:03d}" for number in count(self._next_number()))
        self._make_folder()
        with ExitStack() as held:
            for candidate in names:
                folder = self.new_folder(candidate)
                try:
                    lock = self.folder / f".{candidate}.lock"
                    held.enter_context(locked(lock, f"the creation of {candidate}", patience=0.0))
                except BusyError:
                    if name:
                        raise
                    continue
                if not folder.exists():  # another program may have completed it before the lock was taken
                    break
                held.close()
            yield self.new_folder(candidate)

    def being_created(self) -> list[Owner]:
        """Return the programs that are creating an adapter now. Raises OSError."""
        owners = (holder(path) for path in sorted(self.folder.glob(".*.lock")) if path.name != _ACTIVE_LOCK)
        return [owner for owner in owners if owner is not None]

    def new_folder(self, name: str) -> Path:
        """Return the folder for a new adapter ``name``. Raises UsageError if the name is taken or reserved."""
        checked_name("adapter", name)
        if name in (*RESERVED, _OLD_BASE):
            meaning = "the base policy" if name in (BASE, _OLD_BASE) else "a baseline"
            raise UsageError(f"{name!r} cannot be the name of an adapter: it always means {meaning}.")
        if (self.folder / name).exists():
            raise UsageError(f"adapter {name!r} exists already: choose another name, or remove it first.")
        return self.folder / name

    def _history(self) -> list[str]:
        path = self.folder / "active.json"
        if not path.exists():
            return []
        try:
            history: Any = json.loads(read_text(path))["history"]
            if not isinstance(history, list) or not all(isinstance(name, str) for name in history):
                raise TypeError("history is not a list of names")
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise CheckpointError(f"{path} is damaged ({error}): remove it, then the base policy acts.") from error
        if BASE in history and (self.folder / BASE / adapters.CONFIG).exists():
            raise CheckpointError(
                f"{self.folder / BASE} is an adapter of version 0.1, and {BASE} means the base policy today: rename the "
                f"folder, and its name in {path}."
            )
        return [current_name(name) for name in history]

    def _make_folder(self) -> None:
        try:
            make_folder(self.folder)
        except OSError as error:
            raise A2GError(f"{self.folder} cannot be made: {error.strerror or error}.") from error

    @contextmanager
    def _changing(self) -> Iterator[list[str]]:
        """Yield the history, to be changed in place; write it when the block ends, if it has changed."""
        self._make_folder()
        with locked(self.folder / _ACTIVE_LOCK, "a change of the active adapter"):
            history = self._history()
            before = list(history)
            yield history
            if history != before:
                path = self.folder / "active.json"
                try:
                    replace_file(path, (json.dumps({"history": history}, indent=2) + "\n").encode())
                except OSError as error:
                    raise A2GError(f"{path} cannot be written: {error.strerror or error}.") from error

    def active(self) -> str:
        """Return the name of the active adapter; ``base`` for the base policy."""
        history = self._history()
        return history[-1] if history else BASE

    def promote(self, name: str, instead_of: str | None = None) -> str:
        """Make ``name`` the active adapter; with ``instead_of``, only if that one is still active.

        Returns:
            The name of the adapter that is active now; not ``name`` if another program has promoted another one meanwhile.

        Raises:
            UnknownNameError: there is no such adapter.
            BusyError: another program is changing the active adapter.
        """
        if name != BASE:
            self.get(name)
        with self._changing() as history:
            active = history[-1] if history else BASE
            if instead_of not in {None, active}:
                return active
            if not history or active != name:
                history.append(name)
        return name

    def remove(self, name: str, force: bool = False) -> None:
        """Remove the adapter ``name``, damaged or not, from the folder and from the history.

        Raises:
            UnknownNameError: there is no such adapter.
            UsageError: it is active, and ``force`` is false.
            CheckpointError: the folder cannot be removed.
        """
        folder = self.folder / checked_name("adapter", name)
        if name in RESERVED or not folder.is_dir() or folder.is_symlink():
            raise UnknownNameError("adapter", name, self.names())
        with self._changing() as history:
            if history[-1:] == [name] and not force:
                raise UsageError(
                    f"adapter {name!r} is active: promote another one first, run `a2g adapters rollback`, or add --force."
                )
            kept = [promoted for promoted in history if promoted != name]
            if name in history:
                history[:] = [kept[i] for i in range(len(kept)) if i == 0 or kept[i] != kept[i - 1]]
        # Only now: a history that names a missing adapter would stop every command.
        try:
            shutil.rmtree(folder)
        except OSError as error:
            raise CheckpointError(f"{folder} cannot be removed: {error.strerror or error}.") from error

    def roll_back(self) -> tuple[str, str]:
        """Make the previous adapter active; return (no longer active, active). Raises UsageError if there is none."""
        with self._changing() as history:
            if not history:
                raise UsageError("no adapter was promoted in this workspace: there is nothing to roll back.")
            removed = history.pop()
            return removed, history[-1] if history else BASE
