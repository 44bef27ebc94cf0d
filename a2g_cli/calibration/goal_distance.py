"""How near to its goal an episode ended, by networks that adaptation never changes: steps-to-go, and distance in latents.

Those networks know images of the training domain. If the policy sees through camera warps, so does this judge. A warp is
registered to the background and never trained towards success, so no adapter can learn to please the judge.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from a2g_cli.calibration.domain_switch import DomainDetector
from a2g_cli.calibration.transform import IDENTITY, DomainTransform
from a2g_cli.core.types import Goal, GoalDistance, Image, Observation
from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.models.autoencoder import to_tensor
from a2g_cli.policies.image_size import resized_images


@dataclass(frozen=True)
class GoalScorer:
    """Measures how near to its goal an episode ended."""

    model: Act2Goal
    """The base: its heads judge, whichever policy acts."""
    transform: DomainTransform = IDENTITY
    """Of the policy that acts."""
    detector: DomainDetector | None = None
    """Tells from the observations whether the transform holds; None: it does."""

    def score(self, first: Observation, last: Observation, goal: Goal) -> GoalDistance:
        """Return how near ``last`` is to ``goal``, for an episode that began with ``first``."""
        transform = self.transform
        if self.detector is not None and sum(map(self.detector.evidence, (first, last))) < 0:
            transform = IDENTITY
        return goal_distance(self.model, first.images, last.images, goal, transform)


@torch.no_grad()
def goal_distance(
    model: Act2Goal,
    first: Mapping[str, Image],
    last: Mapping[str, Image],
    goal: Goal,
    transform: DomainTransform = IDENTITY,
) -> GoalDistance:
    """Return how near ``last`` is to ``goal``, for an episode that began with ``first``; both are camera -> image.

    Images are resized to the base's size and warped by ``transform``.
    """
    size = model.config.size
    views = [transform.images(resized_images(images, size)) for images in (first, last, goal.images)]
    stacked = [np.stack([images[camera] for camera in model.config.cameras]) for images in views]
    start, end, target = model.encode(to_tensor(torch.from_numpy(np.stack(stacked))))
    steps_to_go = model.steps_to_go.steps(end[None], target[None])
    initial = float((start - target).square().mean().sqrt())
    final = float((end - target).square().mean().sqrt())
    return GoalDistance(float(steps_to_go), final / initial if initial else float(final > 0))
