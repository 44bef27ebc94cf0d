"""The workspace: a folder with ``recordings/``, ``adapters/`` and, optionally, ``a2g.toml``."""

import os
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from a2g_cli.core.errors import A2GError, UsageError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


def checked_name(kind: str, name: str) -> str:
    """Return ``name`` if it can be part of a path: at most 80 letters, digits, ``.``, ``_``, ``-``.

    Raises:
        UsageError: any other name; so no name can leave the workspace.
    """
    if not is_name(name):
        raise UsageError(
            f"{name!r} cannot name a {kind}: use at most 80 letters, digits, '.', '_' and '-', the first a letter or digit."
        )
    return name


def is_name(name: str) -> bool:
    """Whether ``checked_name`` lets ``name`` through."""
    return _NAME.fullmatch(name) is not None and not name.endswith(".partial")


def expanded(path: str | Path) -> Path:
    """Return ``path`` with ``~`` and ``~USER`` replaced by the home folder. Raises UsageError if there is none."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        user = Path(path).parts[0]
        raise UsageError(f"{path}: {user} has no home folder: write the path in full.") from error


def read_text(path: Path) -> str:
    """Return the UTF-8 text of a file, without a byte order mark.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not UTF-8.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError("it is not UTF-8 text; save it as UTF-8") from error
    if "\0" in text:  # as in UTF-16
        raise ValueError("it is not UTF-8 text; save it as UTF-8")
    return text


@dataclass(frozen=True)
class Workspace:
    """The folders of a workspace. They are created when something is written."""

    root: Path

    @classmethod
    def find(cls, given: Path | None = None) -> "Workspace":
        """Return the workspace: ``given``, else ``$A2G_WORKSPACE``, else the current folder.

        Raises:
            UsageError: it is not a folder.
        """
        root = given or Path(os.environ.get("A2G_WORKSPACE") or Path.cwd())
        root = expanded(root).resolve()
        if root.exists() and not root.is_dir():
            raise UsageError(f"the workspace {root} is not a folder.")
        return cls(root)

    @property
    def goals(self) -> Path:
        """Goal photos, one folder each."""
        return self.root / "recordings" / "goals"

    @property
    def sessions(self) -> Path:
        """Sessions, one folder of recordings each."""
        return self.root / "recordings" / "sessions"

    @property
    def adapters(self) -> Path:
        """Adapters, one folder each, and the name of the active one."""
        return self.root / "adapters"

    @property
    def reports(self) -> Path:
        """Reports to look at in a browser, one file each."""
        return self.root / "reports"

    @property
    def logs(self) -> Path:
        """Metrics of runs, one folder each."""
        return self.root / "logs"

    @property
    def live(self) -> Path:
        """What commands that run now publish, one folder each."""
        return self.root / "live"

    def settings_text(self) -> str:
        """Return the text of ``a2g.toml``, empty if there is none. Raises UsageError: not text. A2GError: not readable."""
        path = self.root / "a2g.toml"
        if not path.exists():
            return ""
        try:
            return read_text(path)
        except ValueError as error:
            raise UsageError(f"{path} is not valid TOML: {error}.") from error
        except OSError as error:
            raise A2GError(f"{path} cannot be read: {error.strerror}.") from error

    def settings(self) -> dict[str, Any]:
        """Return ``a2g.toml`` as a dict, empty if there is none.

        Raises:
            UsageError: the file is not TOML.
        """
        try:
            return tomllib.loads(self.settings_text())
        except (ValueError, RecursionError) as error:  # of TOML, or numbers of ten thousand digits
            raise UsageError(f"{self.root / 'a2g.toml'} is not valid TOML: {str(error)[:200]}") from error
