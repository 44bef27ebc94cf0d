"""Imports other programs' episodes as a session of recordings, which appears when it is complete."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from a2g_cli.core.errors import RecordingError, SessionExistsError
from a2g_cli.core.types import StepTiming
from a2g_cli.core.workspace import Workspace
from a2g_cli.data.formats.building import being_built
from a2g_cli.data.formats.incoming import Flip, Incoming, SourceError, flipped, resized
from a2g_cli.data.formats.reading import ReadOptions, SourceEpisode
from a2g_cli.data.formats.registry import Format
from a2g_cli.data.formats.renaming import Renames, renamed
from a2g_cli.data.recording import checks, storage
from a2g_cli.data.recording.journal import NO_TIMING
from a2g_cli.data.recording.sessions import Session, session_name
from a2g_cli.data.recording.writer import RecordingWriter


class BadEpisodeError(RecordingError):
    """An episode of the source that cannot become a recording."""

    def __init__(self, source: Path, episode: str, reason: str) -> None:
        super().__init__(f"{source}: {episode} cannot be used: {reason}. Add --skip-bad to leave such episodes out.")
        self.episode, self.reason = episode, reason


@dataclass(frozen=True)
class ImportOptions:
    """What the user chose for one import."""

    read: ReadOptions = field(default_factory=ReadOptions)
    size: tuple[int, int] | None = None
    """(H, W) to which every frame is cropped and resized [px]; None: as they are."""
    flip: Flip | None = None
    """Flip every frame: some simulators store them upside down."""
    skip_bad: bool = False
    """Leave out an episode that cannot be used, instead of refusing the whole source."""
    most: int | None = None
    """Most episodes to read; None for all."""
    renames: Renames = field(default_factory=dict)
    """Other names for actions and measured values."""


@dataclass(frozen=True)
class Imported:
    """The result of an import."""

    session: Session
    episodes: int
    steps: int
    notes: list[str]
    """Notes for the user, each once."""
    skipped: dict[str, str]
    """Episode -> why it was left out."""


def bring_in(
    workspace: Workspace,
    source: Path,
    form: Format,
    name: str,
    options: ImportOptions = ImportOptions(),
    advanced: Callable[[int], None] | None = None,
    patience: float = 10.0,
) -> Imported:
    """Record every episode of ``source`` in a new session ``name``; an import that fails leaves no session.

    Args:
        workspace: where the session is made.
        source: a file or folder of ``form``.
        form: its format.
        name: the session's.
        options: what to read, and how.
        advanced: called with the number of episodes so far, after each.
        patience: how long to wait for another program that imports into the same name [s].

    Raises:
        SessionExistsError: the name is taken.
        BusyError: another program imports into the same name for longer.
        BadEpisodeError: an episode cannot be used, and ``options.skip_bad`` is off.
        A2GError: the source is damaged, holds no episode, or needs a library that is not installed; the disk refuses.
    """
    folder = workspace.sessions / session_name(name)
    steps, count = 0, 0
    notes, skipped = dict[str, None](), dict[str, str]()
    with being_built(workspace, name, patience) as building:
        if folder.exists():  # checked under the lock: no other program can make it now
            raise SessionExistsError(f"the session {name!r} exists: choose another with --session.")
        session = Session(building)
        for source_episode in islice(form.read(source, options.read), options.most):
            try:
                steps += _record(session, source, source_episode, options, notes)
            except BadEpisodeError as error:
                if not options.skip_bad:
                    raise
                skipped[error.episode] = error.reason
                continue
            count += 1
            if advanced is not None:
                advanced(count)
        if not count:
            raise RecordingError(_nothing(source, skipped))
        with storage.writing(folder):
            building.rename(folder)
    return Imported(Session(folder), count, steps, list(notes), skipped)


def _nothing(source: Path, skipped: dict[str, str]) -> str:
    if not skipped:
        return f"{source} holds no episode."
    name, reason = next(iter(skipped.items()))
    return f"{source} holds no episode that can be used, {len(skipped)} cannot: {name}, {reason}."


def _record(
    session: Session, source: Path, source_episode: SourceEpisode, options: ImportOptions, notes: dict[str, None]
) -> int:
    """Record one episode and return its steps. Raises BadEpisodeError; RecordingError if the disk refuses."""

    @contextmanager
    def reading() -> Iterator[None]:
        try:
            yield
        except SourceError:
            raise
        except RecordingError as error:
            raise BadEpisodeError(source, source_episode.name, str(error).rstrip(".")) from error
        except storage.UNREADABLE as error:
            raise BadEpisodeError(source, source_episode.name, storage.fault(error).rstrip(".")) from error

    with reading():
        episode = _prepared(source_episode.load(), options)
        _check(episode)
        observations = episode.observations()
        first = next(observations)
    writer = RecordingWriter(
        session.next_path(), episode.spec, episode.goal, episode.provenance, first, created_at=episode.created_at
    )
    with writer:
        try:
            if episode.timing is None:
                timings = [NO_TIMING] * len(episode.actions)
            else:
                timings = [StepTiming(*row) for row in episode.timing.tolist()]
            for requested, sent, timing in zip(episode.requested, episode.actions, timings, strict=True):
                with reading():
                    observation = next(observations)
                writer.append(requested, sent, observation, timing)
            with reading():
                next(observations, None)  # raises for extra frames, and for a video that ended early
        except BadEpisodeError:
            writer.discard()
            raise
        writer.finish(episode.outcome)
    notes.update(dict.fromkeys(episode.notes))
    if episode.flip_remedy and options.flip is None:
        notes[episode.flip_remedy] = None
    return len(episode.actions)


def _check(episode: Incoming) -> None:
    """Raise ValueError for an episode that ``a2g recordings verify`` would not accept.

    An episode of a2g's own may have doubtful times or actions: it shows what happened.
    """
    numbers = episode.numbers()
    problems = [*checks.faults(numbers), *([] if episode.own else checks.doubts(numbers))]
    if problems:
        remedy = f"; {episode.times_remedy}" if problems[0].startswith("times:") and episode.times_remedy else ""
        raise ValueError(f"{problems[0]}{remedy}")


def _prepared(episode: Incoming, options: ImportOptions) -> Incoming:
    if options.renames:
        episode = renamed(episode, options.renames)
    if options.flip is not None:
        episode = flipped(episode, options.flip)
    return episode if options.size is None else resized(episode, *options.size)
