import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from a2g_cli.models.autoencoder import Autoencoder, to_images, to_tensor


@pytest.fixture
def coder() -> Autoencoder:
    torch.manual_seed(0)
    return Autoencoder(channels=4, width=16).requires_grad_(requires_grad=False)


def random_images(count: int, height: int = 32, width: int = 32, seed: int = 0) -> torch.Tensor:
    return 2 * torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(seed)) - 1


@pytest.mark.parametrize(("height", "width"), [(8, 8), (64, 64), (32, 80)])
def test_images_shrink_eightfold_and_come_back_at_their_size(coder: Autoencoder, height: int, width: int) -> None:
    latents = coder.encode(random_images(2, height, width))
    assert latents.shape == (2, 4, height // 8, width // 8)
    assert coder.decode(latents).shape == (2, 3, height, width)


@given(arrays(np.uint8, st.tuples(st.integers(0, 3), st.integers(1, 5), st.integers(1, 5), st.just(3))))
def test_pixels_survive_the_way_to_numbers_and_back(pixels: np.ndarray) -> None:
    images = torch.from_numpy(pixels)
    tensor = to_tensor(images)
    assert tensor.shape == (pixels.shape[0], 3, *pixels.shape[1:3])
    assert torch.equal(to_images(tensor), images)
    if pixels.size:
        assert tensor.abs().max() <= 1


def test_black_is_minus_one_white_is_one_and_what_lies_beyond_is_cut() -> None:
    black_white = torch.tensor([0, 255], dtype=torch.uint8).reshape(2, 1, 1, 1).expand(2, 1, 1, 3)
    assert to_tensor(black_white).flatten(1).tolist() == [[-1.0] * 3, [1.0] * 3]
    assert to_images(torch.tensor([-7.0, 1.5, 0.0]).reshape(3, 1, 1)).flatten().tolist() == [0, 255, 128]


def test_red_green_and_blue_keep_their_order() -> None:
    image = torch.zeros(2, 2, 3, dtype=torch.uint8)
    image[..., 2] = 255
    assert to_tensor(image)[:, 0, 0].tolist() == [-1.0, -1.0, 1.0]


def test_standardised_latents_have_mean_zero_and_deviation_one_in_every_channel(coder: Autoencoder) -> None:
    images = random_images(40)
    raw = coder.encode(images)
    assert (raw.std(dim=(0, 2, 3)) - 1).abs().min() > 0.1  # they did not have it before
    coder.standardise(images)
    latents = coder.encode(images)
    torch.testing.assert_close(latents.mean(dim=(0, 2, 3)), torch.zeros(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(latents.std(dim=(0, 2, 3)), torch.ones(4), atol=1e-4, rtol=0)


def test_standardising_changes_the_latents_scale_and_nothing_else(coder: Autoencoder) -> None:
    images = random_images(6)
    before = coder.decode(coder.encode(images))
    coder.standardise(random_images(20, seed=1))
    torch.testing.assert_close(coder.decode(coder.encode(images)), before, atol=1e-4, rtol=1e-4)
    mean = coder.mean.clone()
    coder.standardise(random_images(20, seed=1))
    assert torch.equal(coder.mean, mean)  # it looks at raw latents: doing it twice is doing it once


def test_a_channel_that_never_changes_does_not_divide_by_zero(coder: Autoencoder) -> None:
    torch.nn.init.zeros_(coder.encoder[-1].weight)
    coder.standardise(random_images(4))
    assert coder.encode(random_images(4, seed=2)).isfinite().all()


def test_each_image_is_coded_as_it_would_be_alone(coder: Autoencoder) -> None:
    images = random_images(3)
    latents = coder.encode(images)
    for i in range(3):
        torch.testing.assert_close(coder.encode(images[i : i + 1]), latents[i : i + 1], atol=1e-5, rtol=1e-5)


def test_scales_are_saved_with_the_weights(coder: Autoencoder) -> None:
    coder.standardise(random_images(8))
    other = Autoencoder(4, 16)
    other.load_state_dict(coder.state_dict())
    assert torch.equal(other.encode(random_images(2)), coder.encode(random_images(2)))
