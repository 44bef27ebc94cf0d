"""Multi-Scale Temporal Hashing: which frames and actions between now and the goal a plan consists of.

Act2Goal (arXiv 2512.23541): dense proximal frames every r steps up to P, then M sparse distal frames, whose offsets follow a
logarithm and end at the goal, K steps away:

    proximal  k * r,                                                 k = 1 .. P / r
    distal    d_m = P + floor((K - P) / log(M + 1) * log(m + 1)),    m = 1 .. M        (as printed)

By this formula, distal frames get denser towards the goal; the paper's text says that gaps grow with distance. ``spacing``
chooses the printed formula or its mirror image. All offsets are relative to now; action k leads to frame k.
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
    """M: sparse frames between P and the goal; 0 for a fixed horizon, as in the paper's ablation."""
    spacing: Spacing = "printed"
    distal_actions: bool = True
    """Whether a plan has the actions that lead to distal frames; they are trained and never executed."""

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
        """Number of actions: P dense ones, and M distal ones if ``distal_actions``."""
        return self.proximal + (self.distal if self.distal_actions else 0)

    def distal_offsets(self, steps_to_goal: Tensor) -> Tensor:
        """Return d_1 .. d_M for K = ``steps_to_goal`` (B,) as (B, M); K itself where K <= P."""
        k = steps_to_goal.unsqueeze(-1)
        rest = (k - self.proximal).clamp(min=0).double()
        m = torch.arange(1, self.distal + 1, device=k.device, dtype=torch.float64)
        # The 1e-9 makes the last offset exactly K: rounding may give log(M + 1) / log(M + 1) = 0.99...
        if self.spacing == "printed":
            ahead = torch.floor(rest * torch.log(m + 1) / math.log(self.distal + 1) + 1e-9)
        else:
            ahead = rest - torch.floor(rest * torch.log(self.distal - m + 1) / math.log(self.distal + 1) + 1e-9)
        return torch.minimum(self.proximal + ahead.long(), k)

    def frame_offsets(self, steps_to_goal: Tensor) -> Tensor:
        """Return the offsets of the plan's frames (B, P / r + M), at most K.

        With fewer than P steps left, the proximal frames beyond the goal show the goal: the plan is to stay there.
        """
        near = torch.arange(self.stride, self.proximal + 1, self.stride, device=steps_to_goal.device)
        near = torch.minimum(near.unsqueeze(0), steps_to_goal.unsqueeze(-1))
        return torch.cat([near, self.distal_offsets(steps_to_goal)], dim=-1)

    def action_offsets(self, steps_to_goal: Tensor) -> tuple[Tensor, Tensor]:
        """Return the offsets (B, n) of the plan's actions, and a mask of those that exist.

        Offset k is the action that leads to frame k. Dense actions exist up to the goal, distal ones if the goal is farther
        than P. Actions after the goal do not show how to reach it, so they are masked.
        """
        k = steps_to_goal.unsqueeze(-1)
        near = torch.arange(1, self.proximal + 1, device=k.device).unsqueeze(0)
        offsets, mask = torch.minimum(near, k), near <= k
        if not self.distal_actions:
            return offsets, mask
        far = self.distal_offsets(steps_to_goal)
        return torch.cat([offsets, far], dim=-1), torch.cat([mask, (k > self.proximal).expand_as(far)], dim=-1)
