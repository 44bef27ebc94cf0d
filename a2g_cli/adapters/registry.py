"""The adapters of a workspace: which exist, which one is active, and what was active before."""

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

RESERVED = ("none", "random", "still")
"""Always exist in comparisons: the base alone, and the two floors."""


_ACTIVE_LOCK = ".active.lock"


class AdapterRegistry:
    """``adapters/``: one folder an adapter, and ``active.json`` with the history of promotions.

    Several programs may use it at once: what is active changes in one moment, and for all of them, or not at all.
    """

    def __init__(self, workspace: Workspace) -> None:
        self.folder = workspace.adapters

    def names(self) -> list[str]:
        """Return the names of all adapters, oldest first."""
        if not self.folder.is_dir():
            return []
        found = [path.parent for path in self.folder.glob(f"[!.]*/{adapters.CONFIG}")]
        return [path.name for path in sorted(found, key=lambda path: (path.stat().st_mtime_ns, path.name))]

    def get(self, name: str) -> Adapter:
        """Return the adapter called ``name``. Raises UnknownNameError, CheckpointError, UsageError."""
        checked_name("adapter", name)
        if not (self.folder / name).is_dir():
            raise UnknownNameError("adapter", name, [*self.names(), *RESERVED])
        return adapters.read(self.folder / name)

    def fresh_name(self) -> str:
        """Return the next free ``adapter-NNN``; another program may take it first: see ``making``."""
        return f"adapter-{self._next_number():03d}"

    def _next_number(self) -> int:
        # Whatever has the name, damaged or not: it is in the way.
        taken = [path.name[8:] for path in self.folder.glob("adapter-*")]
        return max((int(number) for number in taken if number.isdecimal()), default=0) + 1

    @contextmanager
    def making(self, name: str | None = None) -> Iterator[Path]:
        """Give where a new adapter will live, called ``name`` or by the next free number; meanwhile nobody else makes it.

        Raises:
            UsageError: the name is taken or reserved.
            BusyError: another program is making one of that name.
            A2GError: the disk refuses.
        """
        names = iter([name]) if name else (f"adapter-{number:03d}" for number in count(self._next_number()))
        self._make_folder()
        with ExitStack() as held:
            for candidate in names:
                folder = self.new_folder(candidate)
                try:
                    lock = self.folder / f".{candidate}.lock"
                    held.enter_context(locked(lock, f"the making of {candidate}", patience=0.0))
                except BusyError:
                    if name:
                        raise
                    continue
                if not folder.exists():  # else it was completed between the look and the lock
                    break
                held.close()
            yield self.new_folder(candidate)

    def in_the_making(self) -> list[Owner]:
        """Return who is making an adapter here at this moment. Raises OSError."""
        owners = (holder(path) for path in sorted(self.folder.glob(".*.lock")) if path.name != _ACTIVE_LOCK)
        return [owner for owner in owners if owner is not None]

    def new_folder(self, name: str) -> Path:
        """Return where an adapter called ``name`` will live. Raises UsageError when the name is taken or reserved."""
        checked_name("adapter", name)
        if name in RESERVED:
            raise UsageError(
                f"{name!r} cannot name an adapter: it always stands for {'the base' if name == 'none' else 'a floor'}."
            )
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
                raise TypeError("its history is not a list of names")
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise CheckpointError(f"{path} is damaged ({error}): remove it to act with the base alone.") from error
        return history

    def _make_folder(self) -> None:
        try:
            make_folder(self.folder)
        except OSError as error:
            raise A2GError(f"{self.folder} cannot be made: {error.strerror or error}.") from error

    @contextmanager
    def _changing(self) -> Iterator[list[str]]:
        """Give the history to be changed in place; it is written when the block ends, if it is another."""
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
        """Return the name of the active adapter, ``none`` for the base alone."""
        history = self._history()
        return history[-1] if history else "none"

    def promote(self, name: str, instead_of: str | None = None) -> str:
        """Make ``name`` the active adapter; with ``instead_of``, only where that is still the active one.

        Returns:
            What is active now: ``name``, or, where another program has promoted something else meanwhile, that.

        Raises:
            UnknownNameError: there is no such adapter.
            BusyError: another program holds what is active.
        """
        if name != "none":
            self.get(name)
        with self._changing() as history:
            active = history[-1] if history else "none"
            if instead_of not in {None, active}:
                return active
            if not history or active != name:
                history.append(name)
        return name

    def remove(self, name: str, force: bool = False) -> None:
        """Remove the adapter ``name``, damaged or not, and forget that it was ever promoted.

        Raises:
            UnknownNameError: there is none.
            UsageError: it is the active one, and ``force`` is false.
            CheckpointError: the disk refuses.
        """
        folder = self.folder / checked_name("adapter", name)
        if name in RESERVED or not folder.is_dir() or folder.is_symlink():
            raise UnknownNameError("adapter", name, self.names())
        with self._changing() as history:
            if history[-1:] == [name] and not force:
                raise UsageError(
                    f"adapter {name!r} is the active one: promote another first, `a2g adapters rollback`, or add --force."
                )
            kept = [promoted for promoted in history if promoted != name]
            if name in history:
                history[:] = [kept[i] for i in range(len(kept)) if i == 0 or kept[i] != kept[i - 1]]
        # After that: a history that names what is gone would stop every command.
        try:
            shutil.rmtree(folder)
        except OSError as error:
            raise CheckpointError(f"{folder} cannot be removed: {error.strerror or error}.") from error

    def roll_back(self) -> tuple[str, str]:
        """Go back to what was active before; return (left, now active). Raises UsageError when there is nothing to undo."""
        with self._changing() as history:
            if not history:
                raise UsageError("no adapter was ever promoted here: there is nothing to roll back.")
            left = history.pop()
            return left, history[-1] if history else "none"
