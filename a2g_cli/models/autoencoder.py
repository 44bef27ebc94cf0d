"""Maps frames to latents and back: a small convolutional autoencoder, trained once and then frozen, so latents are cached."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from a2g_cli.core.errors import CheckpointError, UsageError
from a2g_cli.models.encoder import Encoder


class Residual(nn.Module):
    """Two 3x3 convolutions around a skip connection."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map x (B, C, h, w) to the same shape."""
        out: Tensor = x + self.second(functional.silu(self.first(functional.silu(x))))
        return out


class Autoencoder(Encoder):
    """The encoder that is trained on the demonstrations, by reconstruction."""

    def __init__(self, channels: int, width: int, settings: Mapping[str, Any] | None = None) -> None:
        """Make the networks. Raises CheckpointError for settings: it has none."""
        super().__init__(channels)
        if settings:
            raise CheckpointError(f"the encoder 'autoencoder' has no settings, but the config says {dict(settings)}.")
        half = width // 2
        self.encoder = nn.Sequential(
            nn.Conv2d(3, half // 2, 4, stride=2, padding=1),
            nn.SiLU(),
            nn.Conv2d(half // 2, half, 4, stride=2, padding=1),
            nn.SiLU(),
            nn.Conv2d(half, width, 4, stride=2, padding=1),
            Residual(width),
            nn.SiLU(),
            nn.Conv2d(width, channels, 1),
        )
        self.decoder = convolutional_decoder(channels, width)

    @classmethod
    def settings(cls, source: str | None) -> Mapping[str, Any]:
        """Return nothing. Raises UsageError for a ``source``."""
        if source is not None:
            raise UsageError(
                "the encoder 'autoencoder' is made of nothing but the demonstrations: write autoencoder alone."
            )
        return {}


def convolutional_decoder(channels: int, width: int) -> nn.Sequential:
    """Return a network from latents (B, ``channels``, h, w) to images (B, 3, 8h, 8w); ``width`` is a multiple of 4."""
    half = width // 2
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, padding=1),
        Residual(width),
        nn.SiLU(),
        nn.Conv2d(width, 4 * half, 1),
        nn.PixelShuffle(2),
        Residual(half),
        nn.SiLU(),
        nn.Conv2d(half, 2 * half, 1),
        nn.PixelShuffle(2),
        nn.SiLU(),
        nn.Conv2d(half // 2, half // 2, 3, padding=1),
        nn.SiLU(),
        nn.Conv2d(half // 2, 12, 1),
        nn.PixelShuffle(2),
    )


def to_tensor(images: Tensor) -> Tensor:
    """Return float images (..., 3, H, W) in [-1, 1] of uint8 ones (..., H, W, 3)."""
    return images.movedim(-1, -3).float() / 127.5 - 1


def to_images(tensor: Tensor) -> Tensor:
    """Return uint8 images (..., H, W, 3) of float ones (..., 3, H, W) in [-1, 1]."""
    return ((tensor.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).movedim(-3, -1)
