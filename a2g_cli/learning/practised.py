"""What was practised, as the learner sees it: latents, and how near to its goal each episode ended, without any reward."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch

from a2g_cli.learning.latents import encode_frames, encode_recording, named
from a2g_cli.learning.segments import Segments
from a2g_cli.policy.act2goal import Act2Goal
from a2g_cli.recording.reader import Recording

Keep = Literal["arrived", "all", "failed"]


SLACK = 2.0
"""An episode arrived when, at its nearest frame, fewer than this many times the base's own ``arrived_below`` are left. An arm
that was moved comes to rest a little beside where the goal photo shows it: the bound for stopping would be too strict."""


@dataclass(frozen=True)
class Practised:
    """One recording, up to the frame that came nearest to its goal: what followed only led away from it."""

    path: Path
    name: str
    """Session, file and the beginning of its hash: what a lineage says."""
    segments: Segments
    steps_left: float
    """Steps-to-go between the nearest frame and the goal, by the base's own, never adapted head [steps]."""


@torch.no_grad()
def read(model: Act2Goal, path: Path) -> Practised:
    """Return a recording as practice. Raises RecordingError."""
    segments = encode_recording(model, path)
    with Recording(path) as recording:
        views = [recording.goal.images[camera] for camera in model.config.cameras]
    goal = torch.stack([encode_frames(model, view[None])[0] for view in views]).float()
    frames = segments.latents.float()
    left = model.steps_to_go.steps(frames, goal.expand_as(frames))
    # From frame 1 on: a segment needs an action.
    nearest = 1 + int(left[1:].argmin())
    return Practised(path, named(path), replace(segments, length=torch.tensor([nearest])), float(left[nearest]))


def select(practised: Sequence[Practised], keep: Keep, arrived_below: float) -> list[Practised]:
    """Return what is learned from: episodes that arrived, all, or, for experiments, those that failed.

    Args:
        practised: in any order; it is kept.
        keep: which.
        arrived_below: an episode arrived when fewer steps than this are left at its nearest frame [steps].
    """
    if keep == "all":
        return list(practised)
    return [one for one in practised if (one.steps_left < arrived_below) == (keep == "arrived")]
