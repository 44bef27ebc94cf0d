"""How far an improvement run has come, on disk: killed at any moment, the same run goes on from there.

The file is written before every step that takes time, and again after it; what a step makes (recordings, an adapter) is
complete or absent, each by its own means. So whatever moment the program dies at, the file and the disk together say
which trials were rolled out, whether the adapter is made, and what the gate decided.
"""

import itertools
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from a2g_cli.core.errors import RecordingError, UsageError
from a2g_cli.core.files import replace_file
from a2g_cli.core.workspace import checked_name, read_text
from a2g_cli.data.recording import schema, storage
from a2g_cli.data.recording.reader import Recording
from a2g_cli.data.recording.sessions import Session

PROGRESS = "improve.json"
"""Lies in the session's folder."""
FORMAT = 1


@dataclass
class Round:
    """What happened in one round."""

    episodes: int
    """Practice episodes."""
    gate_episodes: int
    """The candidate's, on the same starts and goals; learned from in later rounds like any other."""
    rollout_seconds: float
    adapt_seconds: float
    promoted: bool
    adapter: str
    """The adapter that was made; whether it acts from now on, ``promoted`` says."""
    reason: str
    practice_successes: int
    """As the truth sees them, for people only."""
    arrived: float
    """Share of the round's trials on which whoever acts from now on arrived, as the steps-to-go head sees it."""
    set_ups: int = 0
    """How often the scene was set up anew: before every episode, or in a cycle at its beginning and where it was stuck."""
    lost: int = 0
    """Episodes that were lost to a cycle that was stuck."""
    explored: int = 0
    """Episodes that acted on guesses of where the arm stands."""
    rehearsed: int = 0
    """Episodes that repeated what is remembered."""

    @property
    def rolled_out(self) -> int:
        """Return the number of all its episodes."""
        return self.episodes + self.explored + self.rehearsed + self.gate_episodes

    def to_json(self) -> dict[str, Any]:
        """Return the documented round object."""
        seconds = {key: round(getattr(self, key), 2) for key in ("rollout_seconds", "adapt_seconds")}
        return {**asdict(self), **seconds, "arrived": round(self.arrived, 4)}


@dataclass
class RoundState:
    """One round's files, by name, as far as it has come."""

    acting: str
    """The adapter that practises, ``none`` for the base alone."""
    practice: list[str] = field(default_factory=list)
    """Recordings, one a trial, in the trials' order: complete, being made, or never begun."""
    candidate: str | None = None
    """The adapter made of them."""
    compared: list[str] = field(default_factory=list)
    """The candidate's recordings on the same trials."""
    done: Round | None = None
    """None while the round lasts."""
    explored: list[str] = field(default_factory=list)
    """Recordings of episodes that acted on guesses of where the arm stands."""
    rehearsed: list[str] = field(default_factory=list)
    """Recordings of episodes that repeated what is remembered."""

    def recordings(self) -> Iterable[str]:
        """Yield the names of all recordings of the round."""
        yield from self.practice
        yield from self.explored
        yield from self.rehearsed
        yield from self.compared


@dataclass
class RunState:
    """All of an improvement run that is not in its recordings and adapters."""

    session: Session
    asked: dict[str, Any]
    """What the run was asked to do, JSON-able: whoever starts it knows what that means."""
    measured: dict[str, Any] = field(default_factory=dict)
    """Results of evaluations by name, so that none is made twice."""
    rounds: list[RoundState] = field(default_factory=list)
    seed_streams: bool = True
    """Whether pose search and demo replay draw from streams of their own; not in a run that version 0.1 began."""

    @property
    def done(self) -> list[Round]:
        """Return the rounds that ended, in order."""
        return [working.done for working in self.rounds if working.done is not None]

    @property
    def seconds(self) -> float:
        """Return how long rounds that ended took: rollouts and adaptation [s]."""
        return sum(one.rollout_seconds + one.adapt_seconds for one in self.done)

    @property
    def episodes(self) -> int:
        """Return how many episodes were rolled out in rounds that ended, for whatever end."""
        return sum(one.rolled_out for one in self.done)

    def save(self) -> None:
        """Write it, in one piece or not at all. Raises RecordingError."""
        path = self.session.folder / PROGRESS
        document = {
            "a2g_improve": FORMAT,
            "asked": self.asked,
            "measured": self.measured,
            "rounds": [asdict(working) for working in self.rounds],
            "seed_streams": self.seed_streams,
        }
        with storage.writing(path):
            replace_file(path, (json.dumps(document, indent=2) + "\n").encode())

    def place(self, names: list[str], count: int) -> list[tuple[Path, bool]]:
        """Return ``count`` paths of recordings and whether each is complete, the first of ``names``; save them.

        A name whose recording was cut off is given up, so that what is left of that episode can be salvaged; its trial
        gets the next free number.
        """
        complete = {name for name in names if whole(self.session.folder / name)}
        taken = {path.name.removesuffix(schema.PARTIAL_SUFFIX) for path in self.session.folder.iterdir()}
        taken |= {name for working in self.rounds for name in working.recordings()}
        numbered = (f"episode-{number:04d}{schema.SUFFIX}" for number in itertools.count())
        free = (name for name in numbered if name not in taken)
        for i in range(count):
            if i >= len(names):
                names.append(next(free))
            elif names[i] not in complete and not _untouched(self.session.folder / names[i]):
                names[i] = next(free)
        self.save()
        return [(self.session.folder / name, name in complete) for name in names[:count]]


def _untouched(path: Path) -> bool:
    return not path.exists() and not schema.partial_path(path).exists()


def whole(path: Path) -> bool:
    """Whether a recording is there and its episode was not interrupted. Raises RecordingError for a damaged one."""
    if not path.exists():
        return False
    with Recording(path) as recording:
        return recording.outcome.stopped_by != "interrupted"


def load(session: Session) -> RunState:
    """Return the progress of a session that `a2g improve` began.

    Raises:
        UsageError: the session was not begun by `a2g improve`.
        RecordingError: its progress is damaged.
    """
    path = session.folder / PROGRESS
    if not path.is_file():
        raise UsageError(
            f"the session {session.name!r} was not begun by `a2g improve`: there is nothing to go on with."
        )
    try:
        document: Any = json.loads(read_text(path))
        if document["a2g_improve"] != FORMAT:
            raise ValueError(f"its format is {document['a2g_improve']!r}, this version reads {FORMAT}")
        rounds = [_working(entry) for entry in document["rounds"]]
        if not isinstance(document["asked"], dict) or not isinstance(document["measured"], dict):
            raise TypeError("what was asked and measured are not tables")
        streams = bool(document.get("seed_streams", False))
        return RunState(session, document["asked"], document["measured"], rounds, streams)
    except (OSError, ValueError, KeyError, TypeError, RecursionError, UsageError) as error:
        raise RecordingError(f"{path} is damaged: {error}.") from error


def _working(entry: dict[str, Any]) -> RoundState:
    """Return one round as it was written. Names become paths, so each is checked."""
    done = None if entry["done"] is None else Round(**entry["done"])
    stages = ("practice", "compared", "explored", "rehearsed")
    names = [[checked_name("recording", str(name)) for name in entry.get(key, [])] for key in stages]
    candidate = None if entry["candidate"] is None else checked_name("adapter", str(entry["candidate"]))
    return RoundState(
        checked_name("adapter", str(entry["acting"])), names[0], candidate, names[1], done, names[2], names[3]
    )
