"""``a2g recordings list``, ``show`` and ``verify``. No file is changed."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.progress import Progress

from a2g_cli.cli.commands.following import to_record
from a2g_cli.cli.commands.prompts import to_type
from a2g_cli.cli.commands.report import Report
from a2g_cli.cli.commands.summary import details, name_of, summarise_all, summarise_session, table
from a2g_cli.core.errors import UnknownNameError
from a2g_cli.core.workspace import Workspace
from a2g_cli.data.recording import schema
from a2g_cli.data.recording.reader import Recording
from a2g_cli.data.recording.sessions import INDEX, Session, find_recordings, list_sessions, open_session
from a2g_cli.data.recording.verify import verify_all
from a2g_cli.display.console import draws_images, stderr_console
from a2g_cli.display.images import image_row
from a2g_cli.display.lines import printable
from a2g_cli.display.listing import listing, size

_COLUMNS = 32


def waiting(session: Session) -> list[Path]:
    """Return the unfinished recordings of ``session`` that ``repair`` has not recovered yet."""
    left = []
    for partial in session.unfinished():
        stem = partial.name.removesuffix(schema.SUFFIX + schema.PARTIAL_SUFFIX)
        made = (partial.with_name(f"{stem}{ending}{schema.SUFFIX}") for ending in ("", "-salvaged"))
        if not any(path.exists() for path in made):
            left.append(partial)
    return left


def list_recordings(workspace: Workspace, session: str | None) -> Report:
    """List the sessions, the newest last, or the recordings of one.

    The document: ``{"sessions": [{"name", "path", "recordings", "goals", "judged", "successes", "adapters", "shifts",
    "damaged", "unfinished", "bytes", "changed_at"}]}``, or ``{"session", "recordings": [SUMMARY], "unfinished": [path]}``
    with SUMMARY as in cli/commands/summary.py. Of ``judged`` recordings, whoever judged them, ``successes`` succeeded;
    ``adapters`` has the policy's name where there is no adapter.
    """
    if session is not None:
        return _list_one(workspace, open_session(workspace, session))
    sessions = [_session(found) for found in list_sessions(workspace)]
    if not sessions:
        return Report({"sessions": []}, [f"no recordings yet; next: {to_record(workspace)}"])
    rows = [
        [
            found["name"],
            str(found["recordings"]),
            _some(found["goals"], "goals"),
            f"{found['successes']}/{found['judged']}" if found["judged"] else "-",
            _some(found["adapters"], "adapters"),
            _some(found["shifts"], "shifts"),
            ", ".join(f"{found[what]} {what}" for what in ("unfinished", "damaged") if found[what]),
            size(found["bytes"]),
            found["changed_at"],
        ]
        for found in sessions
    ]
    titles = ["session", "recordings", "goal", "success", "adapter", "shift", "not complete", "size", "changed"]
    lines = listing(titles, rows)
    if any(found["unfinished"] for found in sessions):
        lines.append(f"unfinished: {to_type(workspace, 'recordings', 'repair')} recovers them.")
    return Report({"sessions": sessions}, lines)


def _some(names: Sequence[str], what: str) -> str:
    """Return up to two names, or how many there are."""
    return ", ".join(names) if len(names) <= 2 else f"{len(names)} {what}"


def _session(session: Session) -> dict[str, Any]:
    paths = session.recordings()
    states = [path.stat() for path in paths]
    summaries = summarise_session(session)
    whole = [summary for summary in summaries if summary["problem"] is None]
    judged = [summary["outcome"]["success"] for summary in whole if summary["outcome"]["success"] is not None]
    acted = [summary["provenance"]["adapter_name"] or summary["provenance"]["policy"] for summary in whole]
    changed = max((state.st_mtime for state in states), default=session.folder.stat().st_mtime)
    return {
        "name": session.name,
        "path": str(session.folder),
        "recordings": len(paths),
        "goals": list(dict.fromkeys(summary["goal"]["name"] for summary in whole)),
        "judged": len(judged),
        "successes": sum(judged),
        "adapters": list(dict.fromkeys(acted)),
        "shifts": list(dict.fromkeys(summary["provenance"]["shift"] for summary in whole)),
        "damaged": len(summaries) - len(whole),
        "unfinished": len(waiting(session)),
        "bytes": sum(state.st_size for state in states),
        "changed_at": datetime.fromtimestamp(changed, UTC).isoformat(timespec="seconds"),
    }


def _list_one(workspace: Workspace, session: Session) -> Report:
    summaries = summarise_session(session)
    unfinished = waiting(session)
    more = to_type(workspace, "recordings", "verify", session.name)
    lines = table(summaries, more) if summaries else [f"the session {session.name} has no recordings."]
    lines += [printable(f"unfinished: {path}") for path in unfinished]
    document = {"session": session.name, "recordings": summaries, "unfinished": list(map(str, unfinished))}
    return Report(document, lines)


def show_recording(workspace: Workspace, name: str) -> Report:
    """Show everything about a recording, or about each of a session; exit code 1 if one is damaged.

    The document: ``{"recordings": [SUMMARY]}``. Raises UnknownNameError.
    """
    paths = find_recordings(workspace, [name])
    if not paths:
        raise UnknownNameError("recording", name, [], "the session is empty.")
    summaries = summarise_all(workspace, paths)
    console = stderr_console()
    if len(paths) == 1 and summaries[0]["problem"] is None and draws_images(console):
        with Recording(paths[0]) as recording:
            for camera in recording.cameras:
                shown = {"start": recording.frame(camera, 0), "end": recording.frame(camera, -1)}
                if camera in recording.goal.images:
                    shown["goal"] = recording.goal.images[camera]
                console.print(image_row(list(shown.values()), _COLUMNS, [f"{camera}: {label}" for label in shown]))
    lines: list[str] = []
    for summary in summaries:
        lines += [*([""] if lines else []), *details(summary)]
    return Report({"recordings": summaries}, lines, int(any(summary["problem"] for summary in summaries)))


def verify_recordings(workspace: Workspace, names: Sequence[str]) -> Report:
    """Check ``names``, or all recordings, byte by byte; exit code 1 if something is wrong.

    The document: ``{"recordings": [{"name", "path", "problems": [text], "notes": [text]}], "sound", "damaged",
    "duplicates": [[name, name]], "sessions": [{"name", "problem"}], "unfinished": [path]}``. Notes are no
    defects. Duplicates hold the same episode: a copy, or the same seed of a simulator. ``sessions`` has those whose
    ``session.hdf5`` does not list all recordings.
    """
    sessions = list_sessions(workspace)
    paths = (
        find_recordings(workspace, names) if names else [path for session in sessions for path in session.recordings()]
    )
    found: list[dict[str, Any]] = []
    contents: dict[str, str] = {}
    duplicates = []
    console = stderr_console()
    with Progress(console=console, transient=True, disable=not console.is_interactive) as progress:
        for verdict in progress.track(verify_all(paths), len(paths), description="verifying"):
            name = name_of(workspace, verdict.path)
            told = {"problems": list(verdict.problems), "notes": list(verdict.notes)}
            found.append({"name": name, "path": str(verdict.path), **told})
            if (first := contents.setdefault(verdict.content or name, name)) != name:
                duplicates.append([first, name])
    damaged = [entry for entry in found if entry["problems"]]
    asked = sessions if not names else [session for session in sessions if session.name in names]
    stale = [session.name for session in asked if session.index.exists() and not session.linked()]
    unfinished = [] if names else [str(path) for session in sessions for path in waiting(session)]
    lines = [f"{entry['name']}: {problem}" for entry in damaged for problem in entry["problems"]]
    lines += [f"note: {entry['name']}: {note}" for entry in found for note in entry["notes"]]
    lines += [
        f"note: {second} is the same episode as {first} (a copy, or the same seed): learning would count it twice."
        for first, second in duplicates
    ]
    repair = to_type(workspace, "recordings", "repair")
    lines += [f"{name}/{INDEX} does not list all recordings: `{repair}` rebuilds it." for name in stale]
    lines += [f"unfinished: {path}: `{repair}` recovers it." for path in unfinished]
    lines.append(f"{len(found) - len(damaged)} intact, {len(damaged)} damaged.")
    document = {
        "recordings": found,
        "sound": len(found) - len(damaged),
        "damaged": len(damaged),
        "duplicates": duplicates,
        "sessions": [{"name": name, "problem": f"{INDEX} does not list all recordings"} for name in stale],
        "unfinished": unfinished,
    }
    return Report(document, [printable(line) for line in lines], int(bool(damaged or stale)))
