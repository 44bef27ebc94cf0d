import math
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import torch
from policy_examples import network
from torch import Tensor

from a2g_cli.encoding.segments import Segments
from a2g_cli.models.act2goal.temporal_hashing import TemporalHashing
from a2g_cli.models.autoencoder import to_images
from a2g_cli.models.presets import Act2GoalConfig

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from plan_scores import METHODS, Imaginer, PlanScores, ask, frame_names, resampled, score_plans

LENGTHS = (30, 21, 40, 12)


class Grey:
    """An autoencoder whose latents are images: one channel, one value an image; nothing is lost."""

    def decode(self, latents: Tensor) -> Tensor:
        return latents.expand(-1, 3, -1, -1)


@dataclass
class Dreamer:
    """Imagines whatever it is told to."""

    config: Act2GoalConfig
    answer: object
    frame_shape: tuple[int, int, int, int] = (1, 1, 2, 2)
    autoencoder: Grey = field(default_factory=Grey)
    asked: int = 0

    def imagine(self, now: Tensor, goal: Tensor, plan_noise: Tensor, steps: int) -> Tensor:
        self.asked += 1
        return self.answer(now, goal, plan_noise)  # type: ignore[operator]


def episodes(value: object, lengths: tuple[int, ...] = LENGTHS) -> tuple[Segments, Tensor]:
    """Episodes whose frame k of T shows a grey ``value(k, T)`` from -1 to 1, and their images."""
    shades = torch.cat([value(torch.arange(n + 1.0), n) for n in lengths])  # type: ignore[operator]
    latents = shades.reshape(-1, 1, 1, 1, 1).expand(-1, 1, 1, 2, 2)
    first = torch.tensor([sum(lengths[:i]) + i for i in range(len(lengths))])
    segments = Segments(latents, shades[:, None], shades[:, None], first, torch.tensor(lengths))
    return segments, to_images(latents.expand(-1, -1, 3, -1, -1))


@pytest.fixture(scope="module")
def config() -> Act2GoalConfig:
    return network().config


def scores(config: Act2GoalConfig, answer: object, value: object, **given: int) -> PlanScores:
    return score_plans(Dreamer(config, answer), *episodes(value), **given)  # type: ignore[arg-type]


def line(k: Tensor, n: int) -> Tensor:
    return k / n - 0.5


def still(k: Tensor, n: int) -> Tensor:
    return torch.full_like(k, n / 50)


def nothing(now: Tensor, goal: Tensor, noise: Tensor) -> Tensor:
    return torch.zeros_like(noise)


def noisy(now: Tensor, goal: Tensor, noise: Tensor) -> Tensor:
    return noise


def test_a_model_that_foretells_the_truth_has_no_error(config: Act2GoalConfig) -> None:
    segments, images = episodes(line)
    episode, step = ask(segments, 3, config.hashing.proximal, 0)
    truth = segments.gather(episode, step, segments.length[episode], config.hashing)["frames"]
    found = score_plans(Dreamer(config, lambda *_: truth), segments, images, batch=1000)  # type: ignore[arg-type]
    for method in ("sample", "mean", "ceiling"):
        assert found.latent[method].max() < 1e-12
        # Only that an image's shades are whole numbers is lost.
        assert all(found.psnr(method, i).value > 50 for i in range(len(found.names)))
    assert (found.latent["copy"] > 0).all()


def test_a_still_episode_is_copied_without_error(config: Act2GoalConfig) -> None:
    found = scores(config, nothing, still)
    assert found.latent["copy"].max() == 0
    assert found.latent["blend"].max() < 1e-12
    assert found.latent["mean"].min() > 0


def test_a_uniform_fade_is_what_the_blend_is_exact_for(config: Act2GoalConfig) -> None:
    found = scores(config, nothing, line)
    assert found.latent["blend"].max() < 1e-10
    assert torch.allclose(found.latent["copy"].sqrt(), found.offsets / torch.tensor(LENGTHS)[found.episode][:, None])


def test_the_last_distal_frame_is_the_goal(config: Act2GoalConfig) -> None:
    found = scores(config, lambda now, goal, noise: goal.unsqueeze(1).expand_as(noise), lambda k, n: torch.sin(k))
    assert found.latent["mean"][:, -1].max() < 1e-12
    assert found.latent["blend"][:, -1].max() < 1e-12
    assert found.latent["mean"][:, 0].max() > 0.1


def test_a_sample_s_error_is_the_mean_s_and_the_samples_variance(config: Act2GoalConfig) -> None:
    """Noise of unit variance about the truth 0: a sample errs by 1, the mean of n by 1 / n."""
    found = scores(config, noisy, lambda k, n: torch.zeros_like(k), samples=16, each=100)
    assert found.latent["sample"].mean().item() == pytest.approx(1.0, rel=0.05)
    assert found.latent["mean"].mean().item() == pytest.approx(1 / 16, rel=0.2)


def test_questions_leave_more_than_the_near_frames_to_the_goal(config: Act2GoalConfig) -> None:
    segments, _ = episodes(line, (30, 8, 9))
    episode, step = ask(segments, 100, config.hashing.proximal, 0)
    assert episode.bincount(minlength=3).tolist() == [22, 0, 1]
    assert (segments.length[episode] - step).min() == 9
    assert len(set(zip(episode.tolist(), step.tolist(), strict=True))) == 23
    with pytest.raises(ValueError, match="nothing to predict"):
        score_plans(Dreamer(config, nothing), *episodes(line, (8, 3)))  # type: ignore[arg-type]


def test_an_image_s_error_is_in_decibels_of_its_range(config: Act2GoalConfig) -> None:
    """Half the range off, everywhere: 20 log10(2)."""
    found = scores(config, lambda now, goal, noise: torch.ones_like(noise), lambda k, n: torch.zeros_like(k))
    assert found.psnr("mean", 0).value == pytest.approx(20 * math.log10(2), abs=0.05)
    varied = scores(config, nothing, line).psnr("mean", 0)
    assert varied.low < varied.value < varied.high


def test_the_ratio_says_how_much_is_left_of_a_baseline_s_error(config: Act2GoalConfig) -> None:
    found = scores(config, lambda now, goal, noise: now.unsqueeze(1).expand_as(noise), line)
    ratio = found.ratio("copy", 0)
    assert ratio is not None
    assert (ratio.value, ratio.low, ratio.high) == pytest.approx((1.0, 1.0, 1.0), abs=1e-5)
    half = dict.fromkeys(("mean", "sample"), found.latent["copy"] / 2)
    halved = replace(found, latent={**found.latent, **half}).ratio("copy", 1)
    assert halved is not None
    assert halved.high == pytest.approx(0.5)
    assert found.ratio("blend", 3) is None  # the goal is what the blend ends at


def test_the_limit_is_what_endless_samples_would_err(config: Act2GoalConfig) -> None:
    """Noise of unit variance about a truth that is missed by 0.5 everywhere: the squared error of the mean is 0.25."""
    found = scores(config, lambda now, goal, noise: 0.5 + noise, lambda k, n: torch.zeros_like(k), samples=4, each=100)
    for i in range(4):
        assert found.limit_error(i).value == pytest.approx(0.25, abs=0.08)
        assert found.latent_error("mean", i).value == pytest.approx(0.5, abs=0.08)
    alone = scores(config, noisy, line, samples=1)
    assert alone.limit_error(0) == alone.latent_error("sample", 0)


def test_intervals_are_of_episodes_not_of_frames() -> None:
    generator = torch.Generator().manual_seed(0)
    apart = torch.randn(40, 1, generator=generator)
    once = resampled(lambda mean: mean[..., 0], apart, torch.arange(40))
    often = resampled(lambda mean: mean[..., 0], apart.repeat_interleave(9, 0), torch.arange(40).repeat_interleave(9))
    assert often.value == pytest.approx(once.value)
    assert (often.low, often.high) == pytest.approx((once.low, once.high))
    half = 1.96 * float(apart.std()) / 40**0.5
    assert once.high - once.low == pytest.approx(2 * half, rel=0.15)
    assert once.low < once.value < once.high


def test_names_and_numbers_are_published_frame_by_frame(config: Act2GoalConfig) -> None:
    assert frame_names(config) == ("+4", "+8", "distal 1", "distal 2")
    assert frame_names(replace(config, hashing=TemporalHashing(distal=0))) == ("+4", "+8")
    found = scores(config, nothing, line, each=2)
    document = found.to_json()
    assert (document["n"], document["episodes"]) == (8, 4)
    assert [frame["frame"] for frame in document["frames"]] == list(frame_names(config))
    assert document["frames"][0]["offset_mean"] == 4
    assert all(set(frame["latent_mse"]) == {*METHODS, "limit"} for frame in document["frames"])


def test_the_same_seed_asks_and_imagines_the_same(config: Act2GoalConfig) -> None:
    first, again, other = (scores(config, noisy, line, each=2, seed=seed) for seed in (0, 0, 1))
    assert all(torch.equal(first.latent[method], again.latent[method]) for method in METHODS)
    assert not torch.equal(first.latent["mean"], other.latent["mean"])


def test_batches_change_nothing_but_the_noise(config: Act2GoalConfig) -> None:
    whole, parts = (scores(config, nothing, line, batch=size) for size in (100, 2))
    for method in METHODS:
        torch.testing.assert_close(whole.latent[method], parts.latent[method])
        torch.testing.assert_close(whole.image[method], parts.image[method])


def test_a_real_policy_is_an_imaginer() -> None:
    model = network(cameras=2)
    imaginer: Imaginer = model
    frames = torch.randn(31, *model.frame_shape)
    segments = Segments(frames, torch.zeros(31, 3), torch.zeros(31, 4), torch.tensor([0]), torch.tensor([30]))
    images = torch.zeros(31, 2, 32, 32, 3, dtype=torch.uint8)
    found = score_plans(imaginer, segments, images, steps=2, samples=2, each=3)
    assert found.latent["sample"].shape == (3, model.config.frames)
    # Variance is positive: a sample errs more than the mean.
    assert found.latent["sample"].mean() > found.latent["mean"].mean()
