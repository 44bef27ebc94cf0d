"""Estimates the memory of a training before it starts, and refuses one that does not fit."""

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from a2g_cli.calibration.nominal_fit import FRAMES_PER_RECORDING, sampled_recordings
from a2g_cli.core.errors import A2GError
from a2g_cli.data.recording.reader import Recording
from a2g_cli.encoding.frames import check_recording, sample_size
from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.models.presets import Act2GoalConfig
from a2g_cli.policies.image_size import in_words
from a2g_cli.training.autoencoder import decoding_loss, reconstruction_loss
from a2g_cli.training.device import TrainingDevice
from a2g_cli.training.pretrain_settings import PretrainSettings

COPIES_OF_WEIGHTS = 7
"""Weights, gradients, two moments, the average, and two copies while a checkpoint is written."""
MARGIN = 2.0
"""Memory of a training step, relative to what autograd keeps for the backward pass: gradients and temporary values."""
CODING = 256 * 2**20
"""Memory for encoding frames [bytes]."""
LIMITS = ("memory.max", "memory/memory.limit_in_bytes")
"""Files with a container's memory limit below ``/sys/fs/cgroup``: cgroup version 2 and version 1."""


@dataclass(frozen=True)
class Survey:
    """The size of the training data."""

    recordings: int
    frames: int
    """Time steps of all recordings."""
    longest: int
    """Time steps of the longest recording."""
    resizing: tuple[str, ...]
    """In words: how images of another size are cropped and resized; empty if none are."""


def survey(paths: Sequence[Path], config: Act2GoalConfig) -> Survey:
    """Return the size of the data. Raises RecordingError if a recording does not fit the policy."""
    lengths, resizing = [], set()
    for path in paths:
        with Recording(path) as recording:
            check_recording(recording, config)
            lengths.append(recording.length + 1)
            resizing |= {in_words(recording.spec.cameras, config.size)}
    return Survey(len(lengths), sum(lengths), max(lengths), tuple(sorted(resizing - {""})))


@dataclass(frozen=True)
class Need:
    """The largest memory of each part of a training [bytes]."""

    images: int
    """Frames for the autoencoder, or, later, for the base's reference data."""
    latents: int
    """All demonstrations as latents, and one of them as images."""
    weights: int
    step: int
    """One training step on one slice of a batch."""

    def of_host(self, machine: TrainingDevice) -> int:
        """Return the main memory that is needed [bytes]."""
        data = max(self.images, self.latents)
        return data + (self.weights + self.step if machine.device.type == "cpu" else self.weights)

    def of_device(self, machine: TrainingDevice) -> int:
        """Return the GPU memory that is needed [bytes]; 0 on a CPU."""
        return 0 if machine.device.type == "cpu" else self.weights + self.step


def need(model: Act2Goal, settings: PretrainSettings, data: Survey, machine: TrainingDevice) -> Need:
    """Return the largest memory that training ``model`` needs."""
    config = model.config
    image = 3 * config.height * config.width
    cameras = len(config.cameras)
    recordings, each = sample_size(config, data.recordings, settings.autoencoder_frames)
    sampled = 2 * FRAMES_PER_RECORDING * sampled_recordings(config, data.recordings)
    images = max(recordings * min(each, data.longest), sampled)
    latents = 2 * math.prod(model.frame_shape) * data.frames * (1 + settings.copies)
    slices = math.ceil(settings.batch / (machine.processes * machine.accumulate))
    return Need(
        images=images * cameras * image + CODING,
        latents=latents + data.longest * cameras * image + CODING,
        weights=COPIES_OF_WEIGHTS * 4 * sum(value.numel() for value in model.state_dict().values()),
        step=int(MARGIN * slices * _kept_by_a_sample(config, settings)),
    )


def _kept_by_a_sample(config: Act2GoalConfig, settings: PretrainSettings) -> float:
    """Return what autograd keeps for one sample's loss [bytes], extrapolated from two small image sizes."""
    side = 8 * math.lcm(config.context_patch, config.plan_patch)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # more threads would only wait for each other on so small a task
    try:
        with torch.random.fork_rng(devices=[]):
            low, high = (_measured(Act2Goal(replace(config, height=s, width=s)), settings) for s in (side, 2 * side))
    finally:
        torch.set_num_threads(threads)
    growth = (config.height * config.width - side**2) / (3 * side**2)
    return max(small + growth * (large - small) for small, large in zip(low, high, strict=True))


def _measured(model: Act2Goal, settings: PretrainSettings) -> tuple[int, int]:
    """Return what autograd keeps for one more sample, for the losses of autoencoder and policy [bytes]."""
    coding = [_kept(partial(_autoencoder_loss, model, batch)) for batch in (1, 2)]
    acting = [_kept(partial(_policy_loss, model, batch, settings.draws)) for batch in (1, 2)]
    return coding[1] - coding[0], acting[1] - acting[0]


def _autoencoder_loss(model: Act2Goal, batch: int) -> Tensor:
    images = torch.zeros(batch, 3, *model.config.size)
    noise = torch.zeros(batch, *model.frame_shape[1:])
    if model.autoencoder.frozen:
        return decoding_loss(model.autoencoder, noise, images, images[:, :1], noise)
    return reconstruction_loss(model.autoencoder, images, images[:, :1], noise)


def _policy_loss(model: Act2Goal, batch: int, draws: int) -> Tensor:
    config, latent = model.config, torch.zeros(batch, *model.frame_shape)
    actions = config.hashing.actions
    losses = model.losses(
        {
            "now": latent,
            "goal": latent,
            "frames": torch.zeros(batch, config.hashing.frames, *model.frame_shape),
            "actions": torch.zeros(batch, actions, len(config.action_names)),
            "mask": torch.ones(batch, actions, dtype=torch.bool),
            "proprioception": torch.zeros(batch, len(config.proprioception_names)),
        },
        model.sample_noise(batch, 1.0, draws),
    )
    return losses["action"] + losses["video"]


def _kept(loss: Callable[[], Tensor]) -> int:
    """Return the size of the tensors that autograd keeps of a forward pass [bytes], each counted once."""
    kept: dict[int, Tensor] = {}

    def keep(value: Tensor) -> Tensor:
        kept[value.untyped_storage().data_ptr()] = value
        return value

    with torch.enable_grad(), saved_tensors_hooks(keep, lambda value: value):
        loss()
    return sum(value.untyped_storage().nbytes() for value in kept.values())


def check(wanted: Need, config: Act2GoalConfig, settings: PretrainSettings, machine: TrainingDevice) -> str:
    """Return in words how much memory a training needs and how much is free.

    Raises:
        A2GError: it needs more than is free.
    """
    sides = [("memory", wanted.of_host(machine), _free())]
    if machine.device.type == "cuda":
        sides.append(("GPU memory", wanted.of_device(machine), torch.cuda.mem_get_info(machine.device)[0]))
    for what, most, free in sides:
        if most > free:
            raise A2GError(
                f"training at {config.width}x{config.height} px with a batch of {settings.batch} needs about "
                f"{_amount(most)} of {what}, but only {_amount(free)} are free: choose a smaller --resize, a smaller "
                "--batch, or --accumulate N to compute a batch in N slices."
            )
    return "; ".join(f"{what}: about {_amount(most)} needed, {_amount(free)} free" for what, most, free in sides)


def _free() -> int:
    """Return the memory that this process may still use [bytes], within a container's limit."""
    import psutil

    free = psutil.virtual_memory().available
    for name in LIMITS:
        with suppress(OSError, ValueError):  # no such file, or "max": no limit
            free = min(free, int((Path("/sys/fs/cgroup") / name).read_text()) - psutil.Process().memory_info().rss)
    return max(0, free)


def _amount(number: int) -> str:
    return f"{number / 1e9:.1f} GB"
