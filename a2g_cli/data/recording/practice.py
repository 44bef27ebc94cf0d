"""Which sessions are practice, and which of them are being recorded now.

Practice is what a policy did in ``a2g run`` or ``a2g improve``. Demonstrations and imports are not practice: to adapt to
them, name their session.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from a2g_cli.core.errors import RecordingError
from a2g_cli.core.locks import holder, locked
from a2g_cli.core.workspace import Workspace
from a2g_cli.data.recording import storage
from a2g_cli.data.recording.reader import Recording
from a2g_cli.data.recording.sessions import Session, list_sessions, newest_recording


@contextmanager
def held(session: Session, doing: str) -> Iterator[None]:
    """Hold the lock of ``session`` while the block runs: it says that this program records into it.

    Raises:
        BusyError: another program holds it.
        A2GError: the disk refuses.
    """
    with locked(_lock(session), doing, patience=0.0):
        yield


def recorder_of(session: Session) -> str | None:
    """Return in words which program records into ``session`` now; None if none does. Raises RecordingError."""
    with storage.reading(session.folder, "session"):
        owner = holder(_lock(session))
        if owner is not None:
            return str(owner)
        for partial in session.unfinished():
            try:
                if storage.being_written(partial):
                    return "another program"
            except FileNotFoundError:  # it was completed meanwhile
                return "another program"
    return None


def _lock(session: Session) -> Path:
    # Beside the folder, which is removed if nothing was recorded; the dot hides it from lists.
    return session.folder.parent / f".{session.name}.lock"


@dataclass(frozen=True)
class Newest:
    """The session that an adaptation learns from if none is named."""

    session: Session | None
    """The newest session of practice that is not being recorded; None if there is none."""
    left_out: tuple[str, ...] = ()
    """Why newer sessions are left out, one sentence each."""


def newest_practice(workspace: Workspace) -> Newest:
    """Return the newest session of practice that is complete, and the newer ones that are not. Raises RecordingError."""
    sessions = [session for session in list_sessions(workspace) if session.recordings()]
    left_out: list[str] = []
    for session in sorted(sessions, key=lambda one: (newest_recording(one), one.name), reverse=True):
        if (recorder := recorder_of(session)) is not None:
            left_out.append(f"session {session.name} is left out: {recorder} is recording it.")
        elif (made_by := _not_practice(session)) is not None:
            left_out.append(f"session {session.name} is left out: it is not practice (policy: {made_by}).")
        else:
            return Newest(session, tuple(left_out))
    return Newest(None, tuple(left_out))


def _not_practice(session: Session) -> str | None:
    """Return the policy of a session that is not practice; None for practice, and if no recording can be read."""
    for path in reversed(session.recordings()):
        try:
            with Recording(path) as recording:
                made = recording.provenance
        except RecordingError:
            continue  # the training that uses the session reports it
        return None if made.adapter_name is not None else made.policy
    return None
