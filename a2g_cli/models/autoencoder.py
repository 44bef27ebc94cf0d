"""Maps frames to latents and back: a small convolutional autoencoder, trained once and then frozen, so latents are cached."""

import torch
from torch import Tensor, nn
from torch.nn import functional


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


class Autoencoder(nn.Module):
    """H x W RGB -> H/8 x W/8 latents, standardised per channel: flow matching expects unit variance."""

    downsampling = 8

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
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
        self.decoder = nn.Sequential(
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
        self.register_buffer("mean", torch.zeros(channels, 1, 1))
        self.register_buffer("std", torch.ones(channels, 1, 1))
        self.mean: Tensor
        self.std: Tensor

    def encode(self, images: Tensor) -> Tensor:
        """Return standardised latents (B, C, H/8, W/8) of images (B, 3, H, W) in [-1, 1]."""
        raw: Tensor = self.encoder(images)
        return (raw - self.mean) / self.std

    def decode(self, latents: Tensor) -> Tensor:
        """Return images (B, 3, H, W), approximately in [-1, 1], of standardised latents."""
        images: Tensor = self.decoder(latents * self.std + self.mean)
        return images

    def standardise(self, images: Tensor) -> None:
        """Set the mean and standard deviation of each channel from ``images`` (B, 3, H, W); once, after training."""
        with torch.no_grad():
            raw = self.encoder(images)
            self.mean.copy_(raw.mean(dim=(0, 2, 3)).reshape(-1, 1, 1))
            self.std.copy_(raw.std(dim=(0, 2, 3)).clamp(min=1e-4).reshape(-1, 1, 1))


def to_tensor(images: Tensor) -> Tensor:
    """Return float images (..., 3, H, W) in [-1, 1] of uint8 ones (..., H, W, 3)."""
    return images.movedim(-1, -3).float() / 127.5 - 1


def to_images(tensor: Tensor) -> Tensor:
    """Return uint8 images (..., H, W, 3) of float ones (..., 3, H, W) in [-1, 1]."""
    return ((tensor.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).movedim(-3, -1)
