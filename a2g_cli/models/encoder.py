"""The seam of encoders: what turns images into latents and back. Found by name, an entry point in ``a2g.encoders``.

A base keeps the name and the settings of its encoder in its config, and all of its weights beside the policy's. So it opens
where the files that they came from are missing.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

CELL = 8
"""Side of the square of an image that one latent covers [px]."""


class Encoder(nn.Module):
    """An encoder and its decoder: H x W RGB <-> H/8 x W/8 latents, standardised per channel: flow matching expects it.

    A subclass is made with ``(channels, width, settings)`` and sets two modules: ``encoder`` maps images (B, 3, H, W) in
    [-1, 1] to raw latents (B, ``channels``, H/8, W/8), ``decoder`` maps them back. Their shapes depend on these three alone.
    """

    downsampling = CELL
    frozen = False
    """Whether ``encoder`` is pretrained and stays so. A pretraining then calls ``prepare``, and trains the decoder alone."""
    encoder: nn.Module
    decoder: nn.Module

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels, 1, 1))
        self.register_buffer("std", torch.ones(channels, 1, 1))
        self.mean: Tensor
        self.std: Tensor

    @classmethod
    def settings(cls, source: str | None) -> Mapping[str, Any]:
        """Return what a base's config keeps of ``NAME:source``: numbers, truth values and short texts. Loads no weights.

        Raises:
            UsageError: this encoder is made of something else, or of nothing.
        """
        raise NotImplementedError

    def prepare(self, source: str | None, images: Tensor) -> str:
        """Load the weights of a frozen encoder, and fit what depends on demonstrations; return in words what was found.

        Args:
            source: as for ``settings``.
            images: some frames (B, 3, H, W) in [-1, 1].

        Raises:
            CheckpointError: weights are missing, damaged, or of another shape.
        """
        raise NotImplementedError

    def encode(self, images: Tensor) -> Tensor:
        """Return standardised latents (B, C, H/8, W/8) of images (B, 3, H, W) in [-1, 1]."""
        raw: Tensor = self.encoder(images)
        return (raw - self.mean) / self.std

    def decode(self, latents: Tensor) -> Tensor:
        """Return images (B, 3, H, W), approximately in [-1, 1], of standardised latents."""
        images: Tensor = self.decoder(latents * self.std + self.mean)
        return images

    def standardise(self, images: Tensor) -> None:
        """Set mean and standard deviation of each channel from ``images`` (B, 3, H, W); once, when ``encoder`` is final."""
        with torch.no_grad():
            raw = self.encoder(images)
            self.mean.copy_(raw.mean(dim=(0, 2, 3)).reshape(-1, 1, 1))
            self.std.copy_(raw.std(dim=(0, 2, 3)).clamp(min=1e-4).reshape(-1, 1, 1))
