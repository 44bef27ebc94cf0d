"""The report of a session: of a practice run (``a2g improve``), or of plain recordings (``a2g run``)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from a2g_cli.adapters.registry import AdapterRegistry
from a2g_cli.core.errors import RecordingError, UnknownNameError
from a2g_cli.core.workspace import Workspace
from a2g_cli.data.recording.sessions import Session
from a2g_cli.improvement.state import PROGRESS, RunState, load
from a2g_cli.models import checkpoint
from a2g_cli.report import lineage, verdict
from a2g_cli.report.about import about_facts
from a2g_cli.report.calibration import measurements
from a2g_cli.report.contents import Card, Page, Pair, Rate, Stop
from a2g_cli.report.episodes import JUDGES, Gallery
from a2g_cli.report.gallery import Entry, cards, entries, stops
from a2g_cli.report.pairs import before_and_after, try_pair, video_pairs
from a2g_cli.report.rounds import known_of, measured, practice_rate, request_facts, success_chart

NO_IMAGINED = "Imagined frames: these recordings hold none (no world model, --keep-imagined 0, or an earlier version)."
_NO_CURVES = (
    "Steps-to-go over time: these recordings do not hold the policy's estimates (they are of an earlier version)."
)


def session_page(workspace: Workspace, session: Session, tries: Sequence[tuple[Path, Path]] = ()) -> Page:
    """Return the report of ``session``.

    Args:
        workspace: of the session.
        session: with at least one recording.
        tries: pairs of recordings of one goal from the same start, before and after practice.

    Raises:
        UnknownNameError: the session has no recording.
        RecordingError: ``improve.json`` is damaged. A damaged recording is named in the page.
    """
    paths = session.recordings()
    if not paths:
        raise UnknownNameError("recording", session.name, [], "the session is empty, so there is nothing to report.")
    if (session.folder / PROGRESS).is_file():
        return _practice(workspace, load(session), paths, tries)
    return _plain(workspace, session, paths)


def _practice(workspace: Workspace, state: RunState, paths: Sequence[Path], tries: Sequence[tuple[Path, Path]]) -> Page:
    session = state.session
    found, missing = entries(session.folder, paths, known_of(state))
    gallery = Gallery()
    before, after = (_adapter(state.measured.get(moment)) for moment in ("before", "after"))
    pairs, problems = _pairs(gallery, session, before, after, tries)
    missing += problems
    shown, note, problems = cards(gallery, found)
    missing += problems
    acted = [name for one in state.rounds for name in (one.acting, one.candidate) if name]
    adapters = lineage.family(AdapterRegistry(workspace), [*acted, *(name for name in (before, after) if name)])
    own = lineage.names_of(adapters, acted)
    told, problems = measurements(own, _base(state.asked), paths)
    missing += problems
    sentence, tone = _verdict(state, before, after)
    charts = [one for one in (success_chart(state, found),) if one]
    facts = [("session", session.name), ("episodes", str(len(paths))), *request_facts(state.asked)]
    if not any(card.curve for card in shown):
        missing.append(_NO_CURVES)
    return Page(
        f"Practice {session.name}",
        sentence,
        tone,
        [*facts, *_rounds_in_words(state), *about_facts(state.about)],
        gallery.goals,
        _rates(state),
        charts,
        pairs,
        "" if pairs else _no_pairs(before, after),
        shown,
        note,
        [lineage.adapter_card(name, adapter) for name, adapter in adapters.items()],
        told,
        [*_nominal(state), *(row for name, adapter in own for row in lineage.forgetting(name, adapter))],
        [*stops(found), *_refused(state)],
        [
            *missing,
            *_no_imagined(shown),
            *([] if state.about else ["Command, versions and machine: this run did not keep them."]),
        ],
    )


def _no_imagined(shown: Sequence[Card]) -> list[str]:
    return [] if any(card.imagined for card in shown) else [NO_IMAGINED]


def _pairs(
    gallery: Gallery, session: Session, before: str | None, after: str | None, tries: Sequence[tuple[Path, Path]]
) -> tuple[list[Pair], list[str]]:
    pairs: list[Pair] = []
    problems: list[str] = []
    for first, last in tries:
        try:
            pairs.append(try_pair(gallery, first, last))
        except RecordingError as error:
            problems.append(str(error))
    if before and after and before != after:
        videos, unread = video_pairs(gallery, session.videos.folder, before_and_after(before, after))
        pairs, problems = [*pairs, *videos], [*problems, *unread]
    return pairs, problems


def _no_pairs(before: str | None, after: str | None) -> str:
    if before is None:
        return "This robot was not measured on held-out trials, so there are no two videos from the same start."
    if after is None:
        return "Success after practice is not measured yet, so there are no two videos from the same start."
    if before == after:
        return "The same policy acts before and after: nothing was promoted."
    return "No videos of held-out trials were kept in this session (earlier versions did not keep any)."


def _verdict(state: RunState, before: str | None, after: str | None) -> verdict.Verdict:
    what = _goals(state.asked.get("goals"))
    first, last = (measured(state.measured.get(moment), moment) for moment in ("before", "after"))
    if first is not None and last is not None:
        return verdict.practised(what, first, last, before != after)
    judged = [one for one in _judged_rounds(state) if one is not None]
    if judged:
        return verdict.estimated(what, judged[0].judge, judged[0], judged[-1], len(judged))
    if first is not None:
        return (
            f"The run has not ended: before practice {what} is reached in {first.successes} of {first.n} trials.",
            "open",
        )
    return "The run has not ended, and nothing was measured yet.", "open"


def _judged_rounds(state: RunState) -> list[Rate | None]:
    """Return what the judge of practice said in each round."""
    return [practice_rate(one, number) for number, one in enumerate(state.rounds, 1)]


def _goals(names: object) -> str:
    if not isinstance(names, list) or not names:
        return "the goals that were drawn"
    known = list(dict.fromkeys(map(str, names)))
    return f"the goal {known[0]}" if len(known) == 1 else f"the goals {', '.join(known[:-1])} and {known[-1]}"


def _rates(state: RunState) -> list[Rate]:
    labels: dict[str, str] = {}
    names = state.asked.get("goals")
    for goal in dict.fromkeys(map(str, names)) if isinstance(names, list) else ():
        labels |= {f"goal {goal} {moment}": f"{goal}, {moment} practice" for moment in ("before", "after")}
    if not labels:
        labels = {moment: f"drawn goals, {moment} practice" for moment in ("before", "after")}
    labels |= {f"home {moment}": f"training domain, other goals, {moment} practice" for moment in ("before", "after")}
    rates = [measured(state.measured.get(key), label) for key, label in labels.items()]
    return [*(one for one in rates if one is not None), *(one for one in _judged_rounds(state) if one is not None)]


def _rounds_in_words(state: RunState) -> list[tuple[str, str]]:
    facts = []
    for number, done in enumerate(state.done, 1):
        work = f"{done.episodes} episodes of practice, {done.gate_episodes} of the gate"
        times = f"{done.rollout_seconds:.0f} s of rollouts, {done.adapt_seconds:.0f} s of adaptation"
        gate = f"{'Promoted' if done.promoted else 'Not promoted'}: {done.reason.rstrip('.')}"
        facts.append((f"round {number}", f"{work}; {times}. {gate}."))
    return facts


def _nominal(state: RunState) -> list[tuple[str, str, str, str]]:
    """Return the success in the training domain, if there it was measured apart."""
    before, after = (measured(state.measured.get(f"home {moment}"), moment) for moment in ("before", "after"))
    if before is None or after is None or state.measured.get("home after") == state.measured.get("after"):
        return []
    numbers = (f"{one.successes} of {one.n} ({one.low:.0%} to {one.high:.0%})" for one in (before, after))
    return [("success in the training domain, on other goals", *numbers, f"{after.rate - before.rate:+.0%}")]  # type: ignore[list-item]


def _refused(state: RunState) -> list[Stop]:
    return [
        Stop(f"gate of round {number}", done.reason)
        for number, done in enumerate(state.done, 1)
        if done.reason.startswith("A safety guard")
    ]


def _adapter(row: object) -> str | None:
    return str(row["adapter"]) if isinstance(row, Mapping) and isinstance(row.get("adapter"), str) else None


def _base(asked: Mapping[str, Any]) -> Path:
    return Path(asked["base"]) if isinstance(asked.get("base"), str) else checkpoint.SHIPPED


def _plain(workspace: Workspace, session: Session, paths: Sequence[Path]) -> Page:
    found, missing = entries(session.folder, paths, {})
    gallery = Gallery()
    shown, note, problems = cards(gallery, found)
    missing += problems
    players = list(dict.fromkeys(str(entry.facts["provenance"]["adapter_name"] or "") for entry in found))
    adapters = lineage.family(AdapterRegistry(workspace), [name for name in players if name])
    told, problems = measurements(lineage.names_of(adapters, players), checkpoint.SHIPPED, paths)
    by_goal: dict[str, list[Entry]] = {}
    for entry in found:
        by_goal.setdefault(str(entry.facts["goal"]["name"]), []).append(entry)
    rates = [one for goal, some in by_goal.items() if (one := _judged(goal, some)).n]
    total = _judged("all", found)
    sentence, tone = verdict.recorded(_goals(list(by_goal)), total)
    if not any(card.curve for card in shown):
        missing.append(_NO_CURVES)
    return Page(
        f"Session {session.name}",
        sentence,
        tone,
        [("session", session.name), ("episodes", str(len(paths))), *_provenance(found)],
        gallery.goals,
        rates,
        cards=shown,
        cards_note=note,
        adapters=[lineage.adapter_card(name, adapter) for name, adapter in adapters.items()],
        measurements=told,
        stops=stops(found),
        missing=[*missing, *problems, *_no_imagined(shown), "Command and machine: recordings do not hold them."],
    )


def _judged(label: str, found: Sequence[Entry]) -> Rate:
    outcomes = [entry.outcome for entry in found if entry.outcome.success is not None]
    judges = dict.fromkeys(JUDGES.get(outcome.judge, outcome.judge) for outcome in outcomes)
    return verdict.rate(label, sum(bool(outcome.success) for outcome in outcomes), len(outcomes), ", ".join(judges))


def _provenance(found: Sequence[Entry]) -> list[tuple[str, str]]:
    """Return what the recordings say of robot, policy, seed and times."""
    facts = []
    made = [entry.facts["provenance"] for entry in found]
    for key in ("robot", "shift", "policy", "adapter_name", "seed", "base"):
        values = list(dict.fromkeys(str(one[key]) for one in made if one[key] is not None))
        if values:
            facts.append((key.removesuffix("_name"), ", ".join(values[:6])))
    times = sorted(str(entry.facts["created_at"]) for entry in found)
    return [*facts, *([("recorded", f"{times[0]} to {times[-1]}")] if times else [])]
