"""The adapters of a workspace: which exist, which one is active, and what was active before."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

from a2g_cli.errors import CheckpointError, UnknownNameError, UsageError
from a2g_cli.policy import adapter as adapters
from a2g_cli.policy.adapter import Adapter
from a2g_cli.workspace import Workspace, checked_name

RESERVED = ("none", "random", "still")
"""Always exist in comparisons: the base alone, and the two floors."""


class Shelf:
    """``adapters/``: one folder an adapter, and ``active.json`` with the history of promotions."""

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
        """Return the next free ``adapter-NNN``."""
        # Whatever has the name, damaged or not: it is in the way.
        taken = [path.name[8:] for path in self.folder.glob("adapter-*")]
        numbers = [int(number) for number in taken if number.isdecimal()]
        return f"adapter-{max(numbers, default=0) + 1:03d}"

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
            history: Any = json.loads(path.read_text(encoding="utf-8"))["history"]
            if not isinstance(history, list) or not all(isinstance(name, str) for name in history):
                raise TypeError("its history is not a list of names")
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise CheckpointError(f"{path} is damaged ({error}): remove it to act with the base alone.") from error
        return history

    def _write(self, history: list[str]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = self.folder / "active.json.tmp"
        temporary.write_text(json.dumps({"history": history}, indent=2) + "\n", encoding="utf-8")
        os.replace(temporary, self.folder / "active.json")  # noqa: PTH105 - replace, whatever is there

    def active(self) -> str:
        """Return the name of the active adapter, ``none`` for the base alone."""
        history = self._history()
        return history[-1] if history else "none"

    def promote(self, name: str) -> None:
        """Make ``name`` the active adapter. Raises UnknownNameError."""
        if name != "none":
            self.get(name)
        history = self._history()
        if not history or history[-1] != name:
            self._write([*history, name])

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
        history = self._history()
        if history[-1:] == [name] and not force:
            raise UsageError(
                f"adapter {name!r} is the active one: promote another first, `a2g adapters rollback`, or add --force."
            )
        try:
            if name in history:  # first: a history that names what is gone would stop every command
                kept = [promoted for promoted in history if promoted != name]
                self._write([kept[i] for i in range(len(kept)) if i == 0 or kept[i] != kept[i - 1]])
            shutil.rmtree(folder)
        except OSError as error:
            raise CheckpointError(f"{folder} cannot be removed: {error.strerror or error}.") from error

    def roll_back(self) -> tuple[str, str]:
        """Go back to what was active before; return (left, now active). Raises UsageError when there is nothing to undo."""
        history = self._history()
        if not history:
            raise UsageError("no adapter was ever promoted here: there is nothing to roll back.")
        self._write(history[:-1])
        return history[-1], self.active()
