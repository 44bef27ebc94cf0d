"""Finds sessions and recordings by the names in an address. Only what the workspace lists is found, never a path."""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from a2g_cli.core.errors import RecordingError, UnknownNameError
from a2g_cli.core.workspace import Workspace
from a2g_cli.data.recording.sessions import Session, list_sessions

HELD_OUT = "held-out"
"""Stands in an address before the name of a video of a held-out trial."""


def sessions_of(workspace: Workspace) -> list[Session]:
    """Return the sessions inside the workspace; a link to a folder elsewhere is none."""
    return [one for one in list_sessions(workspace) if _inside(one.folder, workspace.sessions)]


def session_called(workspace: Workspace, name: str) -> Session:
    """Return a session. Raises UnknownNameError."""
    found = next((one for one in sessions_of(workspace) if one.name == name), None)
    if found is None:
        raise UnknownNameError("session", name, [])
    return found


def recordings_of(session: Session) -> list[Path]:
    """Return the complete recordings in the folder of ``session``; a link to a file elsewhere is none."""
    return [path for path in session.recordings() if _inside(path, session.folder)]


def check_inside(session: Session) -> None:
    """Raise RecordingError if a recording of ``session`` is a link to a file elsewhere."""
    for one in (session, session.videos):
        outside = len(one.recordings()) - len(recordings_of(one))
        if outside or not _inside(one.folder, session.folder):
            raise RecordingError(
                f"recordings of the session {session.name} are links to files elsewhere, which this page does not show. "
                "`a2g report` does."
            )


def recording_called(workspace: Workspace, session: str, name: str, held_out: bool = False) -> Path:
    """Return a recording of a session, or of its videos of held-out trials. Raises UnknownNameError."""
    found = session_called(workspace, session)
    folder = found.videos if held_out else found
    path = next((path for path in recordings_of(folder) if path.name == name), None)
    if path is None or not _inside(path, found.folder):
        raise UnknownNameError("recording", f"{session}/{name}", [])
    return path


def address(*names: str) -> str:
    """Return the path of an address, e.g. of ``("sessions", "monday")``; names may hold any letters."""
    return "/" + "/".join(quote(name, safe="", errors="replace") for name in names)  # a folder's name may be no text


def recording_address(path: Path, what: Sequence[str], held_out: bool = False) -> str:
    """Return the address of something that is made of a recording, e.g. of its ``("video.mp4",)``."""
    folder = path.parent.parent if held_out else path.parent
    between = (HELD_OUT,) if held_out else ()
    return address("sessions", folder.name, *between, path.name, *what)


def _inside(path: Path, folder: Path) -> bool:
    try:
        return path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):  # a link that leads to itself
        return False
