"""What was practised, as the learner sees it: latents, and how near to its goal each episode ended, without any reward."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from a2g_cli.errors import CheckpointError
from a2g_cli.learning.latents import encode_frames, encode_recording, named
from a2g_cli.learning.lessons import Correction
from a2g_cli.learning.motion import MotionLaw, columns, measure
from a2g_cli.learning.segments import Segments, join
from a2g_cli.policy import checkpoint
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
    whole: Segments
    """All of it."""
    goal: Tensor
    """(V, C, h, w): latents of what was asked for."""
    limits: tuple[tuple[float, ...], tuple[float, ...]]
    """Of the actions: least and most, in the robot's units."""
    steps_left: float
    """Steps-to-go between the nearest frame and the goal, by the base's own, never adapted head [steps]."""


@torch.no_grad()
def read(model: Act2Goal, path: Path) -> Practised:
    """Return a recording as practice. Raises RecordingError."""
    segments = encode_recording(model, path)
    with Recording(path) as recording:
        limits = recording.spec.action_low, recording.spec.action_high
        views = [recording.goal.images[camera] for camera in model.config.cameras]
    goal = torch.stack([encode_frames(model, view[None])[0] for view in views]).float()
    frames = segments.latents.float()
    left = model.steps_to_go.steps(frames, goal.expand_as(frames))
    # From frame 1 on: a segment needs an action.
    nearest = 1 + int(left[1:].argmin())
    cut = replace(segments, length=torch.tensor([nearest]))
    return Practised(path, named(path), cut, segments, goal, limits, float(left[nearest]))


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


def home_law(folder: Path) -> MotionLaw | None:
    """Return the motion law of a base's demonstrations; None where it has none. Raises CheckpointError for a damaged one."""
    told = checkpoint.read_config(folder)[1].get("motion_law")
    try:
        return None if told is None else MotionLaw.from_json(told)
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{folder / 'config.json'} has a damaged motion law: {error}.") from error


def correct(
    practised: Sequence[Practised], base: Act2Goal, home: MotionLaw | None, keep: Keep, least_apart: float
) -> Correction | None:
    """Return the lesson that makes up for what the motors do otherwise than at home; None where they do the same.

    Args:
        practised: any episodes, successful or not.
        base: without any adapter.
        home: the law of the base's demonstrations, where its checkpoint says.
        keep: who asks for another choice than the default asks for imitation.
        least_apart: relative distance from which on laws are others; 0 for never.
    """
    if home is None or not practised or least_apart <= 0 or keep != "arrived":
        return None
    segments = join([one.whole for one in practised])
    config = base.config
    here = measure(segments, config.action_names, config.proprioception_names)
    if here is None or here.names != home.names:
        return None
    acting, _ = columns(here.names, config.action_names, config.proprioception_names)
    if here.apart(home, segments.actions[:, acting]) < least_apart:
        return None
    low, high = (torch.tensor(limit) for limit in practised[0].limits)
    return Correction(segments, torch.stack([one.goal for one in practised]), base, home, here, low, high)
