"""Here or at home: an adapter that carries a calibration acts where that holds, and the base alone where all is as at home.

Whoever puts the camera back, or the arm, finds a robot that acts as it did before. What a picture cannot tell, weak motors
alone, is not guessed at: there the adapter always acts.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from a2g_cli.calibration.nominal import PLACES, NominalDomain
from a2g_cli.calibration.transform import DomainTransform
from a2g_cli.core.types import Observation
from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.models.autoencoder import to_tensor
from a2g_cli.policies.base import Plan, PlanRequest, Policy
from a2g_cli.policies.image_size import resized


class DomainDetector:
    """Judges from what is seen whether a calibration holds, or home does."""

    def __init__(self, model: Act2Goal, home: NominalDomain, calibration: DomainTransform) -> None:
        self._model, self._home, self._calibration = model, home, calibration

    @property
    def visible(self) -> bool:
        """Whether a picture can tell."""
        views = bool(self._calibration.views) and len(self._home.pictures) > 0
        return views or (self._calibration.base_pose is not None and self._home.reader is not None)

    @torch.no_grad()
    def evidence(self, observation: Observation) -> float:
        """Return how much more what is seen is like here than like home: above 0 for here, in units of its own error."""
        config = self._model.config
        views = {
            camera: torch.from_numpy(np.ascontiguousarray(resized(observation.images[camera], config.size)))
            for camera in config.cameras
        }
        total = 0.0
        if self._calibration.views:
            brought = {camera: self._calibration.frames(camera, view[None])[0] for camera, view in views.items()}
            errors = [self._unlike(seen) for seen in (views, brought)]
            total += (errors[0] - errors[1]) / max(min(errors), 1e-3)
        if self._calibration.base_pose is not None and self._home.reader is not None:
            frames = torch.stack([self._calibration.frames(camera, view[None])[0] for camera, view in views.items()])
            seen = self._home.reader(self._model.autoencoder.encode(to_tensor(frames))[None])[0]
            names = list(config.proprioception_names)
            measured = torch.from_numpy(np.asarray(observation.proprioception, np.float32))
            place = measured[[names.index(name) for name in PLACES]]
            as_is, moved = ((seen - one).norm() for one in (place, self._calibration.base_pose.to_nominal(place)))
            total += float((as_is - moved) / torch.minimum(as_is, moved).clamp(min=5e-3))
        return total

    def _unlike(self, seen: dict[str, Tensor]) -> float:
        """Return how unlike the empty scene at home pictures (H, W, 3) are: the mean error of a pixel, 0 to 1.

        Of the homes that the base has, the one that is most alike.
        """
        here = torch.stack(list(seen.values())).float()
        errors = (self._home.pictures.float() - here).abs().mean(dim=-1) / 255  # (G, V, H, W)
        return float(errors.flatten(1).mean(dim=1).min())


class DomainSwitchPolicy:
    """Two policies, of which what is seen in an episode chooses at every plan, with all that it has seen before."""

    def __init__(self, here: Policy, home: Policy, detector: DomainDetector) -> None:
        self._here, self._home, self._detector = here, home, detector
        self._evidence: dict[int, float] = {}

    @property
    def name(self) -> str:
        """Of the policies: both are called the same."""
        return self._here.name

    def plan(self, requests: Sequence[PlanRequest]) -> list[Plan]:
        """Answer several requests at once, in order."""
        chosen = [self._chosen(request) for request in requests]
        plans: dict[int, Plan] = {}
        for policy in (self._here, self._home):
            mine = [i for i, one in enumerate(chosen) if one is policy]
            plans |= zip(mine, policy.plan([requests[i] for i in mine]), strict=True) if mine else {}
        return [plans[i] for i in range(len(requests))]

    def _chosen(self, request: PlanRequest) -> Policy:
        before = self._evidence.get(request.seed, 0.0) if request.index else 0.0
        self._evidence[request.seed] = before + self._detector.evidence(request.observation)
        return self._here if self._evidence[request.seed] >= 0 else self._home
