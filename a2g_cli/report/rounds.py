"""A practice run in numbers: success by round against episodes and minutes, and what is known of each recording."""

from collections.abc import Mapping
from typing import Any

from a2g_cli.improvement.state import RoundState, RunState
from a2g_cli.report.charts import Chart, Point, Series, chart
from a2g_cli.report.contents import Rate
from a2g_cli.report.episodes import JUDGES, Known
from a2g_cli.report.gallery import Entry
from a2g_cli.report.verdict import rate

STAGES = (
    ("practice", "practice"),
    ("explored", "pose search"),
    ("rehearsed", "replayed demonstration"),
    ("compared", "gate: new adapter"),
    ("parent", "gate: old adapter"),
)
"""Lists of recordings in a round's state -> words."""


def known_of(state: RunState) -> dict[str, Known]:
    """Return what the run's state says of each recording, by file name."""
    found: dict[str, Known] = {}
    for number, one in enumerate(state.rounds, 1):
        for field, words in STAGES:
            for name in getattr(one, field):
                found[name] = Known(words, number, one.judge, one.judged.get(name))
    return found


def measured(row: object, label: str) -> Rate | None:
    """Return a result in ``RunState.measured`` as a rate; None if it is not one."""
    if not isinstance(row, Mapping):
        return None
    successes, n, judge = row.get("successes"), row.get("n"), row.get("judge", "truth")
    if not isinstance(successes, int) or not isinstance(n, int) or not 0 <= successes <= n:
        return None
    return rate(label, successes, n, JUDGES.get(str(judge), str(judge)))


def practice_rate(one: RoundState, number: int) -> Rate | None:
    """Return how often the judge of practice said that a round's practice reached its goal; None if that is not kept."""
    said = [one.judged[name] for name in one.practice if name in one.judged]
    return rate(f"round {number}", sum(said), len(said), one.judge) if said else None


def success_chart(state: RunState, found: list[Entry]) -> Chart | None:
    """Return success by round, against the episodes and minutes of practice so far."""
    by_name = {entry.path.name: entry.outcome for entry in found}
    episodes, seconds = 0, 0.0
    ticks = [(0.0, "0", "0 min")]
    held_out, simulated, judged = [], [], []
    if before := measured(state.measured.get("before"), "before practice"):
        held_out.append(_point(0.0, before))
    judge = ""
    for number, one in enumerate(state.rounds, 1):
        if (done := one.done) is None:
            break
        episodes, seconds = episodes + done.rolled_out, seconds + done.rollout_seconds + done.adapt_seconds
        ticks.append((float(episodes), str(episodes), f"{seconds / 60:.1f} min"))
        middle = episodes - done.rolled_out / 2
        outcomes = [by_name[name] for name in one.practice if name in by_name]
        true = [bool(outcome.success) for outcome in outcomes if outcome.judge in {"truth", "environment", "person"}]
        if true:
            simulated.append(_point(middle, rate(f"practice of round {number}", sum(true), len(true), "")))
        if (said := practice_rate(one, number)) is not None:
            judge = one.judge
            judged.append(_point(middle, said))
    if after := measured(state.measured.get("after"), "after practice"):
        held_out.append(_point(float(episodes), after))
    return chart(
        "Success by round",
        [
            Series("held-out trials", held_out),
            Series("practice, as the simulator or a person says", simulated),
            Series(f"practice, as its judge says ({judge})", judged),
        ],
        "episodes of practice and gate, and minutes",
        "success",
        rate=True,
        x_ticks=_apart(ticks),
    )


def _point(x: float, one: Rate) -> Point:
    words = f"{one.label}: {one.successes} of {one.n}, 95 % interval {one.low:.0%} to {one.high:.0%}"
    return Point(x, one.rate, words, one.low, one.high)


def _apart(ticks: list[tuple[float, str, str]]) -> list[tuple[float, str, str]]:
    """Return at most eight of ``ticks``, the first and the last among them."""
    stride = -(-len(ticks) // 8)
    return [tick for i, tick in enumerate(ticks) if i % stride == 0 or i == len(ticks) - 1]


def request_facts(asked: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what a run was asked for, as (what, words). What the file holds of another kind is left out."""
    deployment, settings = asked.get("deployment"), asked.get("settings")
    facts: list[tuple[str, Any]] = []
    if isinstance(deployment, Mapping):
        chosen = deployment.get("settings")
        options = ", ".join(f"{key} {value}" for key, value in chosen.items()) if isinstance(chosen, Mapping) else ""
        facts.append(("robot", " · ".join(part for part in (str(deployment.get("robot", "")), options) if part)))
    if isinstance(settings, Mapping):
        facts.append(("seed of practice", settings.get("seed")))
    facts += [("seed of held-out trials", asked.get("evaluation_seed")), ("base", asked.get("base_hash"))]
    return [(what, str(value)) for what, value in facts if value not in (None, "")]
