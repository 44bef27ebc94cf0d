"""The promotion gate: a new adapter is held against its parent, and promoted only where it does not measure worse.

Nothing here knows a reward. An episode's score is the steps-to-go that the base's own, never adapted head sees between its
last frame and its goal; parent and candidate are compared on the same starts and goals.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from a2g_cli.durable import replace_file
from a2g_cli.errors import A2GError
from a2g_cli.policy.adapter import LINEAGE, Adapter


@dataclass(frozen=True)
class Decision:
    """What the gate decided, and from what."""

    promoted: bool
    reason: str
    measured: dict[str, float]


def decide(
    parent: Sequence[float],
    candidate: Sequence[float],
    losses: dict[str, float],
    arrived_below: float,
    loss_tolerance: float = 1.1,
    margin: float = -0.5,
    paired: bool = True,
) -> Decision:
    """Hold a candidate against its parent.

    Args:
        parent: steps left at the end of each gate episode, in the order of the trials.
        candidate: the same for the candidate, on the same trials.
        losses: from the adaptation; one that is not finite, or rose on held-out episodes, refuses the candidate.
        arrived_below: an episode arrived when fewer steps than this are left at its end [steps].
        loss_tolerance: how far the held-out loss may rise, relative; few episodes measure it, so it is noisy.
        margin: gain in the share of arrivals that is asked for, in standard errors. A little below zero: with twenty
            trials a real gain often measures as none, and refusing it costs a round; a collapse is many of them.
        paired: whether both had the same trials; without that the error of the difference is that of two samples, to which
            the same formula comes.
    """
    before, after = losses.get("held_out_before"), losses.get("held_out_after")
    measured = {key: float(value) for key, value in losses.items()}
    if not all(math.isfinite(value) for value in losses.values()):
        return Decision(promoted=False, reason="its loss is not finite", measured=measured)
    held_out = (
        None
        if before is None or after is None
        else f"its loss on held-out episodes went from {before:.3f} to {after:.3f}"
    )
    if before is not None and after is not None and after > loss_tolerance * before:
        return Decision(promoted=False, reason=f"{held_out}", measured=measured)
    if not len(parent):
        if held_out is None:
            reason = "neither rollouts nor held-out episodes to judge it by"
            return Decision(promoted=False, reason=reason, measured=measured)
        return Decision(promoted=True, reason=f"{held_out}, no rollouts compared", measured=measured)
    # Whether an episode arrived says more than how far it ended: one that did not has dithered until the limit.
    arrived = [np.asarray(values, np.float64) < arrived_below for values in (parent, candidate)]
    gain = arrived[1].astype(np.float64) - arrived[0]
    error = float(gain.std(ddof=1) / math.sqrt(len(gain))) if len(gain) > 1 else 0.0
    counts = [int(values.sum()) for values in arrived]
    measured |= {"parent_arrived": counts[0], "arrived": counts[1], "episodes": len(gain)}
    measured |= {"gain": float(gain.mean()), "gain_error": error}
    on = f"on the same {len(gain)} trials" if paired else f"each on {len(gain)} trials of its own"
    reason = f"arrived {counts[1]} times, its parent {counts[0]} times, {on}"
    return Decision(promoted=bool(gain.mean() >= margin * error), reason=reason, measured=measured)


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
