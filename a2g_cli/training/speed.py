"""How long a training will take here: a few of its steps are measured, on numbers that mean nothing, before it begins."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from a2g_cli.calibration.nominal_fit import COPIES, FRAMES_PER_RECORDING, reader_step, sampled_recordings
from a2g_cli.encoding.frames import encode_frames
from a2g_cli.encoding.segments import Segments
from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.models.presets import Act2GoalConfig
from a2g_cli.training.budget import MINUTE, autoencoder_budget, policy_budget, reference_iterations
from a2g_cli.training.device import TrainingDevice
from a2g_cli.training.found import Found
from a2g_cli.training.pretrain_settings import PretrainSettings
from a2g_cli.training.stages import PolicyStage, Stage, first_stage

STEPS, PATIENCE = 3, 5.0
"""Steps that are measured of each kind after a first one, and the time after which no further one is [s]."""
FRAMES = 64


@dataclass(frozen=True)
class Speed:
    """What each part of a training costs on this machine [s]."""

    autoencoder: float
    """One iteration."""
    frame: float
    """To encode one frame of one camera."""
    joint: float
    """One iteration that learns frames and actions."""
    action: float
    """One iteration that learns actions alone."""
    reader: float
    """One iteration of the tool keypoint network; 0 if there is none."""


def measure_speed(config: Act2GoalConfig, settings: PretrainSettings, machine: TrainingDevice) -> Speed:
    """Return how fast this machine trains a policy. It uses no data, and leaves torch's random numbers as they were."""
    alone = replace(machine, rank=0, processes=1, accelerator=None, compiled=False)
    batch = max(machine.accumulate, settings.batch // machine.processes)
    settings = replace(settings, batch=max(2, batch))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Act2Goal(config).to(machine.device)
        frames = torch.randint(0, 256, (FRAMES, *config.size, 3), dtype=torch.uint8)
        autoencoder = _timed(first_stage(model, frames, settings), alone, 0.0)
        model.autoencoder.requires_grad_(requires_grad=False)
        frame = _least(lambda: encode_frames(model, frames.numpy())) / FRAMES
        segments = Segments(
            torch.randn(FRAMES, *model.frame_shape).half(),
            torch.randn(FRAMES, len(config.proprioception_names)),
            torch.randn(FRAMES, len(config.action_names)),
            torch.tensor([0]),
            torch.tensor([FRAMES - 1]),
        )
        policy = PolicyStage(model, segments, settings)
        joint, action = (_timed(policy, alone, progress) for progress in (0.0, 1.0))
        step = reader_step(config)
        reader = 0.0 if step is None else _least(step)
    return Speed(autoencoder, frame, joint, action, reader)


def _timed(stage: Stage, machine: TrainingDevice, progress: float) -> float:
    parameters = [p for p in stage.trained.parameters() if p.requires_grad]

    def step() -> None:
        machine.backward(stage.draw(progress), stage.losses, parameters)
        stage.optimiser.step(1e-6)

    return _least(step)


def _least(step: Callable[[], object]) -> float:
    """Return the mean time of a few runs of ``step`` after a first one [s]; of the first, if that took long."""
    times: list[float] = []
    for _ in range(1 + STEPS):
        started = time.monotonic()
        step()
        times.append(time.monotonic() - started)
        if sum(times) > PATIENCE:
            break
    later = times[1:] or times
    return sum(later) / len(later)


@dataclass(frozen=True)
class Plan:
    """What a training will be: how long, and how many iterations."""

    parts: dict[str, float]
    """Part -> its time [s]."""
    iterations: int
    """Of the policy."""
    batch: int

    @property
    def seconds(self) -> float:
        """Time of the whole training, without evaluations [s]."""
        return sum(self.parts.values())

    @property
    def segments(self) -> int:
        """Segments that the policy sees."""
        return self.iterations * self.batch

    def line(self) -> str:
        """Return it in words."""
        parts = ", ".join(f"{name} {_minutes(seconds)}" for name, seconds in self.parts.items() if seconds)
        return (
            f"this will take {_minutes(self.seconds)} here ({parts}; measured just now, evaluations not counted): "
            f"{self.iterations} iterations of {self.batch} segments"
        )


def plan_training(
    speed: Speed, settings: PretrainSettings, config: Act2GoalConfig, found: Found, borrowed: bool
) -> Plan:
    """Return how long a training takes from its beginning; ``borrowed``: the autoencoder is another base's."""
    cameras, share = len(config.cameras), settings.joint_share
    frames = (found.steps + found.episodes) * cameras * (1 + settings.copies)
    sampled = sampled_recordings(config, found.episodes) * FRAMES_PER_RECORDING * cameras * (1 + COPIES)
    each = share * speed.joint + (1 - share) * speed.action
    coder = 0.0 if borrowed else settings.autoencoder_iterations * speed.autoencoder
    encode, reference = frames * speed.frame, sampled * speed.frame if speed.reader else 0.0
    if settings.minutes is None:
        iterations = settings.joint_iterations + settings.action_iterations
        policy, reference = iterations * each, reference + settings.reader_iterations * speed.reader
    else:
        coder = min(coder, autoencoder_budget(settings).ends or math.inf)
        budget = policy_budget(settings, coder + encode)
        policy = (budget.ends or 0.0) - budget.begins
        iterations = max(1, round(policy / each))
        reference += reference_iterations(settings, speed.reader) * speed.reader
    parts = {"autoencoder": coder, "encoding": encode, "policy": policy, "reference data": reference}
    return Plan(parts, iterations, settings.batch)


def _minutes(seconds: float) -> str:
    if seconds < 0.95 * MINUTE:
        return f"about {seconds:.0f} s" if seconds >= 0.5 else "less than 1 s"
    return f"about {seconds / MINUTE:.0f} min" if seconds < 90 * MINUTE else f"about {seconds / MINUTE / 60:.1f} h"
