"""``a2g recordings repair`` and ``rm``."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from a2g_cli.cli.commands.prompts import confirm_removal, to_type
from a2g_cli.cli.commands.recordings import waiting
from a2g_cli.cli.commands.report import Report
from a2g_cli.cli.commands.summary import name_of
from a2g_cli.core.errors import CheckpointError, RecordingError, UnknownNameError, UsageError
from a2g_cli.core.workspace import Workspace, checked_name, expanded
from a2g_cli.data.recording import index, schema, storage
from a2g_cli.data.recording.assemble import UNFINISHED, prospect, salvage
from a2g_cli.data.recording.reader import Recording
from a2g_cli.data.recording.sessions import INDEX, Session, list_sessions, open_session
from a2g_cli.display.lines import printable
from a2g_cli.display.listing import size
from a2g_cli.improvement.state import PROGRESS


def repair_recordings(workspace: Workspace, names: Sequence[str], dry_run: bool) -> Report:
    """Recover the unfinished recordings ``names``, or all, and rebuild session files.

    Original files are not changed; only temporary files of programs that died are removed. Exit code 1 if something fails.

    The document: ``{"repaired": [{"partial", "recording", "steps"}], "linked": [path], "failed": [{"path", "problem"}],
    "dry_run"}``.
    """
    partials, sessions = _wanting(workspace, names)
    repaired: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    linked: list[str] = []
    for partial in partials:
        try:
            repaired.append(_prospect(partial) if dry_run else _repair(partial))
        except RecordingError as error:
            failed.append({"path": str(partial), "problem": str(error)})
    for session in sessions:
        try:
            if not dry_run:
                session.clear()
                if names:
                    index.rebuild(session.folder, session.recordings())
            if session.recordings() and not session.linked():
                linked.append(str(session.index if dry_run else session.link()))
        except RecordingError as error:
            failed.append({"path": str(session.index), "problem": f"{session.index} cannot be written: {error}"})
    made, again = ("would become", "would be rebuilt") if dry_run else ("became", "was rebuilt")
    lines = [
        f"{name_of(workspace, Path(entry['partial']))} {made} {name_of(workspace, Path(entry['recording']))}, "
        f"{entry['steps']} steps."
        for entry in repaired
    ]
    lines += [f"{path} {again}." for path in linked]
    lines += [entry["problem"] for entry in failed]
    own = [entry["partial"] for entry in repaired if Path(entry["partial"]).parent.parent == workspace.sessions]
    if repaired and not dry_run:
        names = [name_of(workspace, Path(partial)) for partial in own]
        remove = f": to remove them, {to_type(workspace, 'recordings', 'rm', *names)}" if own else "."
        lines.append(f"the .partial files are kept{remove}")
    document = {"repaired": repaired, "linked": linked, "failed": failed, "dry_run": dry_run}
    return Report(document, [printable(line) for line in lines or ["there is nothing to repair."]], int(bool(failed)))


def _wanting(workspace: Workspace, names: Sequence[str]) -> tuple[list[Path], list[Session]]:
    """Return the unfinished recordings of ``names``, and the sessions whose files are checked."""
    if not names:
        # A session that a program is recording is left out: that program writes the session file at its end.
        sessions = [
            session
            for session in list_sessions(workspace)
            if not session.folder.is_symlink() and not _being_recorded(session)
        ]
        return [partial for session in sessions for partial in waiting(session)], sessions
    partials: dict[Path, None] = {}
    folders: dict[Path, None] = {}
    for name in names:
        outside = expanded(name)
        if outside.name.endswith(UNFINISHED) and outside.is_file():
            partial = outside.resolve()
            partials.setdefault(partial)
            if partial.parent.parent == workspace.sessions:
                folders.setdefault(partial.parent)
            continue
        session, path = _located(workspace, name)
        if path is not None and not path.name.endswith(UNFINISHED):
            raise UsageError(f"{name!r} is complete: there is nothing to repair.")
        partials.update(dict.fromkeys([path] if path else waiting(session)))
        folders.setdefault(session.folder)
    return list(partials), [Session(folder) for folder in folders]


def _being_recorded(session: Session) -> bool:
    """Return whether a program is writing an episode of ``session`` now."""
    for partial in waiting(session):
        with suppress(OSError):  # just completed; or it cannot be read, which its repair reports
            if storage.being_written(partial):
                return True
    return False


def _repair(partial: Path) -> dict[str, Any]:
    path = salvage(partial)
    with Recording(path) as recording:
        return {"partial": str(partial), "recording": str(path), "steps": recording.length}


def _prospect(partial: Path) -> dict[str, Any]:
    """Return what ``_repair`` would return. Raises RecordingError if it is known that ``_repair`` would."""
    with storage.reading(partial, "unfinished recording"):
        if storage.being_written(partial):
            raise RecordingError(f"a program is writing {partial} now: there is nothing to repair.")
    path, steps, _ = prospect(partial)
    return {"partial": str(partial), "recording": str(path), "steps": steps}


def remove_recordings(workspace: Workspace, names: Sequence[str], yes: bool, force: bool, dry_run: bool) -> Report:
    """Remove recordings or whole sessions; if one of ``names`` does not exist, nothing is removed.

    Recordings that an adapter learned from are removed only with ``force``, since they document the adapter.

    The document: ``{"removed": [path], "bytes", "dry_run"}``. Other files in a session are kept.

    Raises:
        UnknownNameError: no such session or recording.
        UsageError: a name outside the workspace, an adapter learned from it, or no confirmation.
        RecordingError: a program is writing it, or the file cannot be removed.
    """
    located = [_located(workspace, name) for name in names]
    files: dict[Path, None] = {}
    for session, path in located:
        files.update(dict.fromkeys([path] if path else _belongings(session)))
    for path in files:
        with storage.reading(path):
            if path.name.endswith(UNFINISHED) and storage.being_written(path):
                raise RecordingError(f"a program is writing {path} now: stop that program first.")
    if not force:
        _check_unused(workspace, files)
    listed = [session.name if path is None else name_of(workspace, path) for session, path in located]
    amount = sum(path.stat().st_size for path in files)
    document = {"removed": list(map(str, files)), "bytes": amount, "dry_run": dry_run}
    what = f"{len(files)} files, {size(amount)}"
    if dry_run:
        return Report(
            document, [*(printable(f"would remove {path}") for path in files), f"{what}: nothing was removed."]
        )
    confirm_removal([f"{', '.join(listed)} ({what})"], yes)
    for path in files:
        with storage.writing(path):
            path.unlink(missing_ok=True)
    kept = [printable(line) for session, path in located for line in _tidy(workspace, session, path is None)]
    return Report(document, [printable(f"removed {', '.join(listed)}: {what}."), *kept])


def _check_unused(workspace: Workspace, files: Iterable[Path]) -> None:
    """Raise UsageError if an adapter learned from one of ``files``, or may be learning from them now."""
    if not workspace.adapters.is_dir():
        return
    from a2g_cli.adapters.registry import AdapterRegistry  # takes a second to import

    registry = AdapterRegistry(workspace)
    names = {f"{path.parent.name}/{path.stem}": path for path in files if path.suffix == schema.SUFFIX}
    taught: list[str] = []
    used: dict[str, None] = {}
    for adapter in registry.names():
        try:
            said = registry.get(adapter).lineage.get("recordings")
        except CheckpointError:
            continue  # damaged: unknown
        found = [
            name for one in said or [] if (name := str(one).partition(" ")[0].removesuffix(schema.SUFFIX)) in names
        ]
        taught += [adapter] * bool(found)
        used.update(dict.fromkeys(found))
    if taught:
        raise UsageError(
            f"{', '.join(taught[:5])} learned from {len(used)} of these recordings, e.g. {next(iter(used))}: add --force to "
            "remove them anyway."
        )
    if names and (makers := registry.being_created()):
        raise UsageError(f"{makers[0]} may be learning from these recordings: wait until it has ended, or add --force.")


def _located(workspace: Workspace, name: str) -> tuple[Session, Path | None]:
    """Return the session, and the file in it where one is named, complete or unfinished.

    Raises:
        UnknownNameError: there is none.
        UsageError: a place outside the workspace.
    """
    typed = expanded(name).resolve()
    if typed.exists() and workspace.sessions in (typed.parent, typed.parent.parent):
        name = str(typed.relative_to(workspace.sessions))
    session_name, slash, file = name.rstrip("/").partition("/")
    if "/" in file or session_name in {"", ".", "..", "~"}:
        raise UsageError(f"{name!r} is not a recording in {workspace.sessions}: write SESSION or SESSION/episode-0000.")
    session = open_session(workspace, session_name)
    if session.folder.is_symlink():
        raise UsageError(
            f"{session.folder} is a link to {session.folder.resolve()}: do this there, or remove the link."
        )
    if not slash:
        return session, None
    stem = file.removesuffix(schema.PARTIAL_SUFFIX).removesuffix(schema.SUFFIX)
    complete = session.folder / f"{checked_name('recording', stem)}{schema.SUFFIX}"
    for path in [complete] * (not file.endswith(schema.PARTIAL_SUFFIX)) + [schema.partial_path(complete)]:
        if path.is_file() and path.name != INDEX:
            return session, path
    known = (f"{session.name}/{path.stem}" for path in [*session.recordings(), *session.unfinished()])
    raise UnknownNameError("recording", f"{session.name}/{file}", known)


def _belongings(session: Session) -> list[Path]:
    """Return every file of a session that a2g wrote."""
    beside = (session.index, session.folder / index.NAME, session.folder / PROGRESS)
    made = [path for path in beside if path.is_file()]
    for one in (session, session.resets, session.videos):
        made += [*one.recordings(), *one.unfinished(), *storage.leftovers(one.folder)]
    return made


def _tidy(workspace: Workspace, session: Session, whole: bool) -> list[str]:
    """Update a session's folder after a removal; return lines to print."""
    if not whole:
        _link_again(workspace, session)
        return []
    try:
        for inner in (session.resets, session.videos):
            with suppress(FileNotFoundError):
                inner.folder.rmdir()
        session.folder.rmdir()
    except FileNotFoundError:
        return []
    except OSError:
        return [f"{session.folder} is kept: it has other files."]
    return []


def _link_again(workspace: Workspace, session: Session) -> None:
    """Rebuild ``session.hdf5``; a session with a damaged recording has none."""
    if session.folder.parent != workspace.sessions or not session.index.exists():
        return
    with storage.writing(session.index):
        session.index.unlink()
    with suppress(RecordingError):
        session.link()
