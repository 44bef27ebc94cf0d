"""Plan scores: the world model's imagined frames, held against what then really happened.

A held-out demonstration is stopped at step t with K steps left; its own last frame is the goal. The plan's frames stand for
the offsets of Multi-Scale Temporal Hashing: near ones at +r .. +P, distal ones up to +K. The model is not told K. When acting
nobody is, so a distal frame means "this far along the way that I have in mind": here it is judged as if that way had K steps,
which charges a plan for a wrong idea of the time as well as of the place.

Beside it stand, in the same latent space and through the same decoder:

    copy     the present frame                          what a model that sees no change would say
    blend    (1 - s) now + s goal,  s = offset / K      a cross-fade; it is told K, and is exact at the goal itself
    ceiling  the truth, through the autoencoder         what no plan can exceed in pictures

Imagined frames are samples of what may happen. The squared error of a sample is, on average, that of the mean of endless
samples plus their variance, and that of the mean of n plus a variance n times smaller. ``sample`` is what a person sees;
``mean`` is the mean of n; ``limit`` is what the two say of the mean of endless samples, which is what squared error rewards.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from a2g_cli.encoding.segments import Segments
from a2g_cli.models.autoencoder import Autoencoder, to_tensor
from a2g_cli.models.presets import Act2GoalConfig

METHODS = ("sample", "mean", "copy", "blend", "ceiling")
"""What gives frames, and so pictures."""
PEAK = 4.0
"""Square of the range of pictures, -1 to 1."""


class Imaginer(Protocol):
    """What is scored: an ``Act2Goal``, or whatever imagines and decodes."""

    @property
    def config(self) -> Act2GoalConfig:
        """Its hashing says what the frames stand for."""

    @property
    def frame_shape(self) -> tuple[int, int, int, int]:
        """(V, C, h, w)."""

    @property
    def autoencoder(self) -> Autoencoder:
        """Decodes."""

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
    """F names of frames: ``+4``, ``+8``, ``distal 1`` .."""
    offsets: Tensor
    """(B, F) what they stood for [steps]."""
    episode: Tensor
    """(B,) which demonstration: those of one are no independent evidence."""
    latent: Mapping[str, Tensor]
    """Method -> (B, F) mean squared error of latents [variances of a latent channel]."""
    picture: Mapping[str, Tensor]
    """Method -> (B, F) mean squared error of pictures in -1 to 1."""
    samples: int
    """Imaginations in ``mean``."""

    def latent_error(self, method: str, frame: int) -> Interval:
        """Return the mean squared error of latents."""
        return resampled(lambda mean: mean[..., 0], self.latent[method][:, frame, None], self.episode)

    def psnr(self, method: str, frame: int) -> Interval:
        """Return the peak signal-to-noise ratio of pictures [dB], of their mean squared error."""
        found = resampled(lambda mean: mean[..., 0], self.picture[method][:, frame, None], self.episode)
        return Interval(_decibel(found.value), _decibel(found.high), _decibel(found.low))

    def ratio(self, floor: str, frame: int) -> Interval | None:
        """Return ``limit`` relative to ``floor`` on the same questions: below 1 is better. None where the floor is exact."""
        both = torch.stack([self._limit()[:, frame], self.latent[floor][:, frame]], 1)
        if float(both[:, 1].mean()) < 1e-6:
            return None
        return resampled(lambda mean: mean[..., 0] / mean[..., 1].clamp(min=1e-12), both, self.episode)

    def limit_error(self, frame: int) -> Interval:
        """Return the latent error of the mean of endless samples, extrapolated without bias from one and from several."""
        return resampled(lambda mean: mean[..., 0], self._limit()[:, frame, None], self.episode)

    def _limit(self) -> Tensor:
        n = self.samples
        return (n * self.latent["mean"] - self.latent["sample"]) / (n - 1) if n > 1 else self.latent["mean"]

    def to_json(self) -> dict[str, Any]:
        """Return everything that is published: per frame and method, value and interval."""
        frames = [
            {
                "frame": name,
                "offset_mean": round(float(self.offsets[:, i].double().mean()), 2),
                "latent_mse": {method: _rounded(self.latent_error(method, i)) for method in METHODS}
                | {"limit": _rounded(self.limit_error(i))},
                "psnr": {method: _rounded(self.psnr(method, i)) for method in METHODS},
                "ratio": {floor: _rounded(self.ratio(floor, i)) for floor in ("copy", "blend")},
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


def _rounded(found: Interval | None) -> list[float] | None:
    return None if found is None else [round(value, 4) for value in (found.value, found.low, found.high)]


def resampled(
    statistic: Callable[[Tensor], Tensor], values: Tensor, episode: Tensor, draws: int = 1000, seed: int = 0
) -> Interval:
    """Return a statistic of means (..., C) of values (B, C) with its bootstrap interval; whole episodes (B,) are drawn."""
    names, group = episode.unique(return_inverse=True)
    count = torch.bincount(group).double()
    total = torch.zeros(len(names), values.shape[1], dtype=torch.float64).index_add_(0, group, values.double())
    drawn = torch.randint(len(names), (draws, len(names)), generator=torch.Generator().manual_seed(seed))
    found = statistic(total[drawn].sum(1) / count[drawn].sum(1, keepdim=True))
    low, high = found.quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return Interval(float(statistic(total.sum(0) / count.sum())), low, high)


def frame_names(config: Act2GoalConfig) -> tuple[str, ...]:
    """Return what the plan's frames are called."""
    hashing = config.hashing
    near = [f"+{k}" for k in range(hashing.stride, hashing.proximal + 1, hashing.stride)]
    return (*near, *(f"distal {m}" for m in range(1, hashing.distal + 1)))


def ask(segments: Segments, each: int, beyond: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return (episode, step), up to ``each`` steps of every episode, with more than ``beyond`` left to its end.

    Nearer the goal distal frames stand for the goal itself, and foretelling what one is shown is no feat.
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
    pictures: Tensor,
    steps: int = 10,
    samples: int = 8,
    each: int = 3,
    seed: int = 0,
    batch: int = 16,
) -> PlanScores:
    """Score plans on held-out demonstrations.

    Args:
        model: who imagines.
        segments: demonstrations that it was not trained on, as latents of its own autoencoder.
        pictures: the frames themselves (N, V, H, W, 3) uint8, row for row.
        steps: Euler steps of imagination.
        samples: imaginations a question.
        each: questions a demonstration.
        seed: of questions and noise.
        batch: questions at a time.

    Raises:
        ValueError: no demonstration is longer than the near frames reach.
    """
    hashing = model.config.hashing
    episode, step = ask(segments, each, hashing.proximal, seed)
    if not len(episode):
        raise ValueError(f"no demonstration has more than {hashing.proximal} steps: there is nothing to foretell.")
    generator = torch.Generator().manual_seed(seed)
    latent: dict[str, list[Tensor]] = {method: [] for method in METHODS}
    picture: dict[str, list[Tensor]] = {method: [] for method in METHODS}
    offsets = hashing.frame_offsets(segments.length[episode] - step)
    for some in torch.arange(len(episode)).split(batch):
        asked = segments.gather(episode[some], step[some], segments.length[episode[some]], hashing)
        now, goal, truth = asked["now"], asked["goal"], asked["frames"]
        rows = (segments.first[episode[some]] + step[some]).unsqueeze(1) + offsets[some]
        real = to_tensor(pictures[rows])
        drawn = []
        for _ in range(samples):
            noise = torch.randn(len(some), hashing.frames, *model.frame_shape, generator=generator)
            drawn.append(model.imagine(now, goal, noise, steps))
        share = (offsets[some] / asked["steps_to_go"].unsqueeze(1)).reshape(*truth.shape[:2], 1, 1, 1, 1)
        answers = {
            "mean": [torch.stack(drawn).mean(0)],
            "copy": [now.unsqueeze(1).expand_as(truth)],
            "blend": [(1 - share) * now.unsqueeze(1) + share * goal.unsqueeze(1)],
            "ceiling": [truth],
            "sample": drawn,
        }
        for method, given in answers.items():
            errors = [_errors(model.autoencoder, one, truth, real) for one in given]
            latent[method].append(torch.stack([error[0] for error in errors]).mean(0))
            picture[method].append(torch.stack([error[1] for error in errors]).mean(0))
    by_method = [{method: torch.cat(parts) for method, parts in found.items()} for found in (latent, picture)]
    return PlanScores(frame_names(model.config), offsets, episode, by_method[0], by_method[1], samples)


def _errors(coder: Autoencoder, frames: Tensor, truth: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
    """Return the errors (B, F) of latents (B, F, V, C, h, w) and of their pictures against real ones (B, F, V, 3, H, W)."""
    shown = coder.decode(frames.flatten(0, 2)).clamp(-1, 1).unflatten(0, frames.shape[:3])
    return (frames - truth).square().flatten(2).mean(2), (shown - real).square().flatten(2).mean(2)
