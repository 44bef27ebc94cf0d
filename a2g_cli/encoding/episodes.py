"""What was practised, as the learner sees it: latents, and how near to its goal each episode ended, without any reward.

What was done with closed eyes had no goal: where it led is what it was for.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from a2g_cli.data.recording.reader import Recording
from a2g_cli.encoding.frames import UNCHANGED, EpisodeTransform, encode_frames, encode_recording, recording_name
from a2g_cli.encoding.resizing import read_frames
from a2g_cli.encoding.segments import Segments
from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.policies.image_size import resized

Keep = Literal["reached", "all", "failed"]


SLACK = 2.0
"""An episode arrived when, at its nearest frame, fewer than this many times the base's own ``arrived_below`` are left. An arm
that was moved comes to rest a little beside where the goal photo shows it: the bound for stopping would be too strict."""
SAMPLE = 16
"""Frames of an episode that are kept as pictures."""


REPLAYED = "movement"
"""In the settings of a recording: which of the base's trajectories it replayed."""

ReplayLabels = Callable[[object, Segments, Tensor], Segments]
"""(what ``REPLAYED`` says, segments, measured (T + 1, P)) -> the segments that are learned from."""


def as_recorded(which: object, segments: Segments, measured: Tensor) -> Segments:  # noqa: ARG001
    """Leave the actions of a replayed trajectory as they were recorded."""
    return segments


@dataclass(frozen=True)
class EncodedEpisode:
    """One recording, up to the frame that came nearest to its goal: what followed only led away from it."""

    path: Path
    name: str
    """Session, file and the beginning of its hash: what a lineage says."""
    segments: Segments
    whole: Segments
    """All of it."""
    goal: Tensor
    """(V, C, h, w): latents of what was asked for; of the last frame, where a remembered movement was made."""
    limits: tuple[tuple[float, ...], tuple[float, ...]]
    """Of the actions: least and most, in the robot's units."""
    steps_left: float
    """Steps-to-go between the nearest frame and the goal, by the base's own, never adapted head [steps]."""
    robot: str
    """Who it was, e.g. ``"sim:place"``."""
    sample: Tensor
    """(n, V, H, W, 3) uint8: frames spread over the episode, as they were taken."""
    rehearsed: bool = False
    """Whether it followed a remembered movement: what it achieved it did not see, and could not aim at."""


@torch.no_grad()
def encode_episode(
    model: Act2Goal, path: Path, transform: EpisodeTransform = UNCHANGED, relabel: ReplayLabels = as_recorded
) -> EncodedEpisode:
    """Return a recording as practice, brought to the training domain by ``transform``, but for its sample.

    ``relabel`` gives the actions that are learned from a replayed trajectory (``demo_replay/labels.py``).

    Raises:
        RecordingError: it is damaged.
    """
    segments, size = encode_recording(model, path, transform), model.config.size
    with Recording(path) as recording:
        limits, robot = (recording.spec.action_low, recording.spec.action_high), recording.spec.name
        followed, measured = recording.provenance.settings.get(REPLAYED), torch.from_numpy(recording.proprioception)
        views = [
            transform.frames(camera, torch.from_numpy(resized(recording.goal.images[camera], size))[None]).numpy()
            for camera in model.config.cameras
        ]
        rows = sampled_frames(recording.length).tolist()
        sample = torch.stack(
            [torch.from_numpy(read_frames(recording, camera, size, rows)) for camera in model.config.cameras], 1
        )
    goal = torch.stack([encode_frames(model, view)[0] for view in views]).float()
    latents = segments.latents.float()
    if followed is not None:
        segments = relabel(followed, segments, measured)
        return EncodedEpisode(
            path, recording_name(path), segments, segments, latents[-1], limits, 0.0, robot, sample, rehearsed=True
        )
    left = model.steps_to_go.steps(latents, goal.expand_as(latents))
    # From frame 1 on: a segment needs an action.
    nearest = 1 + int(left[1:].argmin())
    cut = replace(segments, length=torch.tensor([nearest]))
    return EncodedEpisode(path, recording_name(path), cut, segments, goal, limits, float(left[nearest]), robot, sample)


def sampled_frames(length: int) -> Tensor:
    """Return which frames of an episode of ``length`` steps its sample has: up to ``SAMPLE``, from first to last."""
    return torch.linspace(0, length, min(SAMPLE, length + 1)).round().long()


def select(encoded: Sequence[EncodedEpisode], keep: Keep, arrived_below: float) -> list[EncodedEpisode]:
    """Return what is learned from: episodes that reached their goal, all, or, for experiments, those that failed.

    Args:
        practised: in any order; it is kept.
        keep: which.
        arrived_below: an episode arrived when fewer steps than this are left at its nearest frame [steps].
    """
    if keep == "all":
        return list(encoded)
    return [one for one in encoded if (one.steps_left < arrived_below) == (keep == "reached")]


def split(recordings: Sequence[str], share: float) -> tuple[list[int], list[int]]:
    """Return (training, held-out) episode numbers.

    Decided by each recording's own hash, the last word of its name: what was once held out stays so in every later
    round, and no parent was ever trained on what its child is judged by. All train where all would be held out.
    """
    held = [
        i
        for i, name in enumerate(recordings)
        if int.from_bytes(hashlib.sha256(name.split()[-1].encode()).digest()[:4]) < share * 2**32
    ]
    if len(held) == len(recordings):
        held = []
    return [i for i in range(len(recordings)) if i not in held], held
