"""Switches between an adapter and the base, by which domain the cameras show.

An adapter that carries a domain transform acts in the deployment that the transform was measured in. When the camera or the
arm is put back, the base acts alone, as before. An image cannot show a changed actuator model: if nothing else differs, the
adapter always acts.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from a2g_cli.calibration.base_pose import POSITION
from a2g_cli.calibration.nominal import NominalDomain
from a2g_cli.calibration.transform import DomainTransform
from a2g_cli.core.types import Observation
from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.models.autoencoder import to_tensor
from a2g_cli.policies.base import Plan, PlanRequest, Policy, plan_each
from a2g_cli.policies.image_size import resized


class DomainDetector:
    """Tells from an observation whether a domain transform holds, or the robot is in the training domain."""

    def __init__(self, model: Act2Goal, nominal: NominalDomain, transform: DomainTransform) -> None:
        self._model, self._nominal, self._transform = model, nominal, transform

    @property
    def visible(self) -> bool:
        """Whether an image can show the difference."""
        warped = bool(self._transform.camera_warps) and len(self._nominal.backgrounds) > 0
        return warped or (self._transform.base_pose is not None and self._nominal.tool_keypoint is not None)

    @torch.no_grad()
    def evidence(self, observation: Observation) -> float:
        """Return how much better the transform explains ``observation`` than the training domain does.

        Positive for the transform. For each part, the difference of the two errors, relative to the smaller one.
        """
        config = self._model.config
        images = {
            camera: torch.from_numpy(np.ascontiguousarray(resized(observation.images[camera], config.size)))
            for camera in config.cameras
        }
        warped = {camera: self._transform.frames(camera, image[None])[0] for camera, image in images.items()}
        total = 0.0
        if self._transform.camera_warps:
            errors = [self._background_error(seen) for seen in (images, warped)]
            total += (errors[0] - errors[1]) / max(min(errors), 1e-3)
        if self._transform.base_pose is not None and self._nominal.tool_keypoint is not None:
            latents = self._model.autoencoder.encode(to_tensor(torch.stack(list(warped.values()))))
            seen_at = self._nominal.tool_keypoint(latents[None])[0]
            names = list(config.proprioception_names)
            measured = torch.from_numpy(np.asarray(observation.proprioception, np.float32))
            position = measured[[names.index(name) for name in POSITION]]
            unmoved = (seen_at - position).norm()
            moved = (seen_at - self._transform.base_pose.to_nominal(position)).norm()
            total += float((unmoved - moved) / torch.minimum(unmoved, moved).clamp(min=5e-3))
        return total

    def _background_error(self, images: dict[str, Tensor]) -> float:
        """Return the mean error of a pixel between images (H, W, 3) and the most similar background, 0 to 1."""
        seen = torch.stack(list(images.values())).float()
        errors = (self._nominal.backgrounds.float() - seen).abs().mean(dim=-1) / 255  # (G, V, H, W)
        return float(errors.flatten(1).mean(dim=1).min())


class DomainSwitchPolicy(Policy):
    """Two policies; at every plan the evidence of the whole episode so far chooses between them."""

    def __init__(self, transformed: Policy, base: Policy, detector: DomainDetector) -> None:
        self._transformed, self._base, self._detector = transformed, base, detector
        self._evidence: dict[int, float] = {}

    @property
    def name(self) -> str:
        """Name of the policies; both have the same."""
        return self._transformed.name

    def start_episode(self, seed: int, slot: int) -> dict[str, Any]:
        """Start the episode of both policies."""
        self._evidence.pop(seed, None)
        return self._base.start_episode(seed, slot) | self._transformed.start_episode(seed, slot)

    def end_episode(self, seed: int) -> None:
        """Forget the episode's evidence."""
        self._evidence.pop(seed, None)
        self._base.end_episode(seed)
        self._transformed.end_episode(seed)

    def plan(self, requests: Sequence[PlanRequest]) -> list[Plan]:
        """Answer several requests at once, in order."""
        return plan_each([self._choose(request) for request in requests], requests)

    def _choose(self, request: PlanRequest) -> Policy:
        before = self._evidence.get(request.seed, 0.0) if request.index else 0.0
        self._evidence[request.seed] = before + self._detector.evidence(request.observation)
        return self._transformed if self._evidence[request.seed] >= 0 else self._base
