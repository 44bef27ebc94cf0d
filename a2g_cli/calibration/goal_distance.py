"""How near to its goal an episode ended, seen by networks that adapting never changes: steps-to-go, distance in latents.

Those networks know pictures as they are at home. Where whoever acts looks through a measured view, so does who looks on: a
view is registered to the empty scene, never trained towards a success, so no yardstick learns to please.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from a2g_cli.calibration.domain_switch import DomainDetector
from a2g_cli.calibration.transform import IDENTITY, DomainTransform
from a2g_cli.core.types import Goal, Image, Observation
from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.models.autoencoder import to_tensor
from a2g_cli.policies.image_size import resized_images


@dataclass(frozen=True)
class GoalDistance:
    """How near a frame is to a goal."""

    steps_to_go: float
    """As the base's own head sees it [steps]."""
    distance: float
    """Root mean square between the latents of frame and goal, as a share of that between the first frame and the goal."""


@dataclass(frozen=True)
class GoalScorer:
    """Who sees how near to its goal an episode ended."""

    model: Act2Goal
    """The base: its heads judge, whoever acts."""
    calibration: DomainTransform = IDENTITY
    """Of whoever acts."""
    detector: DomainDetector | None = None
    """Tells from what was seen whether the calibration holds; None: it does."""

    def arrival(self, first: Observation, last: Observation, goal: Goal) -> GoalDistance:
        """Return how near ``last`` is to ``goal``, where an episode began with ``first``."""
        seen = self.calibration
        if self.detector is not None and sum(map(self.detector.evidence, (first, last))) < 0:
            seen = IDENTITY
        return goal_distance(self.model, first.images, last.images, goal, seen)


@torch.no_grad()
def goal_distance(
    model: Act2Goal,
    first: Mapping[str, Image],
    last: Mapping[str, Image],
    goal: Goal,
    calibration: DomainTransform = IDENTITY,
) -> GoalDistance:
    """Return how near ``last`` is to ``goal``, where an episode began with ``first``; all are camera -> picture.

    ``calibration`` says through which views they are looked at, at the size that the base was trained at.
    """
    size = model.config.size
    seen = [calibration.pictures(resized_images(images, size)) for images in (first, last, goal.images)]
    views = [np.stack([images[camera] for camera in model.config.cameras]) for images in seen]
    latents = model.encode(to_tensor(torch.from_numpy(np.stack(views))))
    start, end, wanted = latents[0], latents[1], latents[2]
    left = model.steps_to_go.steps(end[None], wanted[None])
    away = float((start - wanted).square().mean().sqrt())
    distance = float((end - wanted).square().mean().sqrt())
    return GoalDistance(float(left), distance / away if away else float(distance > 0))
