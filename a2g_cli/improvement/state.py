"""The state of an improvement run on disk (``improve.json``): a run that was killed goes on from it.

The file is written before and after every step that takes time. What a step makes (recordings, an adapter) is either
complete or absent. So file and disk together always say which trials were rolled out, whether the adapter is made, and what
the gate decided.
"""

import itertools
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from a2g_cli.adapters.registry import current_name
from a2g_cli.core.errors import RecordingError, UsageError
from a2g_cli.core.files import replace_file
from a2g_cli.core.workspace import checked_name, read_text
from a2g_cli.data.recording import schema, storage
from a2g_cli.data.recording.reader import Recording
from a2g_cli.data.recording.sessions import Session

PROGRESS = "improve.json"
"""Name of the file, in the session's folder."""
FORMAT = 1


@dataclass
class Round:
    """The result of one round. Its fields are keys of ``improve.json`` and of ``--json``."""

    episodes: int
    """Practice episodes."""
    gate_episodes: int
    """Episodes of the candidate in the gate; later rounds learn from them as well."""
    rollout_seconds: float
    adapt_seconds: float
    promoted: bool
    adapter: str
    """The candidate, promoted or not; the acting adapter if none was made."""
    reason: str
    practice_successes: int
    """Practice episodes that succeeded according to the simulator; for people only."""
    arrived: float
    """Share of the round's trials on which the adapter that acts from now on reached the goal (policy's estimate)."""
    set_ups: int = 0
    """How often the scene was set up: before every episode; in a reset-free cycle, at its start and when stuck."""
    lost: int = 0
    """Episodes that were lost in stuck cycles."""
    explored: int = 0
    """Episodes of the pose search."""
    rehearsed: int = 0
    """Episodes that replayed demonstrations."""
    false_successes: int | None = None
    """Episodes of practice and gate that the judge called successes and the simulator did not; None: no simulator."""

    @property
    def rolled_out(self) -> int:
        """Return the number of all episodes of the round."""
        return self.episodes + self.explored + self.rehearsed + self.gate_episodes

    def to_json(self) -> dict[str, Any]:
        """Return the round as ``--json`` documents it."""
        seconds = {key: round(getattr(self, key), 2) for key in ("rollout_seconds", "adapt_seconds")}
        return {**asdict(self), **seconds, "arrived": round(self.arrived, 4)}


@dataclass
class RoundState:
    """The files of one round, by name."""

    acting: str
    """The adapter that practises; ``base``: the base policy."""
    practice: list[str] = field(default_factory=list)
    """Recordings, one for each trial, in their order: complete, interrupted, or not started."""
    candidate: str | None = None
    """The adapter made from them."""
    compared: list[str] = field(default_factory=list)
    """The candidate's recordings in the gate."""
    done: Round | None = None
    """The result; None until the round has ended."""
    explored: list[str] = field(default_factory=list)
    """Recordings of the pose search."""
    rehearsed: list[str] = field(default_factory=list)
    """Recordings of replayed demonstrations."""
    parent: list[str] = field(default_factory=list)
    """The parent's recordings in the gate, where practice explored; else its practice is compared."""
    judge: str = ""
    """Who judged the round, as people read it."""
    judged: dict[str, bool] = field(default_factory=dict)
    """Recording -> whether that judge says that it reached its goal; empty until the round has ended, and in runs of
    earlier versions."""

    def recordings(self) -> Iterable[str]:
        """Yield the names of all recordings of the round."""
        yield from self.practice
        yield from self.explored
        yield from self.rehearsed
        yield from self.compared
        yield from self.parent


@dataclass
class RunState:
    """The state of a run, apart from its recordings and adapters."""

    session: Session
    asked: dict[str, Any]
    """The request that started the run, as JSON; the command that starts it reads and writes it."""
    measured: dict[str, Any] = field(default_factory=dict)
    """Results of evaluations by name, so that none is repeated."""
    rounds: list[RoundState] = field(default_factory=list)
    seed_streams: bool = True
    """Whether pose search and demo replay draw from streams of their own; not in a run that version 0.1 began."""
    about: dict[str, Any] = field(default_factory=dict)
    """What started the run, for people: command, versions, machine; empty in runs of earlier versions."""

    @property
    def done(self) -> list[Round]:
        """Return the results of the rounds that have ended, in order."""
        return [state.done for state in self.rounds if state.done is not None]

    @property
    def seconds(self) -> float:
        """Return the time of rollouts and finetuning in the rounds that have ended [s]."""
        return sum(result.rollout_seconds + result.adapt_seconds for result in self.done)

    @property
    def episodes(self) -> int:
        """Return the number of episodes of all kinds in the rounds that have ended."""
        return sum(result.rolled_out for result in self.done)

    def save(self) -> None:
        """Write the file atomically. Raises RecordingError."""
        path = self.session.folder / PROGRESS
        document = {
            "a2g_improve": FORMAT,
            "asked": self.asked,
            "measured": self.measured,
            "rounds": [asdict(state) for state in self.rounds],
            "seed_streams": self.seed_streams,
            "about": self.about,
        }
        with storage.writing(path):
            replace_file(path, (json.dumps(document, indent=2) + "\n").encode())

    def place(self, names: list[str], count: int) -> list[tuple[Path, bool]]:
        """Return (path, complete) of the first ``count`` recordings of ``names``, adding names as needed; save the file.

        A trial whose recording was cut off gets a new name, so that the cut-off recording can still be repaired.
        """
        complete = {name for name in names if whole(self.session.folder / name)}
        taken = {path.name.removesuffix(schema.PARTIAL_SUFFIX) for path in self.session.folder.iterdir()}
        taken |= {name for state in self.rounds for name in state.recordings()}
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
    """Whether a recording exists and its episode was not interrupted. Raises RecordingError if it is damaged."""
    if not path.exists():
        return False
    with Recording(path) as recording:
        return recording.outcome.stopped_by != "interrupted"


def load(session: Session) -> RunState:
    """Return the state of the run that `a2g improve` keeps in ``session``.

    Raises:
        UsageError: `a2g improve` did not create the session.
        RecordingError: the file is damaged.
    """
    path = session.folder / PROGRESS
    if not path.is_file():
        raise UsageError(f"`a2g improve` did not create the session {session.name!r}: there is no run to resume.")
    try:
        document: Any = json.loads(read_text(path))
        if document["a2g_improve"] != FORMAT:
            raise ValueError(f"its format is {document['a2g_improve']!r}; this version reads format {FORMAT}")
        rounds = [_round_state(entry) for entry in document["rounds"]]
        if not isinstance(document["asked"], dict) or not isinstance(document["measured"], dict):
            raise TypeError("`asked` and `measured` must be objects")
        streams = bool(document.get("seed_streams", False))
        measured = {
            moment: {**row, "adapter": current_name(row["adapter"])} if "adapter" in row else row
            for moment, row in document["measured"].items()
        }
        about = document.get("about", {})
        if not isinstance(about, dict):
            raise TypeError("`about` must be an object")
        return RunState(session, document["asked"], measured, rounds, streams, about)
    except (OSError, ValueError, KeyError, TypeError, RecursionError, UsageError) as error:
        raise RecordingError(f"{path} is damaged: {error}.") from error


def _round_state(entry: dict[str, Any]) -> RoundState:
    """Return one round as it was written. Names become paths, so each one is checked."""
    done = None
    if entry["done"] is not None:
        done = Round(**{**entry["done"], "adapter": current_name(entry["done"]["adapter"])})
        numbers = (
            done.episodes,
            done.gate_episodes,
            done.rollout_seconds,
            done.adapt_seconds,
            done.arrived,
            done.rolled_out,
        )
        if not isinstance(done.reason, str) or not all(isinstance(number, int | float) for number in numbers):
            raise TypeError("a round's result has a value of another type")
    stages = ("practice", "compared", "explored", "rehearsed", "parent")
    names = [[checked_name("recording", str(name)) for name in entry.get(key, [])] for key in stages]
    judged = {checked_name("recording", str(name)): bool(said) for name, said in dict(entry.get("judged", {})).items()}
    candidate = None if entry["candidate"] is None else checked_name("adapter", str(entry["candidate"]))
    return RoundState(
        current_name(checked_name("adapter", str(entry["acting"]))),
        names[0],
        candidate,
        names[1],
        done,
        names[2],
        names[3],
        names[4],
        str(entry.get("judge", "")),
        judged,
    )
