"""``a2g adapters``: list, show, promote, roll back and remove adapters."""

import json
import math
from collections.abc import Sequence
from typing import Any, Literal

from a2g_cli.adapters.files import Adapter
from a2g_cli.adapters.registry import BASE, RESERVED, AdapterRegistry
from a2g_cli.cli.commands.following import to_adapt, to_record
from a2g_cli.cli.commands.prompts import confirm_removal
from a2g_cli.cli.commands.report import Report
from a2g_cli.core.errors import A2GError, CheckpointError, UnknownNameError, UsageError
from a2g_cli.core.workspace import Workspace, checked_name
from a2g_cli.data.recording.practice import newest_practice
from a2g_cli.display.lines import printable
from a2g_cli.display.listing import facts, listing, size
from a2g_cli.models import checkpoint
from a2g_cli.training.retention import forgetting_in_words

_KINDS = {"lora": "LoRA", "dora": "DoRA", "full": "full fine-tuning"}


def list_adapters(workspace: Workspace) -> Report:
    """List the adapters, oldest first, including damaged ones.

    The document: ``{"active", "adapters": [ADAPTER]}``, ADAPTER being ``{"name", "path", "active", "base",
    "fits_shipped_base", "parent", "rank", "promoted", "gate", "measured", "created_at", "bytes", "problem"}``; a damaged one
    has no more than name, path, active and problem. ``active`` is ``base`` for the base policy; ``gate`` is ``passed``,
    ``refused``, or null for an adapter that no gate has judged, such as an imported one. ``measured`` is what the gate
    compared, ``{"what", "before", "after", "of"}``: ``reached``, the trials that the parent and the adapter reached of
    ``of``; ``loss``, on held-out episodes; or null.
    """
    registry = AdapterRegistry(workspace)
    active, shipped = registry.active(), _shipped()
    found = [_document(registry, name, active, shipped) for name in registry.names()]
    rows = [_row(entry) for entry in found]
    lines = listing(["", "adapter", "parent", "base", "rank", "gate", "before -> after", "made"], rows) if rows else []
    lines += [printable(f"{entry['name']} is damaged: {entry['problem']}") for entry in found if entry["problem"]]
    lines.append(
        "active: base. The base policy acts without an adapter." if active == BASE else printable(f"active: {active}")
    )
    if not rows:
        session = newest_practice(workspace).session
        lines.append(
            f"no adapters yet; next: {to_record(workspace) if session is None else to_adapt(workspace, session)}"
        )
    return Report({"active": active, "adapters": found}, lines)


def show_adapter(workspace: Workspace, name: str) -> Report:
    """Show one adapter. The document: ADAPTER as ``list`` has it, with ``lineage`` and ``fingerprint``.

    Raises:
        UsageError: ``name`` is the base policy or a baseline.
        UnknownNameError, CheckpointError: it does not exist, or is damaged.
    """
    _check_made(name, "there is nothing to show")
    registry = AdapterRegistry(workspace)
    adapter = registry.get(name)
    document = _document(registry, name, registry.active(), _shipped())
    try:
        fingerprint = adapter.fingerprint
    except OSError as error:
        raise CheckpointError(f"{adapter.folder} holds no weights: {error.strerror or error}.") from error
    document |= {"fingerprint": fingerprint, "lineage": adapter.lineage}
    lineage = adapter.lineage
    recordings = lineage.get("recordings")
    values = {
        "adapter": f"{name} (active)" if document["active"] else name,
        "path": f"{adapter.folder} ({size(document['bytes'])})",
        "fingerprint": fingerprint,
        "base": adapter.base + _base_words(document["fits_shipped_base"]),
        "parent": str(document["parent"] or BASE),
        _KINDS.get(adapter.method, adapter.method): _weights_words(adapter),
        "calibration": str(adapter.calibration) if adapter.calibration else "",
        "acts on": ", ".join(adapter.acts_on or ["every goal"]),
        "recordings": f"{len(recordings)}: {', '.join(map(str, recordings[:3]))}{', …' if len(recordings) > 3 else ''}"
        if isinstance(recordings, list) and recordings
        else "",
        "cotraining": _cotraining(lineage),
        "gate": _gate_words(adapter),
        "losses": _losses_words(lineage.get("losses")),
        "retention": forgetting_in_words(lineage.get("losses")) or "",
        "settings": json.dumps(lineage["settings"]) if lineage.get("settings") and _trained(adapter) else "",
        "made": str(document["created_at"] or ""),
    }
    return Report(document, facts(values))


def promote_adapter(workspace: Workspace, name: str, force: bool = False) -> Report:
    """Make ``name`` the active adapter; ``base`` is the base policy. The document: ``{"active", "before"}``.

    Raises:
        UsageError: the gate refused it, and ``force`` is false; or it is a baseline.
        UnknownNameError, CheckpointError: it does not exist, or is damaged.
    """
    if name in RESERVED and name != BASE:
        raise UsageError(f"{name!r} is a baseline for comparisons: it cannot be the active adapter.")
    registry = AdapterRegistry(workspace)
    before = registry.active()
    if name not in {BASE, before} and not force and _gate(adapter := registry.get(name)) == "refused":
        raise UsageError(
            f"the gate refused adapter {name!r}: {_reason(adapter)}. Add --force to make it active anyway."
        )
    registry.promote(name)
    lines = [f"active: {name} (before: {before})" if before != name else f"{name} is already active."]
    if name != BASE and _fits(registry.get(name).base, _shipped()) is False:
        lines.append("note: it was trained on another base than the shipped one: give its base with --base.")
    return Report({"active": name, "before": before}, [printable(line) for line in lines])


def roll_back_adapter(workspace: Workspace) -> Report:
    """Undo the last promotion. The document: ``{"active", "before"}``. Raises UsageError."""
    left, active = AdapterRegistry(workspace).roll_back()
    return Report({"active": active, "before": left}, [printable(f"active: {active} (before: {left})")])


def remove_adapters(workspace: Workspace, names: Sequence[str], yes: bool, force: bool, dry_run: bool) -> Report:
    """Remove adapters; if one of ``names`` cannot be removed, none is. The active one only with ``force``.

    The document: ``{"removed", "active", "dry_run"}``. Raises UnknownNameError, UsageError, CheckpointError.
    """
    registry = AdapterRegistry(workspace)
    names = list(dict.fromkeys(names))
    active = registry.active()
    for name in names:
        _check_made(name, "it cannot be removed")
        if not (registry.folder / checked_name("adapter", name)).is_dir():
            raise UnknownNameError("adapter", name, registry.names())
        if name == active and not force:
            raise UsageError(
                f"adapter {name!r} is active: promote another one first, or add --force to go back to the one before."
            )
    if dry_run:
        document = {"removed": names, "active": active, "dry_run": True}
        return Report(document, [f"would remove adapter {name}" for name in names])
    confirm_removal([f"adapter {name}" for name in names], yes)
    for name in names:
        registry.remove(name, force)
    now = registry.active()
    lines = [f"removed adapter {name}" for name in names]
    if now != active:
        lines.append(printable(f"active: {now} (before: {active})"))
    return Report({"removed": names, "active": now, "dry_run": False}, lines)


def _check_made(name: str, so: str) -> None:
    """Raise UsageError for a name that always means a policy without an adapter; ``so``: what follows from that."""
    if name in RESERVED:
        what = "the policy without an adapter" if name == BASE else "a baseline for comparisons, not an adapter"
        raise UsageError(f"{name} is {what}: {so}.")


def _shipped() -> str | None:
    try:
        return checkpoint.fingerprint(checkpoint.SHIPPED)
    except CheckpointError:
        return None


def _fits(base: str, shipped: str | None) -> bool | None:
    return None if shipped is None else base == shipped


def _document(registry: AdapterRegistry, name: str, active: str, shipped: str | None) -> dict[str, Any]:
    document: dict[str, Any] = {"name": name, "path": str(registry.folder / name), "active": name == active}
    try:
        adapter = registry.get(name)
    except A2GError as error:
        return document | {"problem": str(error)}
    gate = _gate(adapter)
    return document | {
        "base": adapter.base,
        "fits_shipped_base": _fits(adapter.base, shipped),
        "parent": adapter.lineage.get("parent"),
        "rank": adapter.rank,
        "promoted": None if gate is None else gate == "passed",
        "gate": gate,
        "measured": _measured(adapter),
        "created_at": adapter.lineage.get("created_at"),
        "bytes": sum(path.stat().st_size for path in adapter.folder.iterdir() if path.is_file()),
        "problem": None,
    }


def _row(entry: dict[str, Any]) -> list[str]:
    mark = "*" if entry["active"] else ""
    if entry["problem"] is not None:
        return [mark, entry["name"], "-", "-", "", "damaged", "", ""]
    base = entry["base"] + ("" if entry["fits_shipped_base"] in {True, None} else " (another)")
    return [
        mark,
        entry["name"],
        str(entry["parent"] or BASE),
        base,
        str(entry["rank"]),
        entry["gate"] or "not tested",
        _change(entry["measured"]),
        str(entry["created_at"] or ""),
    ]


def _cotraining(lineage: dict[str, Any]) -> str:
    names, settings = lineage.get("demonstrations"), lineage.get("settings")
    if not isinstance(names, list) or not names or not isinstance(settings, dict):
        return ""
    share = settings.get("cotrain", settings.get("mix"))  # version 0.1 wrote the second
    return f"{share} of each batch, from {len(names)} demonstrations: {names[0]}{', …' if names[1:] else ''}"


def _gate(adapter: Adapter) -> Literal["passed", "refused"] | None:
    """Return the gate's decision from the adapter's lineage; None if the gate has not tested the adapter."""
    promotion = adapter.lineage.get("promotion")
    promoted = promotion.get("promoted") if isinstance(promotion, dict) else None
    if not isinstance(promoted, bool):
        return None
    return "passed" if promoted else "refused"


def _measured(adapter: Adapter) -> dict[str, Any] | None:
    """Return what the gate compared, from the adapter's lineage; None if it says nothing that can be used."""
    promotion = adapter.lineage.get("promotion")
    found = promotion.get("measured") if isinstance(promotion, dict) else None
    if not isinstance(found, dict):
        return None
    names = {"reached": ("parent_arrived", "arrived", "episodes"), "loss": ("held_out_before", "held_out_after")}
    for what, keys in names.items():
        numbers = [found.get(key) for key in keys]
        if all(isinstance(number, int | float) and math.isfinite(number) for number in numbers):
            before, after, of = [*numbers, None][:3]
            return {"what": what, "before": before, "after": after, "of": of}
    return None


def _change(measured: dict[str, Any] | None) -> str:
    """Return what the gate compared in words, as in ``3/20 -> 15/20 reached``."""
    if measured is None:
        return ""
    before, after, of = measured["before"], measured["after"], measured["of"]
    return f"loss {before:.3f} -> {after:.3f}" if of is None else f"{before:g}/{of:g} -> {after:g}/{of:g} reached"


def _reason(adapter: Adapter) -> str:
    promotion = adapter.lineage.get("promotion")
    return printable(str(promotion.get("reason") or "no reason given")) if isinstance(promotion, dict) else ""


def _gate_words(adapter: Adapter) -> str:
    gate = _gate(adapter)
    if gate == "passed" and not _trained(adapter) and _reason(adapter).startswith("measured:"):
        return "not tested: no weights were trained, only the domain transform is new"
    return "not tested" if gate is None else f"{gate}: {_reason(adapter)}"


def _trained(adapter: Adapter) -> bool:
    """Return whether weights were trained. If not, its lineage has no losses: the weights are its parent's or the base's."""
    return bool(adapter.lineage.get("losses"))


def _weights_words(adapter: Adapter) -> str:
    words = f"rank {adapter.rank}, alpha {adapter.alpha:g}"
    if "losses" in adapter.lineage and not _trained(adapter):
        parent = adapter.lineage.get("parent")
        words += f"; not trained: the weights are those of {'the base' if parent in {None, BASE} else parent}"
    return words


def _base_words(fits: bool | None) -> str:
    return {True: " (the shipped one)", False: " (not the shipped one: give it with --base)", None: ""}[fits]


_LOSSES = {
    "training loss": ("first", "last"),
    "loss on held-out episodes": ("held_out_before", "held_out_after"),
    "loss on held-out replayed episodes": ("rehearsed_before", "rehearsed_after"),
    "action error in the training domain": ("retention_before", "retention_after"),
}
"""Losses in words -> their keys before and after the training."""


def _losses_words(losses: object) -> str:
    """Return the losses of a lineage in words, those of an unknown name as they are."""
    left = dict(losses) if isinstance(losses, dict) else {}
    words = []
    for name, (before, after) in _LOSSES.items():
        if before in left and after in left:
            words.append(f"{name} {left.pop(before)} -> {left.pop(after)}")
    return ", ".join([*words, *(f"{name} {value}" for name, value in left.items())])
