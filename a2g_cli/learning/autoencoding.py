"""Training the autoencoder: reconstruct frames, half of them with other colours, light and framing.

What it has seen decides which deployments the policy can see at all, hence the augmentation.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from a2g_cli.errors import CheckpointError
from a2g_cli.policy.act2goal import Act2Goal
from a2g_cli.policy.autoencoder import Autoencoder


def augment(images: Tensor, generator: torch.Generator) -> Tensor:
    """Return images (B, 3, H, W) in [-1, 1] with random framing (turn, zoom, shift), swapped and shifted colours, light."""
    size = images.shape[0]

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(size, *shape, generator=generator)

    angle, zoom = uniform(-0.35, 0.35), uniform(0.8, 1.15)
    cos, sin = zoom * angle.cos(), zoom * angle.sin()
    shift = uniform(-0.2, 0.2, 2)
    affine = torch.stack([torch.stack([cos, -sin, shift[:, 0]], -1), torch.stack([sin, cos, shift[:, 1]], -1)], -2)
    grid = functional.affine_grid(affine, list(images.shape), align_corners=False)
    framed = functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
    # Demonstrations may hold one red thing only; a blue one should not be invisible.
    order = torch.rand(size, 3, generator=generator).argsort(dim=1)
    swapped = framed.gather(1, order[:, :, None, None].expand_as(framed))
    framed = torch.where(uniform(0, 1, 1, 1, 1) < 0.5, swapped, framed)
    gain, offset = uniform(0.6, 1.3, 3, 1, 1), uniform(-0.15, 0.15, 1, 1, 1)
    light = uniform(0.7, 1.2, 1, 1, 1)
    return (((framed + 1) * gain * light - 1) + offset).clamp(-1, 1)


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
