"""The gate: a candidate adapter is compared with its parent and promoted only if it does not do worse.

There is no reward. An episode's score is the number of steps-to-go that the base's own head, which finetuning never
changes, estimates between the episode's nearest frame and its goal. Parent and candidate act on the same starts and goals,
until the difference is clear. Only whether an episode reached its goal counts, not how near it ended: an episode that did
not reach its goal goes on until the step limit.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from a2g_cli.adapters.files import LINEAGE, Adapter
from a2g_cli.core.errors import A2GError
from a2g_cli.core.files import replace_file

BETTER = 0.7
"""Of the trials that only one of the two solves, the better one is assumed to solve this share."""
MISTAKEN = 0.05
"""Chance that the comparison stops early in favour of the worse one."""
DOUBTED = 0.1
"""Chance that a comparison over all trials promotes the worse one."""
LEARNED = 0.8
"""If the loss on held-out replayed episodes falls to this share or less, that alone shows that something was learned."""
UNTRUSTED = 1.0
"""Largest action error in the training domain of an adapter that is promoted without a rollout [standard deviations of
the demonstrations' actions]. A policy that always gives the mean action has this error."""


@dataclass(frozen=True)
class Decision:
    """The gate's decision, with its reason."""

    promoted: bool
    reason: str
    measured: dict[str, float]


def sprt_stop(parent: Sequence[float], candidate: Sequence[float], arrived_below: float) -> bool:
    """Return whether the trials so far decide the comparison, so that no further trial is needed.

    Wald's sequential probability ratio test (1945) on the trials that only one of the two solved. With the values of
    ``BETTER`` and ``MISTAKEN``, a lead of four such trials stops the comparison.

    Args:
        parent: steps-to-go at the nearest frame of each trial's episode [steps].
        candidate: the same for the candidate, on the same trials.
        arrived_below: an episode reached its goal if its steps-to-go are below this [steps].
    """
    won, lost = _wins(parent, candidate, arrived_below)
    return _is_clear(abs(won - lost), MISTAKEN)


def _is_clear(lead: int, error_rate: float) -> bool:
    return lead * math.log(BETTER / (1 - BETTER)) >= math.log((1 - error_rate) / error_rate)


def _clear_lead(error_rate: float) -> int:
    return next(lead for lead in count(1) if _is_clear(lead, error_rate))


def refused_unseen(losses: dict[str, float], loss_tolerance: float = 1.1) -> Decision | None:
    """Return the refusal of a candidate that must not act on a robot at all; None if it may be tested.

    Args:
        losses: of the finetuning. A loss that is not finite, or rose on held-out episodes, refuses the candidate.
        loss_tolerance: factor by which the held-out loss may rise. Few episodes measure it, so it is noisy.
    """
    measured = {key: float(value) for key, value in losses.items()}
    if not all(math.isfinite(value) for value in losses.values()):
        return Decision(promoted=False, reason="Its training loss is not finite", measured=measured)
    before, after = losses.get("held_out_before"), losses.get("held_out_after")
    if before is not None and after is not None and after > loss_tolerance * before:
        return Decision(
            promoted=False, reason=_change("The loss on held-out episodes", before, after), measured=measured
        )
    return None


def _change(what: str, before: float, after: float) -> str:
    verb = "rose" if after > before else "fell"
    return f"{what} {verb} from {before:.3f} to {after:.3f}"


def decide(
    parent: Sequence[float],
    candidate: Sequence[float],
    losses: dict[str, float],
    arrived_below: float,
    paired: bool = True,
    judge: str = "policy's estimate",
) -> Decision:
    """Decide whether a candidate takes its parent's place.

    - Trained weights must lead by more than chance explains: a draw keeps the parent, and 2 against 1 is a draw. A slightly
      worse candidate would be built on in later rounds, and twenty trials cannot detect a small difference; keeping the
      parent only costs a round.
    - A domain transform alone (no losses) must not be worse: it was kept because it reduces the measured error.
    - Weights trained on replayed trajectories must not be worse either, if the loss on held-out replayed episodes fell
      clearly: that evidence does not depend on the policy's own estimate.
    - Without rollouts the loss on held-out episodes has to fall, and the adapter must not fail in the training domain.

    Args:
        parent: steps-to-go at the nearest frame of each test episode, in the order of the trials; empty without rollouts.
        candidate: the same for the candidate, on the same trials.
        losses: of the finetuning. What ``refused_unseen`` refuses stays refused.
        arrived_below: an episode reached its goal if its steps-to-go are below this [steps].
        paired: whether both had the same trials. If not, each had as many of its own, and the rule is less powerful.
        judge: who says which episodes reached their goal, for the reason.
    """
    if (refused := refused_unseen(losses)) is not None:
        return refused
    if not len(parent):
        return _decide_without_rollouts(losses)
    measured = {key: float(value) for key, value in losses.items()}
    old, new = (sum(left < arrived_below for left in values) for values in (parent, candidate))
    won, lost = _wins(parent, candidate, arrived_below)
    measured |= {"parent_arrived": old, "arrived": new, "episodes": len(parent), "won": won, "lost": lost}
    trials = " on the same trials" if paired else ", each on its own trials"
    reason = f"{_score(new, old, len(parent))}{trials} ({judge})"
    if won >= lost and (learned := _learned_from_replay(losses)):
        return Decision(promoted=True, reason=f"{reason}; {learned}", measured=measured)
    lead = won - lost
    if lead >= 0 and not losses:
        kept = "" if _is_clear(lead, DOUBTED) else "; it is not worse, which is enough for a measured domain transform"
        return Decision(promoted=True, reason=f"{reason}{kept}", measured=measured)
    if lead < 0 or _is_clear(lead, DOUBTED):
        return Decision(promoted=lead > 0, reason=reason, measured=measured)
    doubt = "this may be chance" if lead else "a draw keeps the old one"
    reason = f"{reason}; {doubt}: a lead of {_clear_lead(DOUBTED)} is needed"
    if len(parent) < _clear_lead(DOUBTED):
        trials = "1 trial is" if len(parent) == 1 else f"{len(parent)} trials are"
        reason = f"{reason}. {trials} too few for that: practise with more --episodes"
    return Decision(promoted=False, reason=reason, measured=measured)


def _score(new: int, old: int, trials: int) -> str:
    return f"New adapter {new}/{trials}, old {old}/{trials}"


def _decide_without_rollouts(losses: dict[str, float]) -> Decision:
    measured = {key: float(value) for key, value in losses.items()}
    before, after = losses.get("held_out_before"), losses.get("held_out_after")
    if before is None or after is None:
        reason = "Too few episodes to test it. Record more, then adapt again"
        return Decision(promoted=False, reason=reason, measured=measured)
    # A fault that is in every recording is in the held-out ones as well, so their loss cannot show it.
    nominal_after = losses.get("retention_after", 0.0)
    if nominal_after > max(UNTRUSTED, losses.get("retention_before", 0.0)):
        reason = (
            f"It was not tested by rollouts, and in the training domain its actions err by {nominal_after:.2f} standard "
            "deviations"
        )
        return Decision(promoted=False, reason=reason, measured=measured)
    reason = f"{_change('The loss on held-out episodes', before, after)} (no rollouts)"
    if after >= before:
        return Decision(promoted=False, reason=f"{reason}; a draw keeps the old one: it has to fall", measured=measured)
    return Decision(promoted=True, reason=reason, measured=measured)


def _learned_from_replay(losses: dict[str, float]) -> str | None:
    """Return in words how far the loss on held-out replayed episodes fell; None if that is too little or not known."""
    before, after = losses.get("rehearsed_before"), losses.get("rehearsed_after")
    if before is None or after is None or after > LEARNED * before:
        return None
    return _change("the loss on held-out replayed episodes", before, after)


def veto_if_worse(
    decision: Decision, parent: Sequence[float], candidate: Sequence[float], arrived_below: float
) -> Decision:
    """Return ``decision``, or a refusal if the uncorrected images show the candidate to be worse than its parent.

    ``decision`` scored both through the candidate's camera warp. A wrong warp could see every goal as reached, or none.

    Args:
        decision: made on images through the candidate's camera warp.
        parent: steps-to-go at the nearest frame of each test episode, on the uncorrected images.
        candidate: the same for the candidate, on the same trials.
        arrived_below: an episode reached its goal if its steps-to-go are below this [steps].
    """
    won, lost = _wins(parent, candidate, arrived_below)
    if not decision.promoted or not _is_clear(lost - won, DOUBTED):
        return decision
    new, old = (sum(left < arrived_below for left in values) for values in (candidate, parent))
    reason = f"{decision.reason}; but {_score(new, old, len(parent)).lower()} on the uncorrected images"
    return Decision(False, reason, decision.measured | {"as_they_are_won": won, "as_they_are_lost": lost})


def _wins(parent: Sequence[float], candidate: Sequence[float], arrived_below: float) -> tuple[int, int]:
    """Return on how many trials only the candidate, and only its parent, reached the goal."""
    pairs = [(a < arrived_below, b < arrived_below) for a, b in zip(parent, candidate, strict=True)]
    return pairs.count((False, True)), pairs.count((True, False))


def record_decision(adapter: Adapter, decision: Decision) -> None:
    """Write the gate's decision into the adapter's lineage. Raises A2GError if the disk refuses."""
    lineage: dict[str, Any] = {
        **adapter.lineage,
        "promotion": {"promoted": decision.promoted, "reason": decision.reason, "measured": decision.measured},
    }
    path = adapter.folder / LINEAGE
    try:
        replace_file(path, (json.dumps(lineage, indent=2) + "\n").encode())
    except OSError as error:
        raise A2GError(f"{path} cannot be written: {error.strerror or error}.") from error
