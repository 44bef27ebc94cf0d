"""Where ``a2g pretrain`` has its data from: other programs' files, imported once, and the simulator's scripted expert.

Two trainings that begin at once on the same data share them: one makes them while the other waits.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from a2g_cli.cli.commands.exchange import default_name
from a2g_cli.core.errors import SessionExistsError
from a2g_cli.core.locks import holder, locked
from a2g_cli.core.workspace import Workspace, expanded
from a2g_cli.data.formats.building import wait_for_another
from a2g_cli.data.formats.importing import ImportOptions, bring_in
from a2g_cli.data.formats.registry import Format, foreign
from a2g_cli.data.recording import storage
from a2g_cli.data.recording.sessions import Session, list_sessions
from a2g_cli.training.demonstrations import demonstration, record_demonstrations
from a2g_cli.training.device import PATIENCE, TrainingDevice
from a2g_cli.training.watcher import TrainingWatcher


def brought_in(
    workspace: Workspace,
    name: str,
    size: tuple[int, int] | None,
    view: TrainingWatcher,
    machine: TrainingDevice,
    skipped: dict[str, str],
    *,
    skip_bad: bool,
) -> str:
    """Return ``name``, or, where it is a place with another program's data, the session that it was imported to.

    The session's name tells the very files from any others, so that a run that goes on finds it again, and two that begin at
    once share it: the second waits for the first. Episodes that were left out go to ``skipped``.
    """
    place = expanded(name)
    known = {session.name for session in list_sessions(workspace)}
    if name.partition("/")[0] in known or (form := foreign(place)) is None:
        return name
    whole, session = (f"{default_name(place)}-{_identity(place, one, skip_bad=skip_bad)}" for one in (None, size))
    if whole in known:  # frames of any size are resized as they are read
        return whole
    if machine.first and session not in known:
        skipped |= _import(workspace, place, form, session, ImportOptions(size=size, skip_bad=skip_bad), view)
    machine.wait()
    return session


def _import(
    workspace: Workspace, place: Path, form: Format, session: str, options: ImportOptions, view: TrainingWatcher
) -> dict[str, str]:
    """Import ``place``, unless another program does or did; return the episodes that were left out, and why."""
    patience = PATIENCE.total_seconds()
    wait_for_another(workspace, session, patience, view.note)
    if Session(workspace.sessions / session).folder.exists():
        view.note(f"{place.name} was imported by another program meanwhile: its session {session} is used")
        return {}
    view.started(f"importing {place.name} ({form.name})", 0)

    def advanced(done: int) -> None:
        view.advanced(done, {})

    try:
        brought = bring_in(workspace, place, form, session, options, advanced, patience)
        notes, skipped = brought.notes, brought.skipped
    except SessionExistsError:  # another one was faster to begin
        notes, skipped = [f"the session {session} of another program is used"], {}
    view.finished()
    for note in notes:
        view.note(note)
    return skipped


def _identity(place: Path, size: tuple[int, int] | None, *, skip_bad: bool) -> str:
    files = [place] if place.is_file() else sorted(path for path in place.rglob("*") if path.is_file())
    digest = hashlib.sha256(f"{place.resolve()} {size}{' skip-bad' if skip_bad else ''}".encode())
    for path in files:
        state = path.stat()
        digest.update(f"{path.relative_to(place.parent)} {state.st_size} {state.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:8]


@contextmanager
def alone(lock: Path, what: str, patience: float, view: TrainingWatcher) -> Iterator[None]:
    """Hold ``lock``, which keeps another training from making the same ``what`` at once, while the block runs.

    Raises:
        BusyError: another program holds it for longer than ``patience`` [s].
        A2GError: the disk refuses.
    """
    with storage.writing(lock):
        made = not lock.parent.exists()
        lock.parent.mkdir(parents=True, exist_ok=True)
        other = holder(lock)
    if other is not None and patience:
        view.note(f"waiting for {other}")
    try:
        with locked(lock, f"a2g pretrain, making {what}", patience):
            yield
    finally:
        if made:  # what was refused before anything was written leaves no folder
            with suppress(OSError):  # it holds something
                lock.parent.rmdir()


def demonstrated(
    workspace: Workspace, scene: str, count: int, seed: int, view: TrainingWatcher, machine: TrainingDevice
) -> list[Path]:
    """Return the demonstrations of a scene, made by the first process while the others wait."""
    session = Session(workspace.sessions / f"demonstrations-{scene}-{seed}")
    if machine.first:
        view.started(f"demonstrations of {scene}", count)
        with alone(workspace.sessions / f".{session.name}.lock", session.name, PATIENCE.total_seconds(), view):
            failed = record_demonstrations(session, scene, seed, count, advanced=lambda done: view.advanced(done, {}))
        view.advanced(count, {})  # those that were there already too
        view.finished()
        if failed:
            view.note(f"{failed} of {count} demonstrations failed and were left out")
    machine.wait()
    wanted = {demonstration(session, index).name for index in range(count)}  # there may be more, of an earlier run
    return [path for path in session.recordings() if path.name in wanted]
