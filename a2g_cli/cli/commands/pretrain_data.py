"""The data of ``a2g pretrain``: other programs' files, which are imported once, and the simulator's scripted expert.

Two trainings that start at the same time on the same data share them: one makes them, the other waits.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from a2g_cli.cli.commands.exchange import default_name
from a2g_cli.cli.commands.learnable import by_name, not_learnable
from a2g_cli.cli.commands.pretrain_plan import split_off
from a2g_cli.core.errors import RecordingError, SessionExistsError
from a2g_cli.core.locks import holder, locked
from a2g_cli.core.workspace import Workspace, expanded
from a2g_cli.data.formats.building import wait_for_another
from a2g_cli.data.formats.importing import ImportOptions, bring_in
from a2g_cli.data.formats.registry import Format, foreign
from a2g_cli.data.recording import storage
from a2g_cli.data.recording.reader import Recording
from a2g_cli.data.recording.sessions import Session, find_recordings, list_sessions
from a2g_cli.robots.base import RobotSpec
from a2g_cli.training.demonstrations import demonstration, record_demonstrations
from a2g_cli.training.device import PATIENCE, TrainingDevice
from a2g_cli.training.pretrain_settings import PretrainSettings
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
    """Return ``name``, or, if it is a path with another program's data, the session that they are imported to.

    The session's name has a hash of the files, so that a resumed run finds it again, and two runs that start at the same time
    share it: the second waits for the first. Episodes that are left out are added to ``skipped``.
    """
    place = expanded(name)
    known = {session.name for session in list_sessions(workspace)}
    if name.partition("/")[0] in known or (form := foreign(place)) is None:
        return name
    whole, session = (f"{default_name(place)}-{_identity(place, one, skip_bad=skip_bad)}" for one in (None, size))
    if whole in known:  # frames of any size are resized when they are read
        return whole
    if machine.first and session not in known:
        skipped |= _import(workspace, place, form, session, ImportOptions(size=size, skip_bad=skip_bad), view)
    machine.wait()
    return session


def _import(
    workspace: Workspace, place: Path, form: Format, session: str, options: ImportOptions, view: TrainingWatcher
) -> dict[str, str]:
    """Import ``place`` unless another program has done so; return the episodes that were left out, and why."""
    patience = PATIENCE.total_seconds()
    wait_for_another(workspace, session, patience, view.note)
    if Session(workspace.sessions / session).folder.exists():
        view.note(f"another program has imported {place.name} meanwhile: using its session {session}")
        return {}
    view.started(f"importing {place.name} ({form.name})", 0)

    def advanced(done: int) -> None:
        view.advanced(done, {})

    try:
        brought = bring_in(workspace, place, form, session, options, advanced, patience)
        notes, skipped = brought.notes, brought.skipped
    except SessionExistsError:  # another program started first
        notes, skipped = [f"using the session {session} of another program"], {}
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
    """Hold ``lock`` while the block runs, so that no other training makes the same ``what`` at the same time.

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
        view.advanced(count, {})  # counts those of an earlier run too
        view.finished()
        if failed:
            view.note(f"{failed} of {count} demonstrations failed and were left out")
    machine.wait()
    wanted = {demonstration(session, index).name for index in range(count)}  # an earlier run may have made more
    return [path for path in session.recordings() if path.name in wanted]


@dataclass(frozen=True)
class Demonstrations:
    """The demonstrations that are trained on, each with its session or scene, and those that are held out."""

    paths: list[Path]
    groups: list[str]
    held_out: list[Path]
    held_out_groups: list[str]

    def counts(self) -> dict[str, int]:
        """Return session or scene -> number of demonstrations to train on."""
        return dict(Counter(self.groups))

    def spec(self) -> RobotSpec:
        """Return the robot of the first demonstration. Raises RecordingError."""
        with Recording(self.paths[0]) as recording:
            return recording.spec


def gathered(
    workspace: Workspace,
    names: Sequence[str],
    scenes: Mapping[str, int],
    settings: PretrainSettings,
    machine: TrainingDevice,
    skipped: dict[str, str],
    view: TrainingWatcher,
    *,
    skip_bad: bool,
) -> Demonstrations:
    """Return the demonstrations that were named, imported or made; those that cannot be used are added to ``skipped``.

    Raises:
        RecordingError: there is none, or one cannot be learned from.
        UnknownNameError, UsageError: see their messages.
    """
    given = [brought_in(workspace, name, settings.size, view, machine, skipped, skip_bad=skip_bad) for name in names]
    paths = find_recordings(workspace, given) if given else []
    bad = not_learnable(paths, view, "`--skip-bad` leaves such recordings out.", skip_bad=skip_bad) if paths else {}
    paths = [path for path in paths if path not in bad]
    skipped |= by_name(bad)
    groups = [path.parent.name for path in paths]
    for scene, count in scenes.items():
        shown = demonstrated(workspace, scene, count, settings.seed, view, machine)
        paths += shown
        groups += [scene] * len(shown)
    if not paths:
        raise RecordingError("there is no recording to train on.")
    held = split_off(paths, groups, settings.held_out)
    chosen = [(path, group, out) for path, group, out in zip(paths, groups, held, strict=True)]
    return Demonstrations(
        [path for path, _, out in chosen if not out],
        [group for _, group, out in chosen if not out],
        [path for path, _, out in chosen if out],
        [group for _, group, out in chosen if out],
    )
