"""Which episodes of a session are shown, in which order: disagreements first, then round by round."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from a2g_cli.core.errors import RecordingError
from a2g_cli.core.types import Outcome
from a2g_cli.data.recording import index, schema
from a2g_cli.report.contents import Card, Stop
from a2g_cli.report.episodes import Gallery, Known, claims_of, stopped

MOST_CARDS = 200
"""Most episodes in a report; of more, those in which judges disagree come first, then the newest."""


@dataclass(frozen=True)
class Entry:
    """A recording of the session, from its index."""

    path: Path
    facts: Mapping[str, Any]
    known: Known

    @property
    def outcome(self) -> Outcome:
        """How it ended."""
        return schema.outcome_from(self.facts["outcome"])

    @property
    def says(self) -> list[bool]:
        """What those say who judged it."""
        return [claim.says for claim in claims_of(self.outcome, self.known) if claim.says is not None]


def entries(folder: Path, paths: Sequence[Path], known: Mapping[str, Known]) -> tuple[list[Entry], list[str]]:
    """Return the recordings that can be read, and why the others cannot. ``known`` is by file name."""
    found: list[Entry] = []
    problems: list[str] = []
    for path, facts in zip(paths, index.facts_of(folder, paths), strict=True):
        if isinstance(facts, str):
            problems.append(facts)
        else:
            found.append(Entry(path, facts, known.get(path.name, Known())))
    return found, problems


def cards(gallery: Gallery, found: Sequence[Entry], most: int = MOST_CARDS) -> tuple[list[Card], str, list[str]]:
    """Return the cards in the order in which they are shown, a note about those left out, and what could not be read."""
    differ = [entry for entry in found if len(set(entry.says)) > 1]
    same = [entry for entry in found if len(set(entry.says)) <= 1]
    chosen = [*differ[:most], *_last(same, most - len(differ))]
    made: list[Card] = []
    problems: list[str] = []
    for entry in chosen:
        try:
            made.append(gallery.card(entry.path, entry.known))
        except RecordingError as error:
            problems.append(str(error))
    note = ""
    if len(chosen) < len(found):
        note = f"{len(chosen)} of {len(found)} episodes are shown: those in which judges disagree, and the newest. "
    if gallery.budget.refused:
        note += f"{gallery.budget.refused} videos were left out, so that this file stays below 20 MB."
    return made, note, problems


def _last(found: Sequence[Entry], most: int) -> Sequence[Entry]:
    return found[max(0, len(found) - most) :] if most > 0 else []


def stops(found: Iterable[Entry]) -> list[Stop]:
    """Return the episodes that a guard or a failure stopped."""
    return [
        Stop(entry.path.stem, _cause(str(entry.facts["outcome"]["stopped_by"])))
        for entry in found
        if stopped(entry.facts["outcome"])
    ]


def _cause(stopped_by: str) -> str:
    return "hardware failure" if stopped_by == "hardware" else f"the guard {stopped_by}"


def in_round(known: Known, stage: str, number: int) -> Known:
    """Return ``known`` as of one stage of a round."""
    return replace(known, stage=stage, round=number)
