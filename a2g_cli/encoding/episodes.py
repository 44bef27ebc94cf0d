"""Encodes episodes of practice, and measures how near each came to its goal by steps-to-go, without a reward.

An episode that replayed a demonstrator's trajectory had no goal: its last frame is its goal.
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


SAMPLE = 16
"""Number of frames of an episode that are kept as images."""


REPLAYED = "movement"
"""Key in a recording's settings: the number of the trajectory that it replayed. Recordings keep the name of version 0.1."""

ReplayLabels = Callable[[object, Segments, Tensor], Segments]
"""(value of ``REPLAYED``, segments, measured values (T + 1, P)) -> segments to learn from."""


def as_recorded(which: object, segments: Segments, measured: Tensor) -> Segments:  # noqa: ARG001
    """Leave the actions of a replayed trajectory as they were recorded."""
    return segments


@dataclass(frozen=True)
class EncodedEpisode:
    """One encoded recording."""

    path: Path
    name: str
    """Its name in a lineage: session, file and the beginning of its hash."""
    segments: Segments
    """Up to the frame nearest to the goal: the actions after it lead away from the goal."""
    whole: Segments
    """The whole episode."""
    goal: Tensor
    """(V, C, h, w): latents of the goal; of the last frame, where a trajectory was replayed."""
    steps_left: float
    """Steps-to-go at the nearest frame, by the base's head, which is never adapted [steps]."""
    robot: str
    """The robot's name, e.g. ``"sim:place"``."""
    sample: Tensor
    """(n, V, H, W, 3) uint8: frames spread over the episode, as recorded."""
    replayed: bool = False
    """Whether it replayed a trajectory: its actions do not depend on its images."""
    judgement: bool | None = None
    """Whether it reached its goal; None: the judge does not know. Only if ``judge`` is not ``"policy"``."""
    judge: str = "policy"
    """Who decides whether it reached its goal: ``"policy"`` (``steps_left``), ``"photo"``, ``"person"`` or ``"truth"``."""

    def reached(self, bound: float) -> bool | None:
        """Return whether the episode reached its goal; None if its judge does not know.

        Args:
            bound: by the policy's estimate it did if fewer steps than this are left at its nearest frame [steps].
        """
        return self.steps_left < bound if self.judge == "policy" else self.judgement

    def judged(self, judge: str, judgement: bool | None) -> "EncodedEpisode":
        """Return the episode with the judgement of another judge. It still ends at the frame nearest to the goal.

        That frame shows the arm where the photo shows it; the frame that matches the photo first shows the arm at work.
        """
        return replace(self, judge=judge, judgement=judgement)


@torch.no_grad()
def encode_episode(
    model: Act2Goal, path: Path, transform: EpisodeTransform = UNCHANGED, relabel: ReplayLabels = as_recorded
) -> EncodedEpisode:
    """Return a recording, mapped to the training domain by ``transform``, except for its sample.

    ``relabel`` gives the actions to learn from a replayed trajectory (``demo_replay/labels.py``).

    Raises:
        RecordingError: it is damaged.
    """
    segments, size = encode_recording(model, path, transform), model.config.size
    with Recording(path) as recording:
        robot = recording.spec.name
        replayed, measured = recording.provenance.settings.get(REPLAYED), torch.from_numpy(recording.proprioception)
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
    if replayed is not None:
        segments = relabel(replayed, segments, measured)
        return EncodedEpisode(
            path, recording_name(path), segments, segments, latents[-1], 0.0, robot, sample, replayed=True
        )
    left = model.steps_to_go.steps(latents, goal.expand_as(latents))
    # Not frame 0: a segment needs an action.
    nearest = 1 + int(left[1:].argmin())
    cut = replace(segments, length=torch.tensor([nearest]))
    return EncodedEpisode(path, recording_name(path), cut, segments, goal, float(left[nearest]), robot, sample)


def sampled_frames(length: int) -> Tensor:
    """Return the indices of the frames in an episode's sample: up to ``SAMPLE``, evenly from the first to the last."""
    return torch.linspace(0, length, min(SAMPLE, length + 1)).round().long()


def select(encoded: Sequence[EncodedEpisode], keep: Keep, arrived_below: float) -> list[EncodedEpisode]:
    """Return the episodes to learn from, in the same order.

    Args:
        encoded: all episodes.
        keep: those that reached their goal (``reached``), all, or, for experiments, those that did not (``failed``).
        arrived_below: an episode reached its goal when fewer steps than this are left at its nearest frame [steps].
    """
    if keep == "all":
        return list(encoded)
    return [episode for episode in encoded if episode.reached(arrived_below) is (keep == "reached")]


def split(recordings: Sequence[str], share: float, always: bool = False) -> tuple[list[int], list[int]]:
    """Return (training, held-out) episode numbers; if all would be held out, none is.

    A recording's hash, the last word of its name, decides. So a held-out episode stays held out in every later round, and
    no adapter is trained on an episode that a later one is tested on.

    Args:
        recordings: their names.
        share: of the episodes that is held out.
        always: hold out the episode with the least hash if the share is none or all of them; a single one is never held out.
    """
    numbers = [int.from_bytes(hashlib.sha256(name.split()[-1].encode()).digest()[:4]) for name in recordings]
    held = [i for i, number in enumerate(numbers) if number < share * 2**32]
    if len(held) == len(recordings):
        held = []
    if always and not held and len(recordings) > 1:
        held = [numbers.index(min(numbers))]
    return [i for i in range(len(recordings)) if i not in held], held
