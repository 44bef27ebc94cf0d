"""Act2Goal (arXiv 2512.23541): encoder, planner (the world model), action expert and steps-to-go head in one module.

To act, the planner runs once per plan with pure noise as future frames; its keys and values are kept, and only the
actions are denoised. ``imagine`` makes the frames, for people to look at.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from a2g_cli.models import parts
from a2g_cli.models.act2goal.action_expert import ActionExpert
from a2g_cli.models.act2goal.planner import Planner
from a2g_cli.models.encoder import CELL, Encoder
from a2g_cli.models.flow import euler, interpolate, velocity
from a2g_cli.models.presets import Act2GoalConfig
from a2g_cli.models.steps_to_go import StepsToGo


class Act2Goal(nn.Module):
    """All networks, and their losses."""

    def __init__(self, config: Act2GoalConfig) -> None:
        super().__init__()
        self.config = config
        self.latent_size = (config.height // CELL, config.width // CELL)
        shape = config.latent_channels, config.autoencoder_width, config.encoder_settings
        self.autoencoder = parts.made("encoder", config.encoder, Encoder, *shape)
        self.world_model = parts.made("planner", config.planner, Planner, config, self.latent_size)
        self.expert = ActionExpert(config)
        self.steps_to_go = StepsToGo(config, self.latent_size)
        actions, states = len(config.action_names), len(config.proprioception_names)
        for name, length in (("action", actions), ("proprioception", states)):
            self.register_buffer(f"{name}_mean", torch.zeros(length))
            self.register_buffer(f"{name}_std", torch.ones(length))
        self.action_mean: Tensor
        self.action_std: Tensor
        self.proprioception_mean: Tensor
        self.proprioception_std: Tensor

    @property
    def frame_shape(self) -> tuple[int, int, int, int]:
        """Shape (V, C, h, w) of the latents of one time step."""
        return (len(self.config.cameras), self.config.latent_channels, *self.latent_size)

    def set_scales(self, actions: Tensor, proprioception: Tensor) -> None:
        """Set means and standard deviations from demonstrations: actions (N, A), proprioception (N, P)."""
        for name, values in (("action", actions), ("proprioception", proprioception)):
            getattr(self, f"{name}_mean").copy_(values.mean(0))
            getattr(self, f"{name}_std").copy_(values.std(0).clamp(min=1e-4))

    def normalise_actions(self, actions: Tensor) -> Tensor:
        """Return actions (..., A), standardised by those of the demonstrations."""
        return (actions - self.action_mean) / self.action_std

    def normalise_proprioception(self, proprioception: Tensor) -> Tensor:
        """Return proprioception (..., P), standardised by that of the demonstrations."""
        return (proprioception - self.proprioception_mean) / self.proprioception_std

    def sample_noise(self, size: int, video_share: float, draws: int) -> dict[str, Tensor]:
        """Draw the noise and flow times of one evaluation of the losses, from torch's global generator.

        They are drawn for a whole batch and sliced with it, so that a batch split over processes or steps has the same
        losses and gradients as a whole one.

        Args:
            size: B.
            video_share: share of the batch, its first samples, whose frames get a random flow time and the video loss;
                the others get pure noise, as in acting.
            draws: number of noises and times per sample for the action loss. The world model's pass is the most
                expensive part, so it is used several times. With regressed actions there is one draw.
        """
        config = self.config
        draws = draws if config.generative else 1
        time = torch.rand(size)
        shown = torch.arange(size) < (round(video_share * size) if config.imagines else 0)
        return {
            "frame_noise": torch.randn(size, config.frames, *self.frame_shape),
            "frame_time": torch.where(shown, time, torch.zeros(())),
            "shown": shown,
            "action_noise": torch.randn(size, draws, config.hashing.actions, len(config.action_names)),
            "action_time": torch.rand(size, draws),
        }

    def losses(self, batch: Mapping[str, Tensor], noise: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the losses of planner and actions on a batch of segments; deterministic, given its arguments.

        Args:
            batch: now, goal (B, V, C, h, w); frames (B, F, V, C, h, w); actions (B, n, A) and proprioception (B, P)
                in the robot's units; mask (B, n); optionally weight (B,).
            noise: from ``sample_noise``.

        Returns:
            ``video`` and ``action``, scalars; ``action_each`` (B,), detached.
        """
        now, goal, frames = batch["now"], batch["goal"], batch["frames"][:, : self.config.frames]
        frame_noise, time, shown = noise["frame_noise"], noise["frame_time"], noise["shown"]
        video, hidden = self.world_model.cost(now, goal, frames, frame_noise, time, shown)
        each = self._action_error(batch, noise, hidden)
        weight = batch.get("weight")
        action = each.mean() if weight is None else (each * weight).sum() / weight.sum().clamp(min=1e-6)
        return {"video": video, "action": action, "action_each": each.detach()}

    def _action_error(self, batch: Mapping[str, Tensor], noise: Mapping[str, Tensor], hidden: list[Tensor]) -> Tensor:
        """Return the masked mean squared error of the action velocity (B,)."""
        start, time = noise["action_noise"].flatten(0, 1), noise["action_time"].flatten()
        if not self.config.generative:
            # Regression: the velocity from 0 to the action is the action.
            start, time = torch.zeros_like(start), torch.zeros_like(time)
        draws = noise["action_time"].shape[1]
        actions = self.normalise_actions(batch["actions"]).repeat_interleave(draws, 0)
        state = self.normalise_proprioception(batch["proprioception"]).repeat_interleave(draws, 0)
        mask = batch["mask"].to(actions.dtype)
        # Masked actions are replaced by noise: the expert attends to them, and in acting it fills them itself.
        exists = batch["mask"].repeat_interleave(draws, 0).unsqueeze(-1)
        noisy = torch.where(exists, interpolate(start, actions, time), start)
        predicted = self.expert(noisy, time, state, self.expert.read(hidden))
        error = (predicted - velocity(start, actions)).square().mean(-1).unflatten(0, (-1, draws)).mean(1)
        return (error * mask).sum(-1) / mask.sum(-1).clamp(min=1)

    @torch.no_grad()
    def encode(self, images: Tensor) -> Tensor:
        """Return latents (B, V, C, h, w) of float images (B, V, 3, H, W) in [-1, 1]."""
        return self.autoencoder.encode(images.flatten(0, 1)).unflatten(0, images.shape[:2])

    @torch.no_grad()
    def act(
        self, now: Tensor, goal: Tensor, proprioception: Tensor, plan_noise: Tensor, action_noise: Tensor, steps: int
    ) -> Tensor:
        """Return the dense actions (B, P, A) of the plan, in the robot's units.

        Args:
            now: latents (B, V, C, h, w).
            goal: latents (B, V, C, h, w).
            proprioception: (B, P) in the robot's units.
            plan_noise: (B, F, V, C, h, w).
            action_noise: (B, n, A); zeros for the most likely chunk.
            steps: Euler steps over the actions.
        """
        _, hidden = self.world_model(now, goal, plan_noise, torch.zeros(now.shape[0], device=now.device))
        context = self.expert.read(hidden)
        state = self.normalise_proprioception(proprioception)
        if not self.config.generative:
            action_noise, steps = torch.zeros_like(action_noise), 1
        chunk = euler(lambda x, t: self.expert(x, t, state, context), action_noise, steps)
        return chunk[:, : self.config.hashing.proximal] * self.action_std + self.action_mean

    @torch.no_grad()
    def imagine(self, now: Tensor, goal: Tensor, plan_noise: Tensor, steps: int) -> Tensor:
        """Return the plan's frames as latents (B, F, V, C, h, w), imagined in ``steps`` passes of the planner."""
        if not self.config.imagines:
            return plan_noise
        return self.world_model.imagine(now, goal, plan_noise, steps)
