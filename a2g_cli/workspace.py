"""Where things are: a workspace is a folder with ``recordings/``, ``adapters/`` and, perhaps, ``a2g.toml``."""

import os
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from a2g_cli.errors import A2GError, UsageError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


def checked_name(kind: str, name: str) -> str:
    """Return ``name`` if it may become part of a path: letters, digits, ``.``, ``_``, ``-``, at most 80.

    Raises:
        UsageError: anything else, so that no name can leave the workspace.
    """
    if not _NAME.fullmatch(name) or name.endswith(".partial"):
        raise UsageError(
            f"{name!r} cannot name a {kind}: use at most 80 letters, digits, '.', '_' and '-', the first a letter or digit."
        )
    return name


@dataclass(frozen=True)
class Workspace:
    """One workspace's folders. Nothing is created before something is written."""

    root: Path

    @classmethod
    def find(cls, given: Path | None = None) -> "Workspace":
        """Return the workspace: ``given``, else ``$A2G_WORKSPACE``, else the present folder.

        Raises:
            UsageError: the folder's place is taken by a file.
        """
        root = given or Path(os.environ.get("A2G_WORKSPACE") or Path.cwd())
        root = root.expanduser().resolve()
        if root.exists() and not root.is_dir():
            raise UsageError(f"the workspace {root} is not a folder.")
        return cls(root)

    @property
    def goals(self) -> Path:
        """Goal images, one folder each."""
        return self.root / "recordings" / "goals"

    @property
    def sessions(self) -> Path:
        """Sessions, one folder of recordings each."""
        return self.root / "recordings" / "sessions"

    @property
    def adapters(self) -> Path:
        """Adapters, one folder each, and the name of the active one."""
        return self.root / "adapters"

    def settings(self) -> dict[str, Any]:
        """Return ``a2g.toml`` as a dict, empty when there is none.

        Raises:
            UsageError: the file is not TOML.
        """
        path = self.root / "a2g.toml"
        if not path.exists():
            return {}
        try:
            return tomllib.loads(path.read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:  # of TOML, of UTF-8, or numbers of ten thousand digits
            raise UsageError(f"{path} is not valid TOML: {str(error)[:200]}") from error
        except OSError as error:
            raise A2GError(f"{path} cannot be read: {error.strerror}") from error
