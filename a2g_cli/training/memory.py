"""How much memory a training takes at most, known before it begins: what does not fit is refused, not killed hours later."""

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
from a2g_cli.training.autoencoder import reconstruction_loss
from a2g_cli.training.device import TrainingDevice
from a2g_cli.training.pretrain_settings import PretrainSettings

COPIES_OF_WEIGHTS = 7
"""Weights, gradients, two moments, their average, and two that a checkpoint is made of."""
MARGIN = 2.0
"""What a training step takes, relative to what it keeps for its gradients: those themselves, and what lies in between."""
CODING = 256 * 2**20
"""What coding some frames takes [bytes]."""
LIMITS = ("memory.max", "memory/memory.limit_in_bytes")
"""Where Linux says how much memory a container may take, below ``/sys/fs/cgroup``: version 2 and version 1."""


@dataclass(frozen=True)
class Survey:
    """What there is to learn from."""

    recordings: int
    frames: int
    """Moments of all recordings."""
    longest: int
    """Of them, in one recording."""
    resizing: tuple[str, ...]
    """What is done to images of another size than the policy's, in words; empty for nothing."""


def survey(paths: Sequence[Path], config: Act2GoalConfig) -> Survey:
    """Return what recordings hold, each held against the policy. Raises RecordingError."""
    lengths, told = [], set()
    for path in paths:
        with Recording(path) as recording:
            check_recording(recording, config)
            lengths.append(recording.length + 1)
            told |= {in_words(recording.spec.cameras, config.size)}
    return Survey(len(lengths), sum(lengths), max(lengths), tuple(sorted(told - {""})))


@dataclass(frozen=True)
class Need:
    """The most memory that each part of a training takes [bytes]."""

    images: int
    """Frames that the autoencoder learns from, or, later, that the base is to keep something of."""
    latents: int
    """All demonstrations, encoded, and one of them as images."""
    weights: int
    step: int
    """One training step on one slice of a batch."""

    def of_host(self, machine: TrainingDevice) -> int:
        """Return what is taken of the computer's memory."""
        held = max(self.images, self.latents)
        return held + (self.weights + self.step if machine.device.type == "cpu" else self.weights)

    def of_device(self, machine: TrainingDevice) -> int:
        """Return what is taken of a GPU's own memory; 0 where there is none."""
        return 0 if machine.device.type == "cpu" else self.weights + self.step


def need(model: Act2Goal, settings: PretrainSettings, found: Survey, machine: TrainingDevice) -> Need:
    """Return the memory that training ``model`` takes at most."""
    config = model.config
    image = 3 * config.height * config.width
    cameras = len(config.cameras)
    some, each = sample_size(config, found.recordings, settings.autoencoder_frames)
    seen = max(some * min(each, found.longest), 2 * FRAMES_PER_RECORDING * sampled_recordings(config, found.recordings))
    latents = 2 * math.prod(model.frame_shape) * found.frames * (1 + settings.copies)
    slices = math.ceil(settings.batch / (machine.processes * machine.accumulate))
    return Need(
        images=seen * cameras * image + CODING,
        latents=latents + found.longest * cameras * image + CODING,
        weights=COPIES_OF_WEIGHTS * 4 * sum(value.numel() for value in model.state_dict().values()),
        step=int(MARGIN * slices * _kept_by_a_sample(config, settings)),
    )


def _kept_by_a_sample(config: Act2GoalConfig, settings: PretrainSettings) -> float:
    """Return what one sample's loss keeps for its gradients [bytes]: it grows with the pixels."""
    side = 8 * math.lcm(config.context_patch, config.plan_patch)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # for so little, more of them only wait for each other
    try:
        with torch.random.fork_rng(devices=[]):
            low, high = (_measured(Act2Goal(replace(config, height=s, width=s)), settings) for s in (side, 2 * side))
    finally:
        torch.set_num_threads(threads)
    growth = (config.height * config.width - side**2) / (3 * side**2)
    return max(one + growth * (two - one) for one, two in zip(low, high, strict=True))


def _measured(model: Act2Goal, settings: PretrainSettings) -> tuple[int, int]:
    """Return what one more sample in a batch makes the losses of autoencoder and policy keep [bytes]."""
    coding = [_kept(partial(_autoencoder_loss, model, batch)) for batch in (1, 2)]
    acting = [_kept(partial(_policy_loss, model, batch, settings.draws)) for batch in (1, 2)]
    return coding[1] - coding[0], acting[1] - acting[0]


def _autoencoder_loss(model: Act2Goal, batch: int) -> Tensor:
    images = torch.zeros(batch, 3, *model.config.size)
    noise = torch.zeros(batch, *model.frame_shape[1:])
    return reconstruction_loss(model.autoencoder, images, images[:, :1], noise)


def _policy_loss(model: Act2Goal, batch: int, draws: int) -> Tensor:
    config, latent = model.config, torch.zeros(batch, *model.frame_shape)
    actions = config.hashing.actions
    found = model.losses(
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
    return found["action"] + found["video"]


def _kept(loss: Callable[[], Tensor]) -> int:
    """Return the size of what autograd keeps of a forward pass [bytes], everything once."""
    kept: dict[int, Tensor] = {}

    def keep(value: Tensor) -> Tensor:
        kept[value.untyped_storage().data_ptr()] = value
        return value

    with torch.enable_grad(), saved_tensors_hooks(keep, lambda value: value):
        loss()
    return sum(value.untyped_storage().nbytes() for value in kept.values())


def check(wanted: Need, config: Act2GoalConfig, settings: PretrainSettings, machine: TrainingDevice) -> str:
    """Return in words how much memory a training takes at most, and how much is free.

    Raises:
        A2GError: it takes more than is free.
    """
    sides = [("memory", wanted.of_host(machine), _free())]
    if machine.device.type == "cuda":
        sides.append(("GPU memory", wanted.of_device(machine), torch.cuda.mem_get_info(machine.device)[0]))
    for what, most, free in sides:
        if most > free:
            raise A2GError(
                f"training at {config.width}x{config.height} px with a batch of {settings.batch} takes about "
                f"{_amount(most)} of {what}, and {_amount(free)} are free: choose a smaller --resize, a smaller --batch, or "
                "--accumulate N to compute a batch in N slices."
            )
    return "; ".join(f"{what}: about {_amount(most)} at most, {_amount(free)} are free" for what, most, free in sides)


def _free() -> int:
    """Return how much memory this process may still take [bytes], a container's limit included."""
    import psutil

    free = psutil.virtual_memory().available
    for name in LIMITS:
        with suppress(OSError, ValueError):  # no such file, or "max": there is no such limit
            free = min(free, int((Path("/sys/fs/cgroup") / name).read_text()) - psutil.Process().memory_info().rss)
    return max(0, free)


def _amount(number: int) -> str:
    return f"{number / 1e9:.1f} GB"
