import math

import pytest
import torch
from torch import Tensor, nn

from a2g_cli.encoding.augmentation import augment
from a2g_cli.models.autoencoder import Autoencoder
from a2g_cli.training.autoencoder import psnr, reconstruction_loss, salience


class Painted(nn.Module):
    """An autoencoder that gives back ``answer``, whatever it is shown."""

    def __init__(self, answer: Tensor) -> None:
        super().__init__()
        self.answer = answer

    def encoder(self, images: Tensor) -> Tensor:
        return images.new_zeros(images.shape[0], 4, 4, 4)

    encode = encoder

    def decoder(self, latents: Tensor) -> Tensor:
        return self.answer.expand(latents.shape[0], -1, -1, -1)

    decode = decoder


def loss(answer: Tensor, images: Tensor) -> float:
    nothing = torch.zeros(len(images), 4, 4, 4)
    return reconstruction_loss(Painted(answer), images, salience(images), nothing).item()  # type: ignore[arg-type]


@pytest.mark.parametrize("error", [0.5, 0.1, 0.01])
def test_psnr_is_ten_times_the_log_of_peak_power_over_error_power(error: float) -> None:
    images = torch.zeros(2, 3, 8, 8)
    measured = psnr(Painted(images[:1] + error), images)  # type: ignore[arg-type]
    assert measured == pytest.approx(20 * math.log10(2 / error), rel=1e-4)


def test_psnr_of_a_perfect_image_is_finite() -> None:
    images = torch.zeros(1, 3, 8, 8)
    assert 100 < psnr(Painted(images), images) < 110  # type: ignore[arg-type]


def test_a_perfect_image_has_no_loss_and_a_worse_one_more() -> None:
    images = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0)).mul(2).sub(1)
    losses = [loss(images[:1] + error, images[:1]) for error in (0.0, 0.1, -0.1, 0.3)]
    assert losses[0] == 0
    assert losses[1] == pytest.approx(losses[2])
    assert losses[0] < losses[1] < losses[3]


def test_an_error_on_what_stands_out_costs_more_than_the_same_on_the_table() -> None:
    images = torch.full((1, 3, 16, 16), -0.5)
    images[..., 4:7, 4:7] = 0.9  # a block on a table
    on_block, on_table = images.clone(), images.clone()
    on_block[..., 4:7, 4:7] -= 0.3
    on_table[..., 10:13, 10:13] += 0.3
    assert loss(on_block, images) > 4 * loss(on_table, images)


def test_training_brings_the_loss_down() -> None:
    torch.manual_seed(0)
    coder = Autoencoder(4, 16)
    images = torch.nn.functional.interpolate(2 * torch.rand(16, 3, 4, 4) - 1, scale_factor=8, mode="bilinear")
    optimiser = torch.optim.AdamW(coder.parameters(), lr=3e-3)
    losses = []
    for _ in range(60):
        value = reconstruction_loss(coder, images, salience(images), torch.randn(16, 4, 4, 4))
        losses.append(value.item())
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
    assert losses[-1] < 0.8 * losses[0]


# -- augmentation ---------------------------------------------------------------------------------------------------------


def random_images(count: int) -> Tensor:
    return 2 * torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(1)) - 1


def test_augmented_images_are_images_and_the_originals_stay() -> None:
    images = random_images(20)
    kept = images.clone()
    changed = augment(images, torch.Generator().manual_seed(0))
    assert changed.shape == images.shape
    assert changed.min() >= -1
    assert changed.max() <= 1
    assert torch.equal(images, kept)
    assert ((changed - images).abs().amax((1, 2, 3)) > 0.05).all()


def test_the_generator_alone_decides() -> None:
    images = random_images(6)
    first = augment(images, torch.Generator().manual_seed(3))
    torch.manual_seed(9)
    assert torch.equal(augment(images, torch.Generator().manual_seed(3)), first)
    assert not torch.equal(augment(images, torch.Generator().manual_seed(4)), first)


def test_each_image_is_changed_in_its_own_way() -> None:
    changed = augment(random_images(1).expand(10, -1, -1, -1), torch.Generator().manual_seed(0))
    assert len({image.sum().item() for image in changed}) == 10


def test_a_red_thing_may_turn_green_or_blue_but_stays_red_more_often_than_not() -> None:
    # Half the images get their colours in a random order, in which red stays red one time in three.
    red = torch.full((3000, 3, 8, 8), -1.0)
    red[:, 0] = 1.0
    brightest = augment(red, torch.Generator().manual_seed(0)).mean((2, 3)).argmax(1)
    shares = torch.bincount(brightest, minlength=3) / 3000
    assert shares.tolist() == pytest.approx([1 / 2 + 1 / 6, 1 / 6, 1 / 6], abs=0.04)
