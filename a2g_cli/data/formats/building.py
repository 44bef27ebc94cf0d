"""The folder in which an import builds a session: for one program at a time; the next removes what a killed one left."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from a2g_cli.core.errors import BusyError
from a2g_cli.core.locks import holder, locked
from a2g_cli.core.workspace import Workspace
from a2g_cli.data.recording import storage

_SUFFIX = ".importing"


@contextmanager
def being_built(workspace: Workspace, name: str, patience: float) -> Iterator[Path]:
    """Give an empty folder in which the session ``name`` is built, under a lock. It is removed at the end, unless renamed.

    Leftovers of killed imports are removed first, for this name and for others.

    Args:
        workspace: where the session will be.
        name: the session's name.
        patience: how long to wait for another program that builds it [s].

    Raises:
        BusyError: another program still builds it.
        RecordingError, A2GError: the disk refuses.
    """
    building = _folder(workspace, name)
    with storage.writing(building):
        workspace.sessions.mkdir(parents=True, exist_ok=True)
    with locked(_lock(workspace, name), f"the import into {name}", patience):
        _clear(workspace, name)
        with storage.writing(building):
            with suppress(FileNotFoundError):
                shutil.rmtree(building)
            building.mkdir()
        try:
            yield building
        finally:
            shutil.rmtree(building, ignore_errors=True)


def wait_for_another(workspace: Workspace, name: str, patience: float, note: Callable[[str], None]) -> None:
    """Wait until no other program builds the session ``name``; name that program by ``note``. Raises BusyError."""
    lock = _lock(workspace, name)
    with storage.reading(lock):
        other = holder(lock)
    if other is not None:
        note(f"waiting for {other}")
        with locked(lock, f"waiting for {name}", patience):
            pass


def _clear(workspace: Workspace, name: str) -> None:
    """Remove the folders of killed imports of other names. Each is locked first: running imports keep theirs."""
    for left in workspace.sessions.glob(f".*{_SUFFIX}"):
        other = left.name[1:].removesuffix(_SUFFIX)
        if other != name:
            with suppress(BusyError), locked(_lock(workspace, other), "clearing up", patience=0.0):
                shutil.rmtree(left, ignore_errors=True)


def _folder(workspace: Workspace, name: str) -> Path:
    return workspace.sessions / f".{name}{_SUFFIX}"


def _lock(workspace: Workspace, name: str) -> Path:
    return workspace.sessions / f".{name}.import.lock"
