"""Training the autoencoder: reconstruct frames, half of them with other colours, light and framing.

What it has seen decides which deployments the policy can see at all, hence the augmentation.
"""

import math

import torch
from torch import Tensor

from a2g_cli.core.errors import CheckpointError
from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.models.autoencoder import Autoencoder


def salience(images: Tensor) -> Tensor:
    """Return the weight of each pixel (B, 1, H, W), 1 on average: more for what differs from its picture's main colour.

    On a tabletop most pixels are table; the small thing that matters would otherwise be averaged away.
    """
    background = images.flatten(2).median(dim=-1).values[..., None, None]
    weight = 1 + 6 * (images - background).abs().mean(dim=1, keepdim=True)
    return weight / weight.mean()


def reconstruction_loss(model: Autoencoder, images: Tensor, weight: Tensor, noise: Tensor) -> Tensor:
    """Return the mean weighted error of reconstruction.

    Args:
        model: what reconstructs.
        images: (B, 3, H, W) in [-1, 1].
        weight: of each pixel (B, 1, H, W).
        noise: standard normal (B, C, H/8, W/8). A little of it on the latents keeps them smooth.
    """
    raw = model.encoder(images)
    error = model.decoder(raw + 0.03 * noise) - images
    # The penalty keeps the latents' scale from growing to drown the noise.
    return (weight * (error.square() + 0.2 * error.abs())).mean() + 1e-4 * raw.square().mean()


def take_autoencoder(model: Act2Goal, other: Act2Goal) -> None:
    """Give ``model`` the autoencoder of another policy, with its standardisation.

    Raises:
        CheckpointError: it is of another size.
    """
    for name in ("latent_channels", "autoencoder_width"):
        wanted, found = getattr(model.config, name), getattr(other.config, name)
        if wanted != found:
            raise CheckpointError(
                f"the autoencoder cannot be taken over: its {name} is {found}, and this policy's is {wanted}; "
                "take one of the same preset, or leave --autoencoder out."
            )
    model.autoencoder.load_state_dict(other.autoencoder.state_dict())


@torch.no_grad()
def psnr(model: Autoencoder, images: Tensor) -> float:
    """Return the peak signal-to-noise ratio of reconstruction [dB] for images (B, 3, H, W) in [-1, 1]."""
    error = (model.decode(model.encode(images)).clamp(-1, 1) - images).square().mean().item()
    return 10 * math.log10(4 / max(error, 1e-10))
