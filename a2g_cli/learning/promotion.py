"""The promotion gate: a new adapter is held against its parent and promoted only where it measures better.

Nothing here knows a reward. An episode's score is the steps-to-go that the base's own, never adapted head sees between its
last frame and its goal; parent and candidate are compared on the same starts and goals.
"""

import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from a2g_cli.learning.latents import encode_frames
from a2g_cli.policy.act2goal import Act2Goal
from a2g_cli.policy.adapter import LINEAGE, Adapter
from a2g_cli.recording.reader import Recording


@dataclass(frozen=True)
class Decision:
    """What the gate decided, and from what."""

    promoted: bool
    reason: str
    measured: dict[str, float]


@torch.no_grad()
def steps_left(model: Act2Goal, path: Path) -> float:
    """Return the steps-to-go [steps] that the head sees between a recording's last frame and its goal."""
    with Recording(path) as recording:
        cameras = model.config.cameras
        last = torch.stack([encode_frames(model, recording.frame(camera, -1)[None])[0] for camera in cameras])
        goal = torch.stack([encode_frames(model, recording.goal.images[camera][None])[0] for camera in cameras])
    return float(model.steps_to_go.steps(last[None].float(), goal[None].float())[0])


def decide(
    parent: Sequence[float],
    candidate: Sequence[float],
    losses: dict[str, float],
    loss_tolerance: float = 1.1,
    margin: float = -0.5,
) -> Decision:
    """Hold a candidate against its parent.

    Args:
        parent: steps left at the end of each gate episode, in the order of the trials.
        candidate: the same for the candidate, on the same trials.
        losses: from the adaptation; one that is not finite, or rose on held-out episodes, refuses the candidate.
        loss_tolerance: how far the held-out loss may rise, relative; few episodes measure it, so it is noisy.
        margin: mean gain that is asked for, in standard errors. A little below zero: with twenty trials a real gain often
            measures as none, and refusing it costs a round; a collapse measures as many standard errors.
    """
    before, after = losses.get("held_out_before"), losses.get("held_out_after")
    measured = {key: float(value) for key, value in losses.items()}
    if not all(math.isfinite(value) for value in losses.values()):
        return Decision(promoted=False, reason="its loss is not finite", measured=measured)
    if before is not None and after is not None and after > loss_tolerance * before:
        reason = f"its loss on held-out episodes rose from {before:.4f} to {after:.4f}"
        return Decision(promoted=False, reason=reason, measured=measured)
    if not parent:
        return Decision(
            promoted=True, reason="its loss on held-out episodes fell; no rollouts compared", measured=measured
        )
    # Steps-to-go grows fast far from the goal; a bounded score keeps one hopeless episode from deciding.
    scores = [np.minimum(np.asarray(values, np.float64), 40.0) for values in (parent, candidate)]
    gain = scores[0] - scores[1]
    error = float(gain.std(ddof=1) / math.sqrt(len(gain))) if len(gain) > 1 else 0.0
    measured |= {"parent_steps_left": float(scores[0].mean()), "steps_left": float(scores[1].mean())}
    measured |= {"gain": float(gain.mean()), "gain_error": error, "episodes": float(len(gain))}
    line = f"{scores[1].mean():.1f} steps left at the end, parent {scores[0].mean():.1f}, same {len(gain)} trials"
    return Decision(promoted=bool(gain.mean() > margin * error), reason=line, measured=measured)


def record_decision(adapter: Adapter, decision: Decision) -> None:
    """Write the gate's decision into the adapter's lineage."""
    lineage: dict[str, Any] = {
        **adapter.lineage,
        "promotion": {"promoted": decision.promoted, "reason": decision.reason, "measured": decision.measured},
    }
    temporary = adapter.folder / f"{LINEAGE}.tmp"
    temporary.write_text(json.dumps(lineage, indent=2) + "\n", encoding="utf-8")
    os.replace(temporary, adapter.folder / LINEAGE)  # noqa: PTH105 - replace, whatever is there
