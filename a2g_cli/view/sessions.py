"""What the page says of sessions and their episodes: read from each session's index, not from its images."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from a2g_cli.core.errors import A2GError, RecordingError
from a2g_cli.core.types import Outcome
from a2g_cli.core.workspace import Workspace
from a2g_cli.data.recording import index, schema
from a2g_cli.data.recording.practice import recorder_of
from a2g_cli.data.recording.reader import Recording
from a2g_cli.data.recording.sessions import Session
from a2g_cli.report.charts import Curve, curve
from a2g_cli.report.contents import Card
from a2g_cli.report.episodes import JUDGES, POLICY, Known, claims_of, ending
from a2g_cli.report.imagined import Comparison, comparison
from a2g_cli.report.imagined import chosen as chosen_plans
from a2g_cli.report.media import PageImage
from a2g_cli.view.finding import address, recording_address, recordings_of, sessions_of
from a2g_cli.view.videos import IMAGINED, version

PROGRESS = "improve.json"
"""The file of a practice run, as in ``improvement/state.py``, which imports torch."""
ON_A_PAGE = 24
"""Episodes on a page."""


@dataclass(frozen=True)
class Summary:
    """One session in the list."""

    name: str
    link: str
    goals: str
    successes: int
    judged: int
    judges: str
    shift: str
    adapters: str
    episodes: int
    changed: str
    """When its newest recording was made, UTC, to the minute."""
    recorder: str
    """Which program records into it now; empty: none."""
    problem: str
    """Why some of its recordings cannot be read; empty: all can."""


_Version = tuple[int, int]


class Summaries:
    """The list of sessions; a session is looked at again when its folder has changed."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._known: dict[str, tuple[_Version, Summary | None]] = {}

    def all(self) -> list[Summary]:
        """Return the sessions with at least one recording, newest first."""
        found = [self._of(session) for session in sessions_of(self._workspace)]
        return sorted((one for one in found if one is not None), key=lambda one: (one.changed, one.name), reverse=True)

    def _of(self, session: Session) -> Summary | None:
        try:
            now = session.folder.stat().st_mtime_ns
        except OSError:
            return None  # removed meanwhile
        recorder = _recorder(session)
        known = self._known.get(session.name)
        seen = (now, hash(recorder))
        if known is None or known[0] != seen:
            try:
                known = (seen, summary(session, recorder))
            except OSError as error:  # removed meanwhile, or closed to this user: it must not hide the others
                return None if isinstance(error, FileNotFoundError) else _closed(session, error)
            self._known[session.name] = known
        return known[1]


def _recorder(session: Session) -> str:
    try:
        return (recorder_of(session) or "").partition(" (")[0]
    except A2GError:
        return ""


def _closed(session: Session, error: OSError) -> Summary:
    """Return what the list says of a session that cannot be read."""
    problem = f"{session.folder} cannot be read: {error.strerror or error}."
    return Summary(session.name, address("sessions", session.name), "", 0, 0, "", "", "", 0, "", "", problem)


def summary(session: Session, recorder: str = "") -> Summary | None:
    """Return what the list says of a session; None if it has no recording."""
    paths = recordings_of(session)
    if not paths:
        return None
    said = index.facts_of(session.folder, paths)
    facts = [one for one in said if not isinstance(one, str)]
    problems = [one for one in said if isinstance(one, str)]
    outcomes = [one["outcome"] for one in facts if one["outcome"]["success"] is not None]
    made = [one["provenance"] for one in facts]
    return Summary(
        session.name,
        address("sessions", session.name),
        _listed(str(one["goal"]["name"]) for one in facts),
        sum(bool(one["success"]) for one in outcomes),
        len(outcomes),
        _listed(JUDGES.get(one["judge"], one["judge"]) for one in outcomes),
        _listed(str(one["shift"]) for one in made if one["shift"] is not None),
        _listed(str(one["adapter_name"] or one["policy"]) for one in made),
        len(paths),
        datetime.fromtimestamp(max(path.stat().st_mtime for path in paths), UTC).strftime("%Y-%m-%d %H:%M"),
        recorder,
        f"{problems[0]}{f' And {len(problems) - 1} more.' if len(problems) > 1 else ''}" if problems else "",
    )


def _listed(names: Any, most: int = 4) -> str:
    known = list(dict.fromkeys(names))
    return ", ".join(known[:most]) + (f" and {len(known) - most} more" if len(known) > most else "")


@dataclass(frozen=True)
class Chosen:
    """Episodes of a session: those that the filters let through, one page of them."""

    cards: Sequence[Card]
    goals: Mapping[str, PageImage]
    """As of ``report.contents.Page``."""
    filters: Sequence[tuple[str, str, Sequence[str], str]]
    """(name in the address, title, values, chosen value)."""
    page: int
    pages: int
    found: int
    total: int
    problems: Sequence[str]


@dataclass(frozen=True)
class _Entry:
    path: Path
    facts: Mapping[str, Any]
    known: Known

    @property
    def outcome(self) -> Outcome:
        return schema.outcome_from(self.facts["outcome"])

    def of(self, name: str) -> str:
        """Return the value of a filter."""
        if name == "goal":
            return str(self.facts["goal"]["name"])
        if name == "adapter":
            made = self.facts["provenance"]
            return str(made["adapter_name"] or made["policy"])
        if name == "round":
            return str(self.known.round or "")
        return {True: "success", False: "no success", None: "not judged"}[verdict(self.outcome, self.known)]


FILTERS = (("said", "outcome"), ("goal", "goal"), ("adapter", "adapter"), ("round", "round"))


def chosen(session: Session, asked: Mapping[str, str], page: int) -> Chosen:
    """Return one page of the episodes of ``session`` that the filters ``asked`` let through, newest first."""
    paths = recordings_of(session)
    known, problems = _known(session)
    entries: list[_Entry] = []
    for path, facts in zip(paths, index.facts_of(session.folder, paths), strict=True):
        if isinstance(facts, str):
            problems.append(facts)
        else:
            entries.append(_Entry(path, facts, known.get(path.name, Known())))
    filters = []
    for name, title in FILTERS:
        values = sorted({entry.of(name) for entry in entries} - {""})
        if len(values) > 1:
            filters.append((name, title, values, asked.get(name, "")))
    found = [one for one in entries if all(not wanted or one.of(name) == wanted for name, _, _, wanted in filters)]
    pages = max(1, -(-len(found) // ON_A_PAGE))
    page = min(max(1, page), pages)
    goals: dict[str, PageImage] = {}
    cards: list[Card] = []
    for entry in list(reversed(found))[(page - 1) * ON_A_PAGE : page * ON_A_PAGE]:
        try:
            cards.append(card(entry.path, entry.facts, goals, entry.known))
        except (RecordingError, OSError) as error:
            problems.append(str(error))
    return Chosen(cards, goals, filters, page, pages, len(found), len(entries), problems)


def _known(session: Session) -> tuple[dict[str, Known], list[str]]:
    """Return what a practice run knows of its recordings, and why it cannot be read."""
    if not (session.folder / PROGRESS).is_file():
        return {}, []
    from a2g_cli.improvement.state import load
    from a2g_cli.report.rounds import known_of

    try:
        return known_of(load(session)), []
    except A2GError as error:
        return {}, [str(error)]


def verdict(outcome: Outcome, known: Known) -> bool | None:
    """Return the most trusted verdict on an episode, as a report's; None: nobody knows."""
    said = (one.says for one in claims_of(outcome, known) if one.says is not None and one.who != POLICY)
    return next(said, None)


def card(
    path: Path, facts: Mapping[str, Any], goals: dict[str, PageImage], known: Known, held_out: bool = False
) -> Card:
    """Return an episode's card, whose images and video have addresses; its goal photo is added to ``goals``.

    Raises:
        RecordingError: the recording is damaged.
        OSError: it has gone.
    """
    query = f"?v={version(path)}"
    with Recording(path) as recording:
        outcome = recording.outcome
        imagined = _imagined(recording, lambda what: recording_address(path, (what,), held_out) + query)
    drawn: Curve | None = curve(outcome.estimates, int(facts["steps"]))
    name, goal = path.name.removesuffix(schema.SUFFIX), facts["goal"]
    made = facts["provenance"]
    shapes = list(facts["cameras"].values())
    height = max((rows for rows, _ in shapes), default=1)
    width = sum(round(columns * height / rows) for rows, columns in shapes) or 1
    key = f"goal-{goal['fingerprint'][:12]}"
    if key not in goals:
        photo = recording_address(path, ("goal.png",), held_out) + query
        goals[key] = PageImage(photo, width, height, f"Goal photo of {goal['name']}")
    last = recording_address(path, ("last.png",), held_out) + query if shapes else ""
    return Card(
        name,
        str(goal["name"]),
        key,
        known.stage,
        known.round,
        str(made["adapter_name"] or made["policy"]),
        int(facts["steps"]),
        facts["seconds"],
        verdict(outcome, known),
        claims_of(outcome, known),
        ending(outcome),
        PageImage(last, width, height, f"Last frame of {name}"),
        recording_address(path, ("video.mp4",), held_out) + query if shapes else None,
        "" if shapes else "No camera was recorded.",
        drawn,
        imagined,
    )


def _imagined(recording: Recording, named: Callable[[str], str]) -> list[Comparison]:
    """Return what was imagined, as images whose addresses ``named`` gives. Raises RecordingError."""
    plans = recording.imagined
    return [comparison(plans[i], recording, named(f"{IMAGINED}{i}.jpg"))[0] for i in chosen_plans(plans)]
