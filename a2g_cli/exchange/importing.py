"""Other programs' episodes -> a session of recordings, which appears when all of them are in it."""

import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from a2g_cli.episode import StepTiming
from a2g_cli.errors import RecordingError, UsageError
from a2g_cli.exchange.formats import Format
from a2g_cli.exchange.incoming import Incoming, resized
from a2g_cli.recording import storage
from a2g_cli.recording.journal import NO_TIMING
from a2g_cli.recording.sessions import Session, session_name
from a2g_cli.recording.writer import RecordingWriter
from a2g_cli.workspace import Workspace


@dataclass(frozen=True)
class Imported:
    """What an import brought."""

    session: Session
    episodes: int
    steps: int
    notes: list[str]
    """What the source did not say, each once."""


def bring_in(
    workspace: Workspace,
    source: Path,
    form: Format,
    name: str,
    rate: float | None = None,
    size: tuple[int, int] | None = None,
    most: int | None = None,
    advanced: Callable[[int], None] | None = None,
) -> Imported:
    """Record every episode of ``source`` in a new session ``name``; an import that fails leaves no session.

    Args:
        workspace: where the session is made.
        source: a file or folder of ``form``.
        form: its format.
        name: the session's.
        rate: control rate where the source does not say, or says it wrong [Hz].
        size: (H, W) that every frame is cropped and resized to; None as they are [px].
        most: episodes to bring in; None for all.
        advanced: called with the number of episodes so far, after each.

    Raises:
        UsageError: the name is taken.
        A2GError: the source is damaged, holds no episode, or needs a library that is not installed; the disk refuses.
    """
    folder = workspace.sessions / session_name(name)
    if folder.exists():
        raise UsageError(f"the session {name!r} exists: choose another with --session.")
    building = workspace.sessions / f".{name}.importing"
    with storage.writing(building):
        with suppress(FileNotFoundError):
            shutil.rmtree(building)  # what an interrupted import left
        building.mkdir(parents=True)
    session, steps, notes, count = Session(building), 0, dict[str, None](), 0
    try:
        for count, episode in enumerate(islice(form.read(source, rate), most), start=1):
            prepared = episode if size is None else resized(episode, *size)
            notes.update(dict.fromkeys(prepared.notes))
            steps += _record(session, prepared, source)
            if advanced is not None:
                advanced(count)
        if not count:
            raise RecordingError(f"{source} holds no episode.")
        with storage.writing(folder):
            building.rename(folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return Imported(Session(folder), count, steps, list(notes))


def _record(session: Session, episode: Incoming, source: Path) -> int:
    observations = episode.observations()
    with storage.reading(source, "data set"):
        first = next(observations)
    writer = RecordingWriter(
        session.next_path(), episode.spec, episode.goal, episode.provenance, first, created_at=episode.created_at
    )
    with writer:
        if episode.timing is None:
            timings = [NO_TIMING] * len(episode.actions)
        else:
            timings = [StepTiming(*row) for row in episode.timing.tolist()]
        for requested, sent, timing in zip(episode.requested, episode.actions, timings, strict=True):
            with storage.reading(source, "data set"):
                observation = next(observations)
            writer.append(requested, sent, observation, timing)
        with storage.reading(source, "data set"):
            next(observations, None)  # frames beyond the last moment, or a film that ended early, are found here
        writer.finish(episode.outcome)
    return len(episode.actions)
