"""``a2g adapt``: learn from recordings in hindsight, and compare the result with its parent."""

import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from a2g_cli.adapters import files as adapters
from a2g_cli.adapters.registry import BASE, AdapterRegistry
from a2g_cli.calibration.base_pose import BasePose
from a2g_cli.calibration.transform import DomainTransform
from a2g_cli.cli.commands.adapt_plan import hopeless, learning_from, prepare
from a2g_cli.cli.commands.adapt_words import chosen, following
from a2g_cli.cli.commands.report import Report
from a2g_cli.core.errors import RecordingError, UsageError
from a2g_cli.core.workspace import Workspace
from a2g_cli.data.recording.sessions import find_recordings
from a2g_cli.display.console import stderr_console
from a2g_cli.display.lines import printable, say
from a2g_cli.display.training_view import training_view
from a2g_cli.improvement.gate import Decision, decide, record_decision
from a2g_cli.models import checkpoint
from a2g_cli.report.about import about
from a2g_cli.runtime.policy_factory import BASELINES
from a2g_cli.tracking.metrics import Metrics, new_folder
from a2g_cli.tracking.trackers import check_tracker
from a2g_cli.tracking.view import TrackedView
from a2g_cli.training import retention_set
from a2g_cli.training.finetune import FinetuneSettings, finetune
from a2g_cli.training.finetune_plan import FinetunePlan
from a2g_cli.training.retention import forgetting_in_words


def adapt_recordings(
    workspace: Workspace,
    names: Sequence[str],
    name: str | None,
    parent: str | None,
    base: Path | None,
    settings: FinetuneSettings,
    promote: bool,
    dry_run: bool,
    tracker: str | None = None,
    command: str = "",
) -> Report:
    """Adapt to the recordings ``names``; without names, to the newest complete session of practice.

    ``tracker`` is where metrics are logged beside a2g's own file (``tracking/trackers.py``), ``command`` what was typed.

    Raises:
        UnknownNameError, UsageError, CheckpointError, RecordingError: see their messages.
        A2GError: the tracker's library is not installed.
    """
    check_tracker(tracker)
    paths, sessions, told_before = chosen(workspace, names)
    shown = find_recordings(workspace, settings.demonstrations) if settings.cotrain else []
    registry = AdapterRegistry(workspace)
    before = registry.active()
    parent = before if parent is None else parent
    if parent in BASELINES:
        raise UsageError(f"{parent!r} is a baseline without weights: name an adapter as --parent, or base.")
    onward = None if parent == BASE else registry.get(parent)
    place = base or checkpoint.SHIPPED
    hashed = checkpoint.fingerprint(place)
    document: dict[str, Any] = {
        "parent": parent,
        "base": hashed,
        "sessions": sessions,
        "recordings": len(paths),
        "demonstrations": len(shown),
    }
    if onward is not None:
        adapters.check_base(onward, hashed)  # refused before any work is done
    # Nothing but held-out episodes tests the result.
    settings = replace(settings, held_out_always=promote)
    if dry_run:
        name = registry.new_folder(name or registry.fresh_name()).name
        with training_view(stderr_console()) as view:
            finetune_plan = prepare(place, paths, shown, onward, settings, view).plan
        refusal = hopeless(workspace, finetune_plan, settings, paths, base)
        document |= {"adapter": name, "dry_run": True, "kept": len(finetune_plan.kept)}
        document |= {"held_out": finetune_plan.held_out(settings), "can_be_promoted": refusal is None}
        lines = _would(finetune_plan, settings, len(paths), document, refusal, promote)
        return Report(document, [*map(printable, told_before), *lines])
    for line in told_before:
        say(stderr_console(), line)
    kept = retention_set.load_retention_set(place)
    with registry.creating(name) as folder, training_view(stderr_console()) as view:
        name = folder.name
        prepared = prepare(place, paths, shown, onward, settings, view)
        finetune_plan, suspected = prepared.plan, prepared.suspected
        if refusal := hopeless(workspace, finetune_plan, settings, paths, base):
            if promote or not finetune_plan.kept:
                raise RecordingError(refusal)
            view.note(refusal)
        if settings.feature_alignment and kept is None:
            view.note(
                "this base has no retention set: its features are aligned only on the batches, not on training data"
            )
        view.note(f"adapting {name} from {parent}: {learning_from(finetune_plan, settings, len(paths))}")
        config = {**about(command), "parent": parent, "sessions": sessions, "settings": asdict(settings)}
        with Metrics(new_folder(workspace, name), name, view.note, tracker, config) as metrics:
            done = finetune(
                prepared.model,
                hashed,
                onward,
                finetune_plan.kept,
                folder,
                settings,
                TrackedView(view, metrics),
                calibration=finetune_plan.calibration,
                train=finetune_plan.train,
                retention=kept,
                demonstrations=prepared.demonstrations,
            )
            metrics.log("result", 0, done.losses)
        decision = decide([], [], done.losses, prepared.bound)
        if not finetune_plan.train:  # no weights changed; the measured domain transform is known to lower the error
            decision = Decision(promoted=True, reason=finetune_plan.how, measured={})
        record_decision(adapters.read(folder), decision)
        # It was compared with what was active at the start, and not with an adapter that was promoted meanwhile.
        active = registry.promote(name, instead_of=before) if decision.promoted and promote else registry.active()
    document |= {
        "adapter": name,
        "kept": len(finetune_plan.kept),
        "held_out": finetune_plan.held_out(settings),
        "calibration": finetune_plan.calibration.to_json() if finetune_plan.calibration else None,
        "suspected_yaw": None if suspected is None else round(suspected.yaw, 4),
        "losses": {key: round(value, 5) for key, value in done.losses.items()},
        "mean_weight": round(done.mean_weight, 4),
        "seconds": round(done.seconds, 2),
        "promoted": decision.promoted and promote and active == name,
        "reason": decision.reason,
        "path": str(folder),
    }
    before_and_after = forgetting_in_words(done.losses)
    why = (
        f" ({decision.reason}); {done.seconds:.0f} s." if finetune_plan.train else _untrained(finetune_plan.calibration)
    )
    lines = [
        f"{name}: {_verdict(document['promoted'], decision, promote, active)}{why}",
        *([] if before_and_after is None else [before_and_after]),
        *([] if suspected is None else [_doubt(suspected)]),
        *following(workspace, parent, name, paths, base, passed=decision.promoted, promoted=document["promoted"]),
    ]
    return Report(document, lines)


def _would(
    plan: FinetunePlan,
    settings: FinetuneSettings,
    count: int,
    document: dict[str, Any],
    refusal: str | None,
    promote: bool,
) -> list[str]:
    """Return what would be done with ``count`` recordings, of ``--dry-run``."""
    what = learning_from(plan, settings, count)
    made = f"would make {document['adapter']} from {document['parent']}, {settings.iterations} iterations: {what}"
    lines = [made] if plan.kept else []
    return lines + ([] if refusal is None else [f"{'it would not be made' if promote else 'note'}: {refusal}"])


def _untrained(transform: DomainTransform) -> str:
    return (
        f". No training: it only stores the measured domain transform ({transform}), and it was not tested by rollouts."
    )


def _verdict(promoted: bool, decision: Decision, asked: bool, active: str) -> str:
    if promoted:
        return "promoted, active from now on"
    if decision.promoted and asked:
        return f"not promoted, because another program made {active} active meanwhile"
    stays = "the base policy stays in use" if active == BASE else f"{active} stays active"
    return f"not promoted, {stays}"


def _doubt(suspected: BasePose) -> str:
    return (
        f"the arm's base seems to be turned by {math.degrees(suspected.yaw):.0f} degrees as well, but images of a camera "
        "that was moved do not show where it stands: `a2g improve` finds out by trying."
    )
