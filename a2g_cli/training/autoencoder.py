"""The loss of the autoencoder, and taking over the autoencoder of another policy.

Half of the frames are augmented (colours, light, framing), because the policy can only see what the autoencoder can encode.
"""

import math

import torch
from torch import Tensor

from a2g_cli.core.errors import CheckpointError
from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.models.encoder import Encoder


def salience(images: Tensor) -> Tensor:
    """Return the loss weight of each pixel (B, 1, H, W), 1 on average: larger where it differs from the median colour.

    Most pixels of a tabletop image show the table; without weights, small objects would be lost.
    """
    background = images.flatten(2).median(dim=-1).values[..., None, None]
    weight = 1 + 6 * (images - background).abs().mean(dim=1, keepdim=True)
    return weight / weight.mean()


def reconstruction_loss(model: Encoder, images: Tensor, weight: Tensor, noise: Tensor) -> Tensor:
    """Return the mean weighted error of reconstruction.

    Args:
        model: the autoencoder.
        images: (B, 3, H, W) in [-1, 1].
        weight: of each pixel (B, 1, H, W).
        noise: standard normal (B, C, H/8, W/8). A small amount is added to the latents, which keeps them smooth.
    """
    raw = model.encoder(images)
    # The penalty keeps the latents small; otherwise they would grow until the noise has no effect.
    return _weighted(model.decoder(raw + 0.03 * noise) - images, weight) + 1e-4 * raw.square().mean()


def decoding_loss(model: Encoder, latents: Tensor, images: Tensor, weight: Tensor, noise: Tensor) -> Tensor:
    """Return the mean weighted error of the images that a frozen encoder's standardised ``latents`` (B, C, h, w) decode to.

    The other arguments are those of ``reconstruction_loss``.
    """
    return _weighted(model.decode(latents + 0.03 * noise) - images, weight)


def _weighted(error: Tensor, weight: Tensor) -> Tensor:
    return (weight * (error.square() + 0.2 * error.abs())).mean()


def take_autoencoder(model: Act2Goal, source: Act2Goal) -> None:
    """Copy the autoencoder of ``source``, with its standardisation, into ``model``.

    Raises:
        CheckpointError: the sizes differ.
    """
    for name in ("encoder", "encoder_settings", "latent_channels", "autoencoder_width"):
        expected, actual = getattr(model.config, name), getattr(source.config, name)
        if expected != actual:
            raise CheckpointError(
                f"this autoencoder does not fit: its {name} is {actual}, and this policy needs {expected}. "
                "Use an autoencoder of the same preset and --encoder, or leave --autoencoder out."
            )
    model.autoencoder.load_state_dict(source.autoencoder.state_dict())


@torch.no_grad()
def psnr(model: Encoder, images: Tensor) -> float:
    """Return the peak signal-to-noise ratio of reconstruction [dB] for images (B, 3, H, W) in [-1, 1]."""
    error = (model.decode(model.encode(images)).clamp(-1, 1) - images).square().mean().item()
    return 10 * math.log10(4 / max(error, 1e-10))
