"""A planner that fills in masked latents, after MaskViT (Gupta et al. 2022, arXiv 2206.11894) and MaskGIT (arXiv 2202.04200).

Every latent cell of the frames is one of K codes, the cluster centres of the demonstrations' latents. The network is that of
``WorldModel``, but the frames' tokens are visible or masked, and it predicts the codes of the masked ones: cross-entropy in
place of a velocity. To imagine, all tokens are masked at first, and those of which the network is surest become visible, pass
by pass. To act, all are masked.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from a2g_cli.core.errors import CheckpointError, UsageError
from a2g_cli.models.act2goal.layers import zero_linear
from a2g_cli.models.act2goal.world_model import WorldModel, patchify, unpatchify
from a2g_cli.models.presets import Act2GoalConfig

CODES, MOST_CODES = 256, 4096
"""Codes that a latent cell may be, by default and at most."""
_FRAMES, _CELLS, _ROUNDS = 2000, 20_000, 12
"""Most frames and cells that the codes are fitted to, and rounds of k-means."""


class MaskedWorldModel(WorldModel):
    """The planner ``masked``, or ``masked:CODES``."""

    def __init__(self, config: Act2GoalConfig, latent_size: tuple[int, int]) -> None:
        """Make the network. Raises CheckpointError for settings that it cannot have."""
        codes = config.planner_settings.get("codes")
        if set(config.planner_settings) != {"codes"} or type(codes) is not int or not 2 <= codes <= MOST_CODES:
            raise CheckpointError(
                f"the planner 'masked' cannot be made with {dict(config.planner_settings)}: expected codes, 2 to "
                f"{MOST_CODES}."
            )
        if not config.imagines:
            raise CheckpointError("the planner 'masked' imagines frames, and this policy is one without a world model.")
        super().__init__(config, latent_size)
        self.codes = codes
        self.masked = nn.Parameter(torch.randn(config.model_width) * 0.02)
        self.out = zero_linear(config.model_width, codes * self.plan_patch**2)
        self.register_buffer("codebook", torch.zeros(codes, config.latent_channels))
        self.codebook: Tensor

    @classmethod
    def settings(cls, source: str | None) -> Mapping[str, Any]:
        """Return the number of codes. Raises UsageError if ``source`` is none."""
        if source is not None and not (source.isascii() and source.isdecimal() and 2 <= int(source) <= MOST_CODES):
            raise UsageError(f"masked:{source}: expected the number of codes, 2 to {MOST_CODES}.")
        return {"codes": CODES if source is None else int(source)}

    @torch.no_grad()
    def fit(self, latents: Tensor) -> None:
        """Set the codes to the cluster centres of latent cells (k-means++, Arthur and Vassilvitskii 2007)."""
        generator = torch.Generator().manual_seed(0)
        some = torch.randint(len(latents), (min(len(latents), _FRAMES),), generator=generator)
        cells = latents[some].float().movedim(-3, -1).flatten(0, -2)
        cells = cells[torch.randperm(len(cells), generator=generator)[:_CELLS]]
        centres = _spread(cells, self.codes, generator)
        for _ in range(_ROUNDS):
            nearest = torch.cdist(cells, centres).argmin(1)
            count = torch.bincount(nearest, minlength=self.codes)
            total = torch.zeros_like(centres).index_add_(0, nearest, cells)
            # A centre without cells stays where it is.
            centres = torch.where(count[:, None] > 0, total / count.clamp(min=1)[:, None], centres)
        self.codebook.copy_(centres.half().float())  # as in the checkpoint

    def forward(
        self, now: Tensor, goal: Tensor, frames: Tensor, time: Tensor, masked: Tensor | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """Return logits of the codes (B, F, V, N, p * p, K), and the hidden states.

        ``masked`` (B, F, V, N), bool, says which of the N tokens of each frame are masked; None: all. ``frames`` does not
        count there. The other arguments are those of ``Planner.forward``.
        """
        tokens = self.embed_plan(patchify(frames, self.plan_patch))
        hidden_tokens = self.masked.expand_as(tokens)
        tokens = hidden_tokens if masked is None else torch.where(masked[..., None], hidden_tokens, tokens)
        x, hidden = self.attend(now, goal, tokens, time)
        logits = self.out(self.out_norm(x)).unflatten(1, tokens.shape[1:4])
        return logits.unflatten(-1, (self.plan_patch**2, self.codes)), hidden

    def cost(
        self, now: Tensor, goal: Tensor, frames: Tensor, noise: Tensor, time: Tensor, shown: Tensor
    ) -> tuple[Tensor, list[Tensor]]:
        """Return the cross-entropy of masked codes, 1 for a network that knows nothing; the rest as ``Planner.cost``."""
        codes = self.quantised(frames)
        masked = _uniform(patchify(noise, self.plan_patch)[..., 0]) < _share_masked(time)[:, None, None, None]
        logits, hidden = self(now, goal, self.codebook[codes].movedim(-1, -3), time, masked)
        chosen = masked & shown[:, None, None, None]
        if not chosen.any():
            return logits.new_zeros(()), hidden
        wanted = patchify(codes.unsqueeze(-3), self.plan_patch)
        error = functional.cross_entropy(logits[chosen].flatten(0, 1).float(), wanted[chosen].flatten())
        return error / math.log(self.codes), hidden

    def imagine(self, now: Tensor, goal: Tensor, noise: Tensor, steps: int) -> Tensor:
        """Return imagined frames (B, F, V, C, h, w), each latent one of the codes."""
        drawn = _uniform(patchify(noise, self.plan_patch)[..., : self.plan_patch**2])  # (B, F, V, N, p * p)
        masked = torch.ones(drawn.shape[:-1], dtype=torch.bool, device=noise.device)
        found = torch.zeros(drawn.shape, dtype=torch.long, device=noise.device)
        count = masked[0].numel()
        for step in range(steps):
            time = torch.full((len(now),), step / steps, device=noise.device)
            logits, _ = self(now, goal, self._latents(found), time, masked)
            chances = logits.float().softmax(-1)
            # Inverse distribution function: the same noise draws the same code.
            codes = (chances.cumsum(-1) < drawn[..., None]).sum(-1).clamp(max=self.codes - 1)
            found = torch.where(masked[..., None], codes, found)
            sure = chances.gather(-1, found[..., None]).clamp(min=1e-12).log().mean((-1, -2))
            sure = torch.where(masked, sure, torch.full_like(sure, math.inf)).flatten(1)
            left = math.floor(count * math.cos(math.pi / 2 * (step + 1) / steps) + 1e-6)
            least = sure.argsort(1)[:, :left]
            masked = torch.zeros_like(sure, dtype=torch.bool).scatter_(1, least, value=True).view_as(masked)
        return self._latents(found)

    def quantised(self, frames: Tensor) -> Tensor:
        """Return the nearest codes (..., h, w) of latents (..., C, h, w)."""
        cells = frames.movedim(-3, -1)
        return torch.cdist(cells.flatten(0, -2).float(), self.codebook).argmin(1).view(cells.shape[:-1])

    def _latents(self, codes: Tensor) -> Tensor:
        """Return latents (B, F, V, C, h, w) of codes by token (B, F, V, N, p * p)."""
        tokens = self.codebook[codes].transpose(-1, -2).flatten(-2)
        return unpatchify(tokens, self.plan_patch, *self.latent_size)


def _spread(cells: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Return ``count`` of ``cells`` (N, C) far from each other: each is drawn by its squared distance to those before."""
    found = [cells[torch.randint(len(cells), (1,), generator=generator)]]
    distance = torch.full((len(cells),), math.inf)
    for _ in range(count - 1):
        distance = torch.minimum(distance, (cells - found[-1]).square().sum(1))
        chances = distance + 1e-12  # fewer different cells than codes: then some codes are the same
        found.append(cells[torch.multinomial(chances, 1, generator=generator)])
    return torch.cat(found)


def _uniform(normal: Tensor) -> Tensor:
    """Return numbers in (0, 1), uniform where ``normal`` is standard normal."""
    return 0.5 * (1 + torch.erf(normal * math.sqrt(0.5)))


def _share_masked(time: Tensor) -> Tensor:
    """Return the share of tokens that are masked at ``time`` (MaskGIT's cosine schedule): 1 at 0, none at 1."""
    return torch.where(time > 0, torch.cos(math.pi / 2 * time), torch.full_like(time, 2.0))
