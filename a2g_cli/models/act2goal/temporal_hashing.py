"""Multi-Scale Temporal Hashing: which frames and actions of the way to the goal a plan holds.

Act2Goal (arXiv 2512.23541): dense proximal frames every r steps up to P, then M sparse distal frames whose offsets follow a
logarithm and end exactly at the goal, K steps away:

    proximal  k * r,                                                 k = 1 .. P / r
    distal    d_m = P + floor((K - P) / log(M + 1) * log(m + 1)),    m = 1 .. M        (as printed)

As printed, distal frames get *denser toward the goal*; the paper's prose says that gaps grow with distance. ``spacing``
chooses between the printed rule and its mirror image. All offsets are relative to now; action k leads into frame k.
"""

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

Spacing = Literal["printed", "mirrored"]


@dataclass(frozen=True)
class TemporalHashing:
    """The shape of a plan."""

    proximal: int = 8
    """P: steps covered densely."""
    stride: int = 4
    """r: steps between proximal frames."""
    distal: int = 2
    """M: sparse frames between P and the goal; 0 for a fixed horizon, the ablation that the paper makes."""
    spacing: Spacing = "printed"
    distal_actions: bool = True
    """Whether a plan holds the actions that lead into distal frames; they are supervised and never executed."""

    def __post_init__(self) -> None:
        if self.stride < 1 or self.proximal < self.stride or self.proximal % self.stride:
            raise ValueError(f"proximal ({self.proximal}) must be a positive multiple of stride ({self.stride}).")
        if self.distal < 0:
            raise ValueError(f"distal ({self.distal}) must be 0 or more.")
        if self.spacing not in get_args(Spacing):
            raise ValueError(f"spacing is one of {', '.join(get_args(Spacing))}, not {self.spacing!r}.")

    @property
    def frames(self) -> int:
        """Number of imagined frames, P / r + M."""
        return self.proximal // self.stride + self.distal

    @property
    def actions(self) -> int:
        """Number of actions, P dense ones and, where they are in the plan, M distal ones."""
        return self.proximal + (self.distal if self.distal_actions else 0)

    def distal_offsets(self, steps_to_goal: Tensor) -> Tensor:
        """Return d_1 .. d_M for K = ``steps_to_goal`` (B,) as (B, M); K itself where K <= P."""
        k = steps_to_goal.unsqueeze(-1)
        rest = (k - self.proximal).clamp(min=0).double()
        m = torch.arange(1, self.distal + 1, device=k.device, dtype=torch.float64)
        # floor(x + tiny): log(M + 1) / log(M + 1) must give exactly 1, not 0.99..., or the goal would be missed by a step.
        if self.spacing == "printed":
            ahead = torch.floor(rest * torch.log(m + 1) / math.log(self.distal + 1) + 1e-9)
        else:
            ahead = rest - torch.floor(rest * torch.log(self.distal - m + 1) / math.log(self.distal + 1) + 1e-9)
        return torch.minimum(self.proximal + ahead.long(), k)

    def frame_offsets(self, steps_to_goal: Tensor) -> Tensor:
        """Return the offsets of the plan's frames (B, P / r + M), never past the goal.

        With fewer than P steps left the proximal frames beyond the goal show the goal: the plan is to stay there.
        """
        near = torch.arange(self.stride, self.proximal + 1, self.stride, device=steps_to_goal.device)
        near = torch.minimum(near.unsqueeze(0), steps_to_goal.unsqueeze(-1))
        return torch.cat([near, self.distal_offsets(steps_to_goal)], dim=-1)

    def action_offsets(self, steps_to_goal: Tensor) -> tuple[Tensor, Tensor]:
        """Return offsets (B, n) of the ``actions`` in the plan and a mask of those that exist.

        Dense actions 1 .. P exist up to the goal; distal ones where the goal lies beyond P. Offset k is the action that
        leads into frame k. What happened after the goal was reached says nothing about how to reach it: it is masked.
        """
        k = steps_to_goal.unsqueeze(-1)
        near = torch.arange(1, self.proximal + 1, device=k.device).unsqueeze(0)
        offsets, mask = torch.minimum(near, k), near <= k
        if not self.distal_actions:
            return offsets, mask
        far = self.distal_offsets(steps_to_goal)
        return torch.cat([offsets, far], dim=-1), torch.cat([mask, (k > self.proximal).expand_as(far)], dim=-1)
