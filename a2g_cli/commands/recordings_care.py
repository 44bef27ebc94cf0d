"""``a2g recordings repair`` and ``rm``: what changes the files of a workspace, and only there."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from a2g_cli.commands.asking import confirm_removal
from a2g_cli.commands.recordings import waiting
from a2g_cli.commands.report import Report
from a2g_cli.commands.summary import name_of
from a2g_cli.display.lines import printable
from a2g_cli.display.listing import size
from a2g_cli.errors import RecordingError, UnknownNameError, UsageError
from a2g_cli.recording import schema, storage
from a2g_cli.recording.assemble import UNFINISHED, prospect, salvage
from a2g_cli.recording.reader import Recording
from a2g_cli.recording.sessions import INDEX, Session, list_sessions, open_session
from a2g_cli.workspace import Workspace, checked_name


def repair_recordings(workspace: Workspace, names: Sequence[str], dry_run: bool) -> Report:
    """Make recordings of ``names``, or of everything that is unfinished; a failure ends with exit code 1.

    The document: ``{"repaired": [{"partial", "recording", "steps"}], "failed": [{"partial", "problem"}], "dry_run"}``.
    """
    partials = _partials(workspace, names)
    repaired: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    for partial in partials:
        try:
            repaired.append(_prospect(partial) if dry_run else _repair(partial))
        except RecordingError as error:
            failed.append({"partial": str(partial), "problem": str(error)})
    if not dry_run:
        for folder in {Path(entry["recording"]).parent for entry in repaired}:
            _link_again(workspace, Session(folder))
    made = "would become" if dry_run else "became"
    lines = [
        f"{name_of(workspace, Path(entry['partial']))} {made} {name_of(workspace, Path(entry['recording']))}, "
        f"{entry['steps']} steps."
        for entry in repaired
    ]
    lines += [entry["problem"] for entry in failed]
    if repaired and not dry_run:
        lines.append("the .partial files are kept; `a2g recordings rm NAME.hdf5.partial` removes one.")
    document = {"repaired": repaired, "failed": failed, "dry_run": dry_run}
    return Report(document, [printable(line) for line in lines or ["nothing is unfinished."]], int(bool(failed)))


def _partials(workspace: Workspace, names: Sequence[str]) -> list[Path]:
    if not names:
        return [partial for session in list_sessions(workspace) for partial in waiting(session)]
    found: dict[Path, None] = {}
    for name in names:
        outside = Path(name).expanduser()
        if outside.name.endswith(UNFINISHED) and outside.is_file():
            found.setdefault(outside.resolve())
            continue
        session, path = _located(workspace, name)
        if path is not None and not path.name.endswith(UNFINISHED):
            raise UsageError(f"{name!r} is complete: there is nothing to repair.")
        found.update(dict.fromkeys([path] if path else waiting(session)))
    return list(found)


def _repair(partial: Path) -> dict[str, Any]:
    path = salvage(partial)
    with Recording(path) as recording:
        return {"partial": str(partial), "recording": str(path), "steps": recording.length}


def _prospect(partial: Path) -> dict[str, Any]:
    """Return what ``_repair`` would. Raises RecordingError where it would for reasons that can be seen before."""
    with storage.reading(partial, "unfinished recording"):
        if storage.being_written(partial):
            raise RecordingError(f"{partial} is being written at this moment: there is nothing to repair.")
    path, steps, _ = prospect(partial)
    return {"partial": str(partial), "recording": str(path), "steps": steps}


def remove_recordings(workspace: Workspace, names: Sequence[str], yes: bool, dry_run: bool) -> Report:
    """Remove recordings, or whole sessions, of the workspace; all of ``names`` exist, or nothing is removed.

    The document: ``{"removed": [path], "bytes", "dry_run"}``. Files that are no recordings stay where they are.

    Raises:
        UnknownNameError: no such session or recording.
        UsageError: a name outside the workspace, or nobody confirmed.
        RecordingError: it is being written at this moment, or the disk refuses.
    """
    located = [_located(workspace, name) for name in names]
    files: dict[Path, None] = {}
    for session, path in located:
        files.update(dict.fromkeys([path] if path else _belongings(session)))
    for path in files:
        with storage.reading(path):
            if path.name.endswith(UNFINISHED) and storage.being_written(path):
                raise RecordingError(f"{path} is being written at this moment: stop the program that does first.")
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


def _located(workspace: Workspace, name: str) -> tuple[Session, Path | None]:
    """Return the session, and the file in it where one is named, complete or unfinished.

    Raises:
        UnknownNameError: there is none.
        UsageError: a place outside the workspace.
    """
    typed = Path(name).expanduser().resolve()
    if typed.exists() and workspace.sessions in (typed.parent, typed.parent.parent):
        name = str(typed.relative_to(workspace.sessions))
    session_name, slash, file = name.rstrip("/").partition("/")
    if "/" in file or session_name in {"", ".", "..", "~"}:
        raise UsageError(f"{name!r} is no recording in {workspace.sessions}: write SESSION or SESSION/episode-0000.")
    session = open_session(workspace, session_name)
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
    """Return every file of a session that this program wrote."""
    index = session.folder / INDEX
    return [*session.recordings(), *session.unfinished(), *([index] if index.is_file() else [])]


def _tidy(workspace: Workspace, session: Session, whole: bool) -> list[str]:
    """Bring a session's folder in order after something was removed; return what there is to say."""
    if not whole:
        _link_again(workspace, session)
        return []
    try:
        session.folder.rmdir()
    except FileNotFoundError:
        return []
    except OSError:
        return [f"{session.folder} stays: it holds other files."]
    return []


def _link_again(workspace: Workspace, session: Session) -> None:
    """Let ``session.hdf5`` list what there is now; a session with a damaged recording goes without."""
    index = session.folder / INDEX
    if session.folder.parent != workspace.sessions or not index.exists():
        return
    with storage.writing(index):
        index.unlink()
    with suppress(RecordingError):
        session.link()
