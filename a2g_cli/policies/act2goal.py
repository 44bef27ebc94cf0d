"""Act2Goal as a policy: encodes images, runs the networks once for all requests, returns chunks of actions."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from a2g_cli.core.errors import UsageError
from a2g_cli.core.types import Goal, Image
from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.models.autoencoder import to_images, to_tensor
from a2g_cli.policies.acting import KEPT_STEPS, N_ACTION_STEPS, ActingSettings, is_kept
from a2g_cli.policies.base import Imagination, Plan, PlanRequest, Policy
from a2g_cli.policies.image_size import resized_images


class Act2GoalPolicy(Policy):
    """Plans with a frozen ``Act2Goal``; each goal is encoded once.

    Raises:
        UsageError: a plan has fewer dense actions than ``execute`` and ``ahead`` need.
    """

    name = "act2goal"

    def __init__(self, model: Act2Goal, settings: ActingSettings | None = None) -> None:
        self.model = model.eval()
        self.settings = settings or ActingSettings()
        dense = model.config.hashing.proximal
        self._execute = (
            min(N_ACTION_STEPS, dense) if self.settings.n_action_steps is None else self.settings.n_action_steps
        )
        if self._execute > dense:
            raise UsageError(f"{self._execute} actions cannot be executed: a plan of this base has {dense}.")
        ahead = self.settings.replan_lead
        if not 0 <= ahead <= self._execute or int(ahead) + self._execute > dense:
            raise UsageError(
                f"a plan cannot be requested {ahead:g} control periods ahead: it has {dense} actions, and {self._execute} of "
                f"them are executed; expected 0 to {min(self._execute, dense - self._execute)}, or a fraction more."
            )
        self._goals: dict[str, Tensor] = {}

    def plan(self, requests: Sequence[PlanRequest]) -> list[Plan]:
        """Answer all requests in one pass through the networks."""
        with _threads(self.settings.threads):
            return self._plan(requests)

    def _plan(self, requests: Sequence[PlanRequest]) -> list[Plan]:
        model, settings = self.model, self.settings
        now = model.encode(_stack(model, [request.observation.images for request in requests]))
        goal = torch.stack([self._goal(request.goal) for request in requests])
        proprioception = torch.from_numpy(np.stack([request.observation.proprioception for request in requests]))
        noises = [self._noise(request) for request in requests]
        plan_noise = torch.stack([noise[0] for noise in noises])
        action_noise = settings.temperature * torch.stack([noise[1] for noise in noises])
        if settings.persistent_noise:
            shifts = torch.stack([self._episode_noise(request.seed) for request in requests])
            action_noise = action_noise + settings.persistent_noise * shifts
        chunks = model.act(now, goal, proprioception.float(), plan_noise, action_noise, settings.denoising_steps)
        with torch.no_grad():
            left = model.steps_to_go.steps(now, goal)
        imagined: list[dict[str, list[Image]]] = [{} for _ in requests]
        if settings.imagine_steps and model.config.imagines:
            latents = model.imagine(now, goal, plan_noise, settings.imagine_steps)
            imagined = [self._decoded(frames) for frames in latents]
        return [
            Plan(
                dense[: self._execute],
                float(steps),
                frames,
                self.settings.replan_lead,
                tail=dense[self._execute :],
                imagination=self._imagination(i, requests[i], frames, now, goal, plan_noise, float(steps)),
            )
            for i, (dense, steps, frames) in enumerate(zip(self._dense(requests, chunks), left, imagined, strict=True))
        ]

    def _imagination(
        self,
        row: int,
        request: PlanRequest,
        shown: Mapping[str, list[Image]],
        now: Tensor,
        goal: Tensor,
        noise: Tensor,
        steps_to_go: float,
    ) -> Imagination | None:
        """Return what plan ``row`` of a batch imagines, if it is to be kept. ``shown``: its frames, where they exist."""
        config, camera = self.model.config, self.model.config.cameras[0]
        if not config.imagines or not is_kept(request.index, self.settings.keep_imagined):
            return None
        hashing = config.hashing
        near = list(range(hashing.stride, hashing.proximal + 1, hashing.stride))
        left = torch.tensor([max(hashing.proximal, round(steps_to_go))])
        offsets = [*near, *hashing.distal_offsets(left)[0].tolist()]
        # Copies: the rows are views, which would keep the whole batch.
        of_now, of_goal, of_noise = (latents[row : row + 1].clone() for latents in (now, goal, noise))

        def frames() -> list[Image]:
            if shown:
                return shown[camera]
            with _threads(self.settings.threads):
                return self._decoded(self.model.imagine(of_now, of_goal, of_noise, KEPT_STEPS)[0])[camera]

        return Imagination(camera, offsets, len(near), frames)

    def _dense(self, requests: Sequence[PlanRequest], chunks: Tensor) -> Iterator[NDArray[np.float32]]:
        """Yield for each request the dense actions (n, A) from the time at which its plan begins."""
        for request, chunk in zip(requests, chunks, strict=True):
            yield chunk[int(request.ahead) : self.model.config.hashing.proximal].numpy().astype(np.float32)

    def _goal(self, goal: Goal) -> Tensor:
        key = goal.fingerprint
        if key not in self._goals:
            self._goals[key] = encode_goal(self.model, goal)
        return self._goals[key]

    def _noise(self, request: PlanRequest) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed((request.seed * 1_000_003 + request.index) % (2**63))
        config = self.model.config
        frames = torch.randn(config.frames, *self.model.frame_shape, generator=generator)
        actions = torch.randn(config.hashing.actions, len(config.action_names), generator=generator)
        return frames, actions

    def _episode_noise(self, seed: int) -> Tensor:
        """Return the part of the action noise that an episode keeps (1, A)."""
        generator = torch.Generator().manual_seed((seed * 1_000_003 + 500_009) % (2**63))
        return torch.randn(1, len(self.model.config.action_names), generator=generator)

    def _decoded(self, frames: Tensor) -> dict[str, list[Image]]:
        """Return camera -> images of imagined latents (F, V, C, h, w)."""
        with torch.no_grad():
            images = to_images(self.model.autoencoder.decode(frames.flatten(0, 1))).unflatten(0, frames.shape[:2])
        return {camera: list(images[:, i].numpy()) for i, camera in enumerate(self.model.config.cameras)}


_lock = threading.Lock()
_inside = 0
_usual = 1


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Let torch use ``count`` CPU threads in this thread; what it used before comes back, whichever thread ends last."""
    global _inside, _usual  # noqa: PLW0603 - torch's setting is the process's as well
    with _lock:
        if not _inside:
            _usual = torch.get_num_threads()
        _inside += 1
        torch.set_num_threads(count)
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            torch.set_num_threads(_usual)


def encode_goal(model: Act2Goal, goal: Goal) -> Tensor:
    """Return the latents (V, C, h, w) of a goal's photo, cropped and resized to the size that the base was trained at."""
    return model.encode(_stack(model, [resized_images(goal.images, model.config.size)]))[0]


def _stack(model: Act2Goal, images: Sequence[Mapping[str, Image]]) -> Tensor:
    """Return (B, V, 3, H, W) in [-1, 1] of per-camera images."""
    views = [np.stack([view[camera] for camera in model.config.cameras]) for view in images]
    return to_tensor(torch.from_numpy(np.stack(views)))
