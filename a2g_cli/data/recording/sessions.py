"""Sessions, which are folders of recordings: their names, and a file of links with which robomimic reads one."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from pathlib import Path

import h5py

from a2g_cli.core.errors import RecordingError, UnknownNameError, UsageError
from a2g_cli.core.files import make_folder, sync_folder
from a2g_cli.core.workspace import Workspace, checked_name, expanded
from a2g_cli.data.recording import index, schema, storage, untrusted

INDEX = "session.hdf5"
"""The file of links that ``Session.link`` writes; it is not a recording."""

LATEST = "latest"
"""Name for the newest session; ``SESSION/latest`` is a session's newest recording."""

_DIGITS = re.compile(r"([0-9]+)")
_NUMBERED = re.compile(r"episode-(\d+)")


@dataclass(frozen=True)
class Session:
    """One folder of recordings."""

    folder: Path

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    @property
    def index(self) -> Path:
        """The file that ``link`` writes."""
        return self.folder / INDEX

    def next_path(self) -> Path:
        """Return the path of the next recording, ``episode-0000.hdf5`` upwards; unfinished recordings keep their number.

        Two programs that ask at the same time get the same path; the second RecordingWriter is refused.
        """
        numbers = [int(match[1]) for entry in self.folder.glob("episode-*") if (match := _NUMBERED.match(entry.name))]
        return self.folder / f"episode-{max(numbers, default=-1) + 1:04d}{schema.SUFFIX}"

    @property
    def resets(self) -> "Session":
        """The session for the motion between episodes, kept apart so that no training uses it."""
        return Session(self.folder / "resets")

    @property
    def videos(self) -> "Session":
        """The session for videos of held-out trials, kept apart so that nothing learns from them."""
        return Session(self.folder / "held-out")

    @property
    def unjudged(self) -> "Session":
        """The session for demonstrations of a person until the person has judged them."""
        return Session(self.folder / "unjudged")

    def recordings(self) -> list[Path]:
        """Return the complete recordings, ordered by their number."""
        if not self.folder.is_dir():
            return []
        with os.scandir(self.folder) as entries:  # faster than glob for ten thousand files
            names = [
                one.name for one in entries if one.name.endswith(schema.SUFFIX) and one.name != INDEX and _is_file(one)
            ]
        return [self.folder / name for name in sorted(names, key=_by_number)]

    def unfinished(self) -> list[Path]:
        """Return the ``.partial`` files: those being written, and those whose writers died."""
        return sorted(self.folder.glob(f"*{schema.SUFFIX}{schema.PARTIAL_SUFFIX}"))

    def clear(self) -> list[Path]:
        """Remove the half-built files of programs that died, and return their paths. Raises RecordingError."""
        left = []
        with storage.writing(self.folder):
            for path in storage.leftovers(self.folder):
                path.unlink(missing_ok=True)
                left.append(path)
        return left

    def link(self) -> Path:
        """Write ``session.hdf5`` with a link to every recording: robomimic reads the session as one data set.

        ``mask/success`` lists the successful episodes, for robomimic's ``filter_by_attribute``.

        Raises:
            RecordingError: there is no recording, one of them is damaged, or the disk refuses.
        """
        paths = self.recordings()
        if not paths:
            raise RecordingError(f"the session {self.name} has no recording to link.")
        episodes = []
        for facts in index.facts_of(self.folder, paths):
            if isinstance(facts, str):
                raise RecordingError(facts)
            episodes.append(facts)
        with storage.creating(self.index, overwrite=True) as file:
            data = file.create_group("data")
            for number, path in enumerate(paths):
                # A relative name: the folder may be moved.
                data[f"demo_{number}"] = h5py.ExternalLink(path.name, schema.DEMO)
            data.attrs["total"] = sum(facts["steps"] for facts in episodes)
            provenance = episodes[-1]["provenance"]
            data.attrs["env_args"] = schema.env_args(provenance["robot"], provenance["shift"], episodes[-1]["rate"])
            successes = [f"demo_{number}" for number, facts in enumerate(episodes) if facts["outcome"]["success"]]
            file.create_dataset("mask/success", data=successes, shape=(len(successes),), dtype="S32")
        return self.index

    def linked(self) -> bool:
        """Whether ``session.hdf5`` links exactly the recordings of the session."""
        try:
            with untrusted.opened(self.index) as file:
                links = [file["data"].get(f"demo_{number}", getlink=True) for number in range(len(file["data"]))]
                return [(link.filename, link.path) for link in links] == [
                    (path.name, schema.DEMO) for path in self.recordings()
                ]
        except (OSError, RuntimeError, ValueError, TypeError, KeyError, AttributeError):
            return False


def _is_file(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link that leads to itself
        return False


def _by_number(name: str) -> list[int | str]:
    # Digits are always at odd places: numbers are compared with numbers.
    return [
        int(part) if place % 2 else part for place, part in enumerate(_DIGITS.split(name.removesuffix(schema.SUFFIX)))
    ]


def new_session(workspace: Workspace, name: str | None = None) -> Session:
    """Make the folder of a new session, called ``name``, or by the time, e.g. ``20261122-194500``.

    Raises:
        UsageError: the name is taken, is ``latest``, or cannot be a folder's name.
        RecordingError: the folder cannot be made.
    """
    if name is not None:
        candidates = iter([session_name(name)])
    else:
        moment = datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
        candidates = (moment if number == 1 else f"{moment}-{number}" for number in count(1))
    with storage.writing(workspace.sessions):
        make_folder(workspace.sessions)
        for candidate in candidates:
            try:
                (workspace.sessions / candidate).mkdir()
            except FileExistsError:
                continue
            sync_folder(workspace.sessions)
            return Session(workspace.sessions / candidate)
    raise UsageError(f"the session {name!r} exists: choose another name, or none to name it by the time.")


@contextmanager
def recording_session(workspace: Workspace, name: str | None = None) -> Iterator[Session]:
    """Make a session as ``new_session`` does; remove its folder at the end if nothing was recorded."""
    session = new_session(workspace, name)
    try:
        yield session
    finally:
        with storage.writing(session.folder):
            if session.folder.is_dir() and not any(session.folder.iterdir()):
                session.folder.rmdir()


def open_session(workspace: Workspace, name: str) -> Session:
    """Return the session ``name``, or the newest for ``latest``. Raises UnknownNameError."""
    sessions = {session.name: session for session in list_sessions(workspace)}
    if name == LATEST:
        filled = [session for session in sessions.values() if session.recordings()]
        if not filled:
            raise UnknownNameError("session", name, [], "`a2g run GOAL` records one.")
        return max(filled, key=lambda session: (newest_recording(session), session.name))
    if name not in sessions:
        raise UnknownNameError("session", session_name(name), sessions, f"`{LATEST}` is the newest.")
    return sessions[name]


def list_sessions(workspace: Workspace) -> list[Session]:
    """Return every session, sorted by name. A folder whose name begins with a dot is still being made, and left out."""
    if not workspace.sessions.is_dir():
        return []
    return [Session(folder) for folder in sorted(workspace.sessions.glob("[!.]*")) if folder.is_dir()]


def find_recordings(workspace: Workspace, names: Sequence[str]) -> list[Path]:
    """Return the recordings that ``names`` stand for, each once, in the order of ``names``.

    A name is a session (all its recordings), ``SESSION/episode-0003``, ``latest``, ``latest/episode-0003``,
    ``SESSION/latest`` (its newest), or the path of a recording or of a folder of them.

    Raises:
        UnknownNameError: no such session or recording; the nearest names are offered.
        UsageError: a name that is neither a recording of the workspace nor a file.
    """
    found: dict[Path, None] = {}
    for name in names:
        for path in _resolve(workspace, name):
            found.setdefault(path)
    return list(found)


def find_recording(workspace: Workspace, name: str) -> Path:
    """Return the recording that ``name`` stands for; the newest one of a session.

    Raises:
        UnknownNameError: as ``find_recordings``, or the session has no recording.
    """
    paths = find_recordings(workspace, [name])
    if not paths:
        raise UnknownNameError("recording", name, [], "the session is empty.")
    return paths[-1]


def _resolve(workspace: Workspace, name: str) -> list[Path]:
    path = expanded(name)
    session_name, slash, recording = name.rstrip("/").partition("/")
    known = {session.name for session in list_sessions(workspace)}
    if session_name not in known | {LATEST} or "/" in recording:
        # A path that was typed or completed by the shell.
        if path.is_file():
            return [path.resolve()]
        if path.is_dir() and (inside := Session(path.resolve()).recordings()):
            return inside
    if slash and ("/" in recording or not recording):
        raise UsageError(f"{name!r} is neither a file nor a recording: write SESSION or SESSION/episode-0000.")
    session = open_session(workspace, session_name)
    paths = session.recordings()
    if not slash:
        return paths
    names = {known_path.stem: known_path for known_path in paths}
    wanted = checked_name("recording", recording).removesuffix(schema.SUFFIX)
    if wanted == LATEST and paths:
        return [paths[-1]]
    if wanted not in names:
        raise UnknownNameError("recording", f"{session.name}/{wanted}", (f"{session.name}/{stem}" for stem in names))
    return [names[wanted]]


def newest_recording(session: Session) -> float:
    """Return when the newest recording of a session was changed [s since 1970]. The session must have one."""
    return max(path.stat().st_mtime for path in session.recordings())


def session_name(name: str) -> str:
    """Return ``name`` if a session may have it. Raises UsageError."""
    if name == LATEST:
        raise UsageError(f"{LATEST!r} cannot name a session: it stands for the newest.")
    return checked_name("session", name)
