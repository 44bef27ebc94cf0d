"""How near to its goal an episode ended, seen by networks that adapting never changes: steps-to-go, distance in latents."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from a2g_cli.episode import Goal, Image
from a2g_cli.policy.act2goal import Act2Goal
from a2g_cli.policy.autoencoder import to_tensor


@dataclass(frozen=True)
class Arrival:
    """How near a frame is to a goal."""

    steps_to_go: float
    """As the base's own head sees it [steps]."""
    distance: float
    """Root mean square between the latents of frame and goal, as a share of that between the first frame and the goal."""


@torch.no_grad()
def arrival(model: Act2Goal, first: Mapping[str, Image], last: Mapping[str, Image], goal: Goal) -> Arrival:
    """Return how near ``last`` is to ``goal``, where an episode began with ``first``; all are camera -> picture."""
    views = [np.stack([images[camera] for camera in model.config.cameras]) for images in (first, last, goal.images)]
    latents = model.encode(to_tensor(torch.from_numpy(np.stack(views))))
    start, end, wanted = latents[0], latents[1], latents[2]
    left = model.steps_to_go.steps(end[None], wanted[None])
    away = float((start - wanted).square().mean().sqrt())
    distance = float((end - wanted).square().mean().sqrt())
    return Arrival(float(left), distance / away if away else float(distance > 0))
