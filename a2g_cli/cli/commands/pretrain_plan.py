"""What ``a2g pretrain`` says before it begins: what it found, how long it will take here, whether that is likely to do."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from a2g_cli.core.errors import CheckpointError
from a2g_cli.data.recording.reader import Recording
from a2g_cli.encoding.frames import sample_frames
from a2g_cli.models import checkpoint
from a2g_cli.models.autoencoder import to_tensor
from a2g_cli.models.presets import Act2GoalConfig
from a2g_cli.training.autoencoder import psnr
from a2g_cli.training.budget import MINUTE
from a2g_cli.training.device import TrainingDevice
from a2g_cli.training.found import Found, survey_demonstrations
from a2g_cli.training.pretrain_settings import PretrainSettings
from a2g_cli.training.speed import Plan, Speed, measure_speed, plan_training
from a2g_cli.training.verdict import advance
from a2g_cli.training.watcher import TrainingWatcher

FEWEST, MOST = 10, 20
"""Demonstrations of a group below which none is held out, and most that are."""


def split_off(paths: Sequence[Path], groups: Sequence[str], share: float) -> list[bool]:
    """Return which demonstrations are held out: ``share`` of each group, at least one and at most ``MOST``.

    The hash of a file's name decides, so that a demonstration stays held out when more are recorded.
    """
    by_group: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for i, (path, group) in enumerate(zip(paths, groups, strict=True)):
        by_group[group].append((int.from_bytes(hashlib.sha256(path.name.encode()).digest()[:4]), i))
    held: set[int] = set()
    for numbers in by_group.values():
        if share and len(numbers) >= FEWEST:
            numbers.sort()
            below = [i for number, i in numbers if number < share * 2**32]
            held |= set(below[:MOST] or [numbers[0][1]])
    return [i in held for i in range(len(paths))]


@dataclass(frozen=True)
class Announced:
    """What was said before a training."""

    found: Found
    speed: Speed
    plan: Plan
    doubts: tuple[str, ...]
    """What is likely to be too little."""

    def to_json(self) -> dict[str, Any]:
        """Return the entry of the document."""
        planned = {name: round(seconds, 1) for name, seconds in self.plan.parts.items()}
        return {
            **self.found.to_json(),
            "planned_seconds": planned,
            "planned_iterations": self.plan.iterations,
            "doubts": list(self.doubts),
        }


def announce(
    paths: Sequence[Path],
    held_out: int,
    settings: PretrainSettings,
    machine: TrainingDevice,
    autoencoder: Path | None,
    view: TrainingWatcher,
    *,
    begun: bool = False,
) -> Announced:
    """Say what ``paths`` hold, how long training on them takes here, and what is likely to be too little.

    ``begun``: the training goes on where it was stopped, so less is left.

    Raises:
        RecordingError: a recording cannot be read.
        UsageError, CheckpointError: the preset does not fit the data.
    """
    with Recording(paths[0]) as first:
        config = settings.config(first.spec)
    found = survey_demonstrations(paths, held_out)
    for line in found.lines():
        view.note(line)
    view.note("measuring how fast this machine trains")
    speed = measure_speed(config, settings, machine)
    plan = plan_training(speed, settings, config, found, autoencoder is not None)
    view.note(plan.line() + ("; in all: it goes on where it was stopped" if begun else ""))
    doubts = advance(len(paths), plan.segments)
    for doubt in doubts:
        view.note(f"budget: {doubt}")
    if not doubts:
        view.note("budget: enough for a base of one simple task, as far as was measured (docs/pretraining.md)")
    if autoencoder is None and (hint := _borrowing(paths, config, plan)):
        view.note(hint)
    return Announced(found, speed, plan, tuple(doubts))


def _borrowing(paths: Sequence[Path], config: Act2GoalConfig, plan: Plan) -> str:
    """Return what the autoencoder of the shipped base would save, and how well it knows these frames; empty if it cannot."""
    saved = plan.parts["autoencoder"]
    with suppress(CheckpointError):
        shipped = checkpoint.load()
        same = (shipped.config.encoder, shipped.config.latent_channels, shipped.config.autoencoder_width)
        if saved < MINUTE or same != (config.encoder, config.latent_channels, config.autoencoder_width):
            return ""
        frames = sample_frames(config, paths, 64, 0)
        with torch.no_grad():
            quality = psnr(shipped.autoencoder, to_tensor(frames))
        return (
            f"`--autoencoder {checkpoint.SHIPPED}` would take that of the shipped base instead of training one: "
            f"{saved / MINUTE:.0f} min less; it reconstructs these frames to {quality:.1f} dB as it is"
        )
    return ""
