"""The adapters of a report: where each comes from, why the gate promoted it or not, how its losses fell, what it forgot."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from a2g_cli.adapters.files import Adapter
from a2g_cli.adapters.registry import BASE, RESERVED, AdapterRegistry
from a2g_cli.core.errors import A2GError
from a2g_cli.report.charts import Chart, Point, Series, chart
from a2g_cli.report.contents import AdapterCard

_LOSSES = (
    ("training loss", "first", "last"),
    ("loss on held-out episodes", "held_out_before", "held_out_after"),
    ("loss on held-out replayed episodes", "rehearsed_before", "rehearsed_after"),
    ("action error in the training domain", "retention_before", "retention_after"),
)
"""Losses in words, and their keys before and after the training."""


def family(registry: AdapterRegistry, names: Iterable[str]) -> dict[str, Adapter | str]:
    """Return the adapters called ``names`` and their ancestors, oldest first; of one that cannot be read, why."""
    found: dict[str, Adapter | str] = {}
    waiting = [name for name in dict.fromkeys(names) if name not in RESERVED]
    while waiting:
        name = waiting.pop(0)
        if name in found:
            continue
        try:
            found[name] = adapter = registry.get(name)
        except A2GError as error:
            found[name] = str(error)
            continue
        parent = adapter.lineage.get("parent")
        if isinstance(parent, str) and parent not in RESERVED:
            waiting.append(parent)
    return dict(sorted(found.items(), key=lambda entry: (_created(entry[1]), entry[0])))


def adapter_card(name: str, adapter: Adapter | str) -> AdapterCard:
    """Return the card of one adapter of ``family``."""
    if isinstance(adapter, str):
        return AdapterCard(name, "", "removed", adapter, "", [])
    lineage = adapter.lineage
    promotion = _object(lineage.get("promotion"))
    decision = promotion.get("promoted")
    gate = ("promoted" if decision else "not promoted") if isinstance(decision, bool) else "not tested"
    recordings = lineage.get("recordings")
    facts = [("learned from", f"{len(recordings)} episodes" if isinstance(recordings, list) else "")]
    facts.append(("acts on", _acts_on(lineage.get("acts_on"))))
    facts.append(("method", f"{adapter.method}, rank {adapter.rank}"))
    facts += [(words, f"{before:.3g} → {after:.3g}") for words, before, after in _losses(lineage)]
    facts.append(("time", "" if (seconds := _number(lineage.get("seconds"))) is None else f"{seconds:.0f} s"))
    return AdapterCard(
        name,
        str(lineage.get("parent") or BASE),
        gate,
        str(promotion.get("reason") or ""),
        _created(adapter),
        [(what, words) for what, words in facts if words],
        _curve(name, lineage),
    )


def forgetting(name: str, adapter: Adapter | str) -> list[tuple[str, str, str, str]]:
    """Return how an adapter's action error in the training domain differs from its parent's, if that was measured."""
    if isinstance(adapter, str):
        return []
    for words, before, after in _losses(adapter.lineage):
        if words == _LOSSES[-1][0]:
            change = f"{after / before - 1:+.0%}" if before else ""
            return [(f"{words}: {name} beside what it began from", f"{before:.3f}", f"{after:.3f}", change)]
    return []


def _losses(lineage: Mapping[str, Any]) -> list[tuple[str, float, float]]:
    kept = _object(lineage.get("losses"))
    found = []
    for words, first, last in _LOSSES:
        before, after = _number(kept.get(first)), _number(kept.get(last))
        if before is not None and after is not None:
            found.append((words, before, after))
    return found


def _curve(name: str, lineage: Mapping[str, Any]) -> Chart | None:
    """Return the training loss over the iterations; None for adapters of earlier versions, which do not keep it."""
    kept = lineage.get("loss_curve")
    if not isinstance(kept, list) or len(kept) < 2:
        return None
    try:
        points = [
            Point(float(i), float(loss), f"{float(loss):.3f} after {int(i)} iterations") for i, loss in kept[:1000]
        ]
    except (TypeError, ValueError, OverflowError):
        return None
    return chart(
        f"Training loss of {name}", [Series("running mean of the training loss", points)], "iterations", "loss"
    )


def _acts_on(names: object) -> str:
    return ", ".join(map(str, names)) if isinstance(names, list) else "all goals"


def _created(adapter: Adapter | str) -> str:
    return "" if isinstance(adapter, str) else str(adapter.lineage.get("created_at") or "")


def _number(value: object) -> float | None:
    """Return a number of a lineage, which may come from elsewhere; None: it is none, or larger than any float."""
    try:
        return float(value) if isinstance(value, int | float) else None
    except OverflowError:
        return None


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def names_of(adapters: Mapping[str, Adapter | str], only: Sequence[str]) -> list[tuple[str, Adapter]]:
    """Return those of ``only`` that could be read."""
    found = [(name, adapters.get(name)) for name in dict.fromkeys(only)]
    return [(name, adapter) for name, adapter in found if isinstance(adapter, Adapter)]
