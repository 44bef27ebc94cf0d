"""Plan scores: compares the frames that the world model imagines with the frames that really followed.

A held-out demonstration is cut at step t, with K steps left; its last frame is the goal. The plan's frames stand for the
offsets of Multi-Scale Temporal Hashing: near ones at +r .. +P, distal ones up to +K. The model does not know K, as when it
acts. A distal frame is compared as if the imagined way had K steps, so an error in time counts as well as one in space.

Baselines, in the same latent space and through the same decoder:

    copy     the current frame                          predicts no change
    blend    (1 - s) now + s goal,  s = offset / K      a cross-fade that knows K; exact at the goal
    ceiling  the true frame, through the autoencoder    the best possible image

Imagined frames are samples. The expected squared error of the mean of n samples is that of the mean of infinitely many
samples, plus their variance / n. ``sample`` is the error of one sample (what a person sees), ``mean`` of the mean of n, and
``limit`` of the mean of infinitely many, extrapolated from the two.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from a2g_cli.encoding.segments import Segments
from a2g_cli.models.autoencoder import to_tensor
from a2g_cli.models.encoder import Encoder
from a2g_cli.models.presets import Act2GoalConfig

METHODS = ("sample", "mean", "copy", "blend", "ceiling")
"""Sources of frames."""
PEAK = 4.0
"""Square of the range of images, -1 to 1."""


class Imaginer(Protocol):
    """A model that can be scored: ``Act2Goal``, or another one that imagines and decodes."""

    @property
    def config(self) -> Act2GoalConfig:
        """Its temporal hashing gives the offsets of the frames."""

    @property
    def frame_shape(self) -> tuple[int, int, int, int]:
        """(V, C, h, w)."""

    @property
    def autoencoder(self) -> Encoder:
        """Decodes the frames."""

    def imagine(self, now: Tensor, goal: Tensor, plan_noise: Tensor, steps: int) -> Tensor:
        """Return the plan's frames (B, F, V, C, h, w)."""


@dataclass(frozen=True)
class Interval:
    """A mean with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class PlanScores:
    """Squared errors of every method, frame by frame of the plan."""

    names: tuple[str, ...]
    """Names of the F frames: ``+4``, ``+8``, ``distal 1`` .."""
    offsets: Tensor
    """(B, F) offsets of the frames [steps]."""
    episode: Tensor
    """(B,) number of the demonstration: samples of one demonstration are not independent."""
    latent: Mapping[str, Tensor]
    """Method -> (B, F) mean squared error of latents [variances of a latent channel]."""
    image: Mapping[str, Tensor]
    """Method -> (B, F) mean squared error of images in -1 to 1."""
    samples: int
    """Number of samples in ``mean``."""

    def latent_error(self, method: str, frame: int) -> Interval:
        """Return the mean squared error of latents."""
        return resampled(lambda mean: mean[..., 0], self.latent[method][:, frame, None], self.episode)

    def psnr(self, method: str, frame: int) -> Interval:
        """Return the peak signal-to-noise ratio of images [dB], from their mean squared error."""
        error = resampled(lambda mean: mean[..., 0], self.image[method][:, frame, None], self.episode)
        return Interval(_decibel(error.value), _decibel(error.high), _decibel(error.low))

    def ratio(self, baseline: str, frame: int) -> Interval | None:
        """Return ``limit`` relative to a baseline on the same samples; below 1 is better. None if the baseline is exact."""
        both = torch.stack([self._limit()[:, frame], self.latent[baseline][:, frame]], 1)
        if float(both[:, 1].mean()) < 1e-6:
            return None
        return resampled(lambda mean: mean[..., 0] / mean[..., 1].clamp(min=1e-12), both, self.episode)

    def limit_error(self, frame: int) -> Interval:
        """Return the latent error of the mean of infinitely many samples, an unbiased extrapolation."""
        return resampled(lambda mean: mean[..., 0], self._limit()[:, frame, None], self.episode)

    def _limit(self) -> Tensor:
        n = self.samples
        return (n * self.latent["mean"] - self.latent["sample"]) / (n - 1) if n > 1 else self.latent["mean"]

    def to_json(self) -> dict[str, Any]:
        """Return all scores: for each frame and method, value and interval."""
        frames = [
            {
                "frame": name,
                "offset_mean": round(float(self.offsets[:, i].double().mean()), 2),
                "latent_mse": {method: _rounded(self.latent_error(method, i)) for method in METHODS}
                | {"limit": _rounded(self.limit_error(i))},
                "psnr": {method: _rounded(self.psnr(method, i)) for method in METHODS},
                "ratio": {name: _rounded(self.ratio(name, i)) for name in ("copy", "blend")},
            }
            for i, name in enumerate(self.names)
        ]
        return {
            "n": len(self.offsets),
            "samples": self.samples,
            "episodes": int(self.episode.unique().numel()),
            "frames": frames,
        }


def _decibel(error: float) -> float:
    return 10 * math.log10(PEAK / max(error, 1e-10))


def _rounded(interval: Interval | None) -> list[float] | None:
    return None if interval is None else [round(value, 4) for value in (interval.value, interval.low, interval.high)]


def resampled(
    statistic: Callable[[Tensor], Tensor], values: Tensor, episode: Tensor, draws: int = 1000, seed: int = 0
) -> Interval:
    """Return a statistic of the mean (..., C) of values (B, C), with a bootstrap interval over whole episodes (B,)."""
    names, group = episode.unique(return_inverse=True)
    count = torch.bincount(group).double()
    total = torch.zeros(len(names), values.shape[1], dtype=torch.float64).index_add_(0, group, values.double())
    drawn = torch.randint(len(names), (draws, len(names)), generator=torch.Generator().manual_seed(seed))
    samples = statistic(total[drawn].sum(1) / count[drawn].sum(1, keepdim=True))
    low, high = samples.quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return Interval(float(statistic(total.sum(0) / count.sum())), low, high)


def frame_names(config: Act2GoalConfig) -> tuple[str, ...]:
    """Return the names of the plan's frames."""
    hashing = config.hashing
    near = [f"+{k}" for k in range(hashing.stride, hashing.proximal + 1, hashing.stride)]
    return (*near, *(f"distal {m}" for m in range(1, hashing.distal + 1)))


def ask(segments: Segments, each: int, beyond: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return (episode, step) of the samples: up to ``each`` steps of every episode, with more than ``beyond`` steps left.

    Nearer to the goal, distal frames are the goal itself, which the model sees.
    """
    generator = torch.Generator().manual_seed(seed)
    episodes, steps = [], []
    for e, length in enumerate(segments.length.tolist()):
        chosen = torch.randperm(max(0, length - beyond), generator=generator)[:each]
        episodes.append(torch.full_like(chosen, e))
        steps.append(chosen)
    return torch.cat(episodes), torch.cat(steps)


@torch.no_grad()
def score_plans(
    model: Imaginer,
    segments: Segments,
    images: Tensor,
    steps: int = 10,
    samples: int = 8,
    each: int = 3,
    seed: int = 0,
    batch: int = 16,
) -> PlanScores:
    """Score plans on held-out demonstrations.

    Args:
        model: the model that imagines.
        segments: demonstrations that it was not trained on, as latents of its own autoencoder.
        images: the frames of ``segments`` as images (N, V, H, W, 3) uint8, in the same order.
        steps: Euler steps of imagination.
        samples: imagined plans for each start.
        each: starts in each demonstration.
        seed: of starts and noise.
        batch: starts at a time.

    Raises:
        ValueError: no demonstration is longer than the near frames reach.
    """
    hashing = model.config.hashing
    episode, step = ask(segments, each, hashing.proximal, seed)
    if not len(episode):
        raise ValueError(f"no demonstration has more than {hashing.proximal} steps: there is nothing to predict.")
    generator = torch.Generator().manual_seed(seed)
    latent: dict[str, list[Tensor]] = {method: [] for method in METHODS}
    image: dict[str, list[Tensor]] = {method: [] for method in METHODS}
    offsets = hashing.frame_offsets(segments.length[episode] - step)
    for part in torch.arange(len(episode)).split(batch):
        starts = segments.gather(episode[part], step[part], segments.length[episode[part]], hashing)
        now, goal, truth = starts["now"], starts["goal"], starts["frames"]
        rows = (segments.first[episode[part]] + step[part]).unsqueeze(1) + offsets[part]
        real = to_tensor(images[rows])
        drawn = []
        for _ in range(samples):
            noise = torch.randn(len(part), hashing.frames, *model.frame_shape, generator=generator)
            drawn.append(model.imagine(now, goal, noise, steps))
        share = (offsets[part] / starts["steps_to_go"].unsqueeze(1)).reshape(*truth.shape[:2], 1, 1, 1, 1)
        predictions = {
            "mean": [torch.stack(drawn).mean(0)],
            "copy": [now.unsqueeze(1).expand_as(truth)],
            "blend": [(1 - share) * now.unsqueeze(1) + share * goal.unsqueeze(1)],
            "ceiling": [truth],
            "sample": drawn,
        }
        for method, frames in predictions.items():
            errors = [_errors(model.autoencoder, each_frames, truth, real) for each_frames in frames]
            latent[method].append(torch.stack([error[0] for error in errors]).mean(0))
            image[method].append(torch.stack([error[1] for error in errors]).mean(0))
    by_method = [{method: torch.cat(parts) for method, parts in kind.items()} for kind in (latent, image)]
    return PlanScores(frame_names(model.config), offsets, episode, by_method[0], by_method[1], samples)


def _errors(coder: Encoder, frames: Tensor, truth: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
    """Return the errors (B, F) of latents (B, F, V, C, h, w), and of their images against real ones (B, F, V, 3, H, W)."""
    decoded = coder.decode(frames.flatten(0, 2)).clamp(-1, 1).unflatten(0, frames.shape[:3])
    return (frames - truth).square().flatten(2).mean(2), (decoded - real).square().flatten(2).mean(2)
