"""The promotion gate: a new adapter is held against its parent, and promoted only where it does not measure worse.

Nothing here knows a reward. An episode's score is the steps-to-go that the base's own, never adapted head sees between its
nearest frame and its goal; parent and candidate are compared on the same starts and goals, one after the other, until they
are told apart. Whether an episode arrived says more than how far it ended: one that did not has dithered until the limit.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from a2g_cli.adapters.files import LINEAGE, Adapter
from a2g_cli.core.errors import A2GError
from a2g_cli.core.files import replace_file

BETTER = 0.7
"""Of the trials that only one of the two solves, this share is the better one's, or more."""
MISTAKEN = 0.05
"""How often the comparison may end early in favour of the worse one ..."""
DOUBTED = 0.1
"""... and how often one that went to its end may promote it."""
TAUGHT = 0.8
"""A loss on held-out rehearsals that fell to this share or less shows by itself that something was learned."""
ASTRAY = 1.0
"""Error at home from which on an adapter that nobody has rolled out is not trusted [deviations of the demonstrations'
actions]: the mean action errs as much."""


@dataclass(frozen=True)
class Decision:
    """What the gate decided, and from what."""

    promoted: bool
    reason: str
    measured: dict[str, float]


def sprt_stop(parent: Sequence[float], candidate: Sequence[float], arrived_below: float) -> bool:
    """Return whether the trials compared so far tell the two apart, so that no more of them are needed.

    Wald's sequential probability ratio test (1945) on the trials that only one of the two solved. With ``BETTER`` and
    ``MISTAKEN`` as they are, a lead of four such trials ends it; a lead of three is enough once all trials are over.

    Args:
        parent: steps left at the nearest frame of each trial's episode [steps].
        candidate: the same for the candidate, on the same trials.
        arrived_below: an episode arrived when fewer steps than this are left [steps].
    """
    won, lost = _apart(parent, candidate, arrived_below)
    return _told_apart(abs(won - lost), MISTAKEN)


def _told_apart(lead: int, mistaken: float) -> bool:
    return lead * math.log(BETTER / (1 - BETTER)) >= math.log((1 - mistaken) / mistaken)


def refused_unseen(losses: dict[str, float], loss_tolerance: float = 1.1) -> Decision | None:
    """Return why a candidate is not worth a rollout, or may not move a robot at all; None where nothing speaks against it.

    Args:
        losses: from the adaptation; one that is not finite, or rose on held-out episodes, refuses the candidate.
        loss_tolerance: how far the held-out loss may rise, relative; few episodes measure it, so it is noisy.
    """
    measured = {key: float(value) for key, value in losses.items()}
    if not all(math.isfinite(value) for value in losses.values()):
        return Decision(promoted=False, reason="its loss is not finite", measured=measured)
    before, after = losses.get("held_out_before"), losses.get("held_out_after")
    if before is not None and after is not None and after > loss_tolerance * before:
        return Decision(promoted=False, reason=_told(before, after), measured=measured)
    return None


def _told(before: float, after: float) -> str:
    return f"its loss on held-out episodes went from {before:.3f} to {after:.3f}"


def decide(
    parent: Sequence[float],
    candidate: Sequence[float],
    losses: dict[str, float],
    arrived_below: float,
    paired: bool = True,
) -> Decision:
    """Hold a candidate against its parent: it acts from now on if it has shown that it is the better one.

    A parent that stays costs a round, and the next one learns from more; a candidate that is a little worse would be built
    on, and twenty trials do not see a little. So trained weights have to lead by more than chance makes of equals. Where
    nothing was trained but a calibration measured, that left less error than there was: it has to be no worse. The same goes
    for what rehearsing taught: nobody who judges arrivals took part in it.

    Without any rollouts the loss on held-out episodes decides, unless the adapter is astray at home.

    Args:
        parent: steps left at the nearest frame of each gate episode, in the order of the trials; empty: none was rolled out.
        candidate: the same for the candidate, on the same trials.
        losses: from the adaptation; what ``refused_unseen`` refuses is refused, whatever the rollouts say.
        arrived_below: an episode arrived when fewer steps than this are left at its nearest frame [steps].
        paired: whether both had the same trials; without that, each had as many of its own, and the same rule is less sharp.
    """
    if (refused := refused_unseen(losses)) is not None:
        return refused
    before, after = losses.get("held_out_before"), losses.get("held_out_after")
    measured = {key: float(value) for key, value in losses.items()}
    held_out = None if before is None or after is None else _told(before, after)
    if not len(parent):
        return _without_rollouts(losses, held_out)
    counts = [sum(left < arrived_below for left in values) for values in (parent, candidate)]
    won, lost = _apart(parent, candidate, arrived_below)
    measured |= {"parent_arrived": counts[0], "arrived": counts[1], "episodes": len(parent), "won": won, "lost": lost}
    on = f"on the same {len(parent)} trials" if paired else f"each on {len(parent)} trials of its own"
    reason = f"arrived {counts[1]} times, its parent {counts[0]} times, {on}"
    if won >= lost and (taught := _taught(losses)):
        return Decision(promoted=True, reason=f"{reason}; {taught}", measured=measured)
    if losses and won > lost and not _told_apart(won - lost, DOUBTED):
        return Decision(promoted=False, reason=f"{reason}: not enough to tell them apart", measured=measured)
    return Decision(promoted=won > lost or (won == lost and not losses), reason=reason, measured=measured)


def _without_rollouts(losses: dict[str, float], held_out: str | None) -> Decision:
    """Return what the losses alone decide; ``held_out`` tells them, where there are any."""
    measured = {key: float(value) for key, value in losses.items()}
    if held_out is None:
        reason = "neither rollouts nor held-out episodes to judge it by"
        return Decision(promoted=False, reason=reason, measured=measured)
    # What is falsified in every recording is falsified in those held out as well.
    if losses.get("retention_after", 0.0) > max(ASTRAY, losses.get("retention_before", 0.0)):
        reason = f"no rollouts compared, and at home its actions err by {losses['retention_after']:.2f} deviations"
        return Decision(promoted=False, reason=reason, measured=measured)
    return Decision(promoted=True, reason=f"{held_out}, no rollouts compared", measured=measured)


def _taught(losses: dict[str, float]) -> str | None:
    """Return in words what rehearsing taught, by rehearsals that are held out; None where that is too little, or nothing."""
    before, after = losses.get("rehearsed_before"), losses.get("rehearsed_after")
    if before is None or after is None or after > TAUGHT * before:
        return None
    return f"its loss on rehearsals held out went from {before:.3f} to {after:.3f}"


def veto_if_worse(
    decision: Decision, parent: Sequence[float], candidate: Sequence[float], arrived_below: float
) -> Decision:
    """Return ``decision``, or a refusal where pictures as they are tell the candidate for worse than its parent.

    Both sides were judged through the candidate's view: a wrong one might see arrivals everywhere, or nowhere.

    Args:
        decision: what was decided through that view.
        parent: steps left at the nearest frame of each gate episode, pictures as they are.
        candidate: the same for the candidate, on the same trials.
        arrived_below: an episode arrived when fewer steps than this are left [steps].
    """
    won, lost = _apart(parent, candidate, arrived_below)
    if not decision.promoted or not _told_apart(lost - won, DOUBTED):
        return decision
    counts = [sum(left < arrived_below for left in values) for values in (candidate, parent)]
    reason = f"{decision.reason}; by the pictures as they are {counts[0]} times, its parent {counts[1]} times"
    return Decision(False, reason, decision.measured | {"as_they_are_won": won, "as_they_are_lost": lost})


def _apart(parent: Sequence[float], candidate: Sequence[float], arrived_below: float) -> tuple[int, int]:
    """Return how many trials the candidate alone, and its parent alone, arrived on."""
    pairs = [(a < arrived_below, b < arrived_below) for a, b in zip(parent, candidate, strict=True)]
    return pairs.count((False, True)), pairs.count((True, False))


def record_decision(adapter: Adapter, decision: Decision) -> None:
    """Write the gate's decision into the adapter's lineage. Raises A2GError when the disk refuses."""
    lineage: dict[str, Any] = {
        **adapter.lineage,
        "promotion": {"promoted": decision.promoted, "reason": decision.reason, "measured": decision.measured},
    }
    path = adapter.folder / LINEAGE
    try:
        replace_file(path, (json.dumps(lineage, indent=2) + "\n").encode())
    except OSError as error:
        raise A2GError(f"{path} cannot be written: {error.strerror or error}.") from error
