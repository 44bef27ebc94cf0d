"""Noise that lasts: an episode acts with the same shift of its starting noise at every plan, at all steps of a chunk alike.

Independent noise averages out within a chunk, and the next plan aims again, so it hardly explores where the policy aims
wrongly in the same way each time: it succeeds by luck of the last plan, and nearly all that is imitated then aims as before.
A shift that lasts moves the aim itself, from the first action to the last, and a success shows by how much.
"""

import torch
from torch import Tensor

from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.policies.act2goal import Act2GoalPolicy
from a2g_cli.policies.acting import ActingSettings
from a2g_cli.policies.base import PlanRequest


class LastingNoise(Act2GoalPolicy):
    """The policy, its action noise that of ``temperature`` plus a shift of standard deviation ``lasting``."""

    def __init__(self, model: Act2Goal, temperature: float, lasting: float) -> None:
        super().__init__(model, ActingSettings(temperature=temperature))
        self._lasting = lasting

    def _noise(self, request: PlanRequest) -> tuple[Tensor, Tensor]:
        frames, actions = super()._noise(request)
        if not self._lasting:
            return frames, actions
        generator = torch.Generator().manual_seed((request.seed * 1_000_003 + 500_009) % (2**63))
        shift = torch.randn(1, actions.shape[1], generator=generator)
        return frames, actions + self._lasting / self.settings.temperature * shift
