"""Adaptation: hindsight-relabelled recordings, a frozen base, a small LoRA adapter that learns from them.

The learning rule is GCSL's: whatever an episode achieved is treated as its goal, and the actions that led there as the
right ones. PEFT does the LoRA; what it writes is what other tools read.
"""

import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from a2g_cli.adapters.files import LINEAGE, Adapter, check_base
from a2g_cli.calibration.transform import IDENTITY, DomainTransform
from a2g_cli.core.errors import A2GError, RecordingError, UsageError
from a2g_cli.core.files import sync_folder, sync_tree
from a2g_cli.data.relabelling import parse_mixture
from a2g_cli.encoding.episodes import EncodedEpisode, split
from a2g_cli.encoding.segments import Segments, join
from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.training.batch_sources import BatchSource, HindsightBC
from a2g_cli.training.cotraining import Cotraining, cotrained
from a2g_cli.training.finetune_settings import FinetuneSettings, settings_from
from a2g_cli.training.finetuners import make_finetuner, target_modules
from a2g_cli.training.optimiser import adamw
from a2g_cli.training.retention import FeatureAlignment, nominal_error
from a2g_cli.training.retention_set import Retention
from a2g_cli.training.watcher import TrainingWatcher

__all__ = ["FinetuneResult", "FinetuneSettings", "Finetuning", "finetune", "settings_from", "target_modules"]


@dataclass(frozen=True)
class FinetuneResult:
    """What an adaptation gave."""

    folder: Path
    losses: dict[str, float]
    """``first`` and ``last`` training loss; ``drift``, the last, where features are held; ``held_out_before`` and ``_after``
    where episodes were kept back, ``rehearsed_before`` and ``_after`` for those of them that were rehearsed;
    ``retention_before`` and ``_after``, the parent's error at home and the adapter's, where the base has a retention set."""
    seconds: float
    episodes: int
    mean_weight: float


class Finetuning:
    """One adapter in the making, on a copy of the base that only this object holds."""

    def __init__(self, model: Act2Goal, base: str, parent: Adapter | None, settings: FinetuneSettings) -> None:
        if parent is not None:
            check_base(parent, base)
            settings = _going_on(parent, settings)
        self.base, self.parent, self.settings = base, parent, settings
        self.mixture = parse_mixture(settings.relabel)
        torch.manual_seed(settings.seed)
        self.finetuner = make_finetuner(model, base, parent, settings)
        self.model: Act2Goal = self.finetuner.model

    def train(
        self,
        batch_source: BatchSource,
        recordings: Sequence[str],
        watcher: TrainingWatcher,
        interrupted: Callable[[], bool] = lambda: False,
        home: Retention | None = None,
        demonstrations: Segments | None = None,
        rehearsed: Sequence[bool] = (),
    ) -> tuple[dict[str, float], float]:
        """Minimise the weighted action loss on what the lesson draws; return losses and the mean weight.

        Args:
            lesson: of all ``recordings``.
            recordings: their names: which of them are held out.
            watcher: shown the progress.
            interrupted: asked after every iteration.
            home: what the result is held against before and after.
            demonstrations: what is mixed into every batch.
            rehearsed: of each of ``recordings``, whether it was rehearsed: of those that are held out, a loss of their own.
        """
        settings = self.settings
        kept, held = split(recordings, settings.held_out)
        training = batch_source.subset(kept)
        aside = {"held_out": held, "rehearsed": [i for i in held if rehearsed and rehearsed[i]]}
        if demonstrations is not None:
            training = Cotraining(training, demonstrations, settings.cotrain, self.model.config.hashing)
        hold = FeatureAlignment(self.finetuner, home, settings.seed) if settings.feature_alignment else None
        losses: dict[str, float] = {}
        losses |= {
            f"{name}_before": self.held_out_loss(batch_source.subset(some)) for name, some in aside.items() if some
        }
        if home is not None:
            losses["retention_before"] = nominal_error(self.model, home)
        parameters = self.finetuner.parameters()
        optimiser = adamw(parameters, settings.lr, weight_decay=0.0)
        generator = torch.Generator().manual_seed(settings.seed)
        torch.manual_seed(settings.seed)
        mean_weight, told = 0.0, {"action": 0.0}
        watcher.started("adapting", settings.iterations)
        for i in range(settings.iterations):
            batch = training.batch(settings.batch, self.mixture, generator)
            mean_weight += (batch["weight"].mean().item() if "weight" in batch else 1.0) / settings.iterations
            chance = self.model.sample_noise(settings.batch, 0.0, settings.draws)
            loss = self.model.losses(batch, chance)["action"]
            value = loss.item()
            if hold is not None:
                drift = hold.drift(batch, chance["frame_noise"])
                loss, told["drift"] = loss + settings.feature_alignment * drift, drift.item()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            # A short linear warm-up, then down to a tenth: a hundred iterations leave no time for more.
            optimiser.step(min(1.0, (i + 1) / 10) * (1 - 0.9 * i / settings.iterations))
            told["action"] = value if i == 0 else 0.9 * told["action"] + 0.1 * value
            if i == 0:
                losses["first"] = value
            watcher.advanced(i + 1, dict(told))
            if interrupted():
                raise KeyboardInterrupt
        watcher.finished()
        losses["last"] = told.pop("action")
        losses |= told
        losses |= {
            f"{name}_after": self.held_out_loss(batch_source.subset(some)) for name, some in aside.items() if some
        }
        if home is not None:
            losses["retention_after"] = nominal_error(self.model, home)
        return losses, mean_weight

    @torch.no_grad()
    def held_out_loss(self, batch_source: BatchSource, size: int = 512) -> float:
        """Return the weighted action loss on episodes not trained on: same samples and noise at every call."""
        generator = torch.Generator().manual_seed(self.settings.seed + 1)
        batch = batch_source.batch(size, self.mixture, generator)
        state = torch.get_rng_state()
        torch.manual_seed(self.settings.seed + 1)
        loss = self.model.losses(batch, self.model.sample_noise(size, 0.0, 2))["action"].item()
        torch.set_rng_state(state)
        return loss

    def save(self, folder: Path, lineage: dict[str, Any]) -> None:
        """Write adapter and lineage, visible under ``folder`` only when complete."""
        temporary = folder.with_name(f".{folder.name}.tmp")
        shutil.rmtree(temporary, ignore_errors=True)
        try:
            temporary.parent.mkdir(parents=True, exist_ok=True)
            self.finetuner.save(temporary)
            (temporary / LINEAGE).write_text(json.dumps(lineage, indent=2) + "\n", encoding="utf-8")
            sync_tree(temporary)
            temporary.rename(folder)
            sync_folder(folder.parent)
        except (OSError, SafetensorError) as error:
            raise A2GError(f"the adapter {folder} cannot be written: {error}") from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _going_on(parent: Adapter, settings: FinetuneSettings) -> FinetuneSettings:
    """Return ``settings`` for going on from ``parent``'s weights: same kind, rank and scale. Raises UsageError."""
    if settings.method == "full":
        return settings
    if settings.method not in {parent.method, FinetuneSettings.method}:
        raise UsageError(
            f"adapter {parent.name!r} is of the kind {parent.method}: go on with it, or start with --parent none."
        )
    if parent.method == "full" and settings.rank == FinetuneSettings.rank:
        return replace(settings, method="full")
    if settings.rank not in {parent.rank, FinetuneSettings.rank}:
        raise UsageError(f"adapter {parent.name!r} has rank {parent.rank}: go on with it, or start with --parent none.")
    return replace(settings, rank=parent.rank, alpha_per_rank=parent.alpha / parent.rank, method=parent.method)


def finetune(
    model: Act2Goal,
    base: str,
    parent: Adapter | None,
    encoded: Sequence[EncodedEpisode],
    folder: Path,
    settings: FinetuneSettings,
    watcher: TrainingWatcher,
    interrupted: Callable[[], bool] = lambda: False,
    calibration: DomainTransform = IDENTITY,
    train: bool = True,
    retention: Retention | None = None,
    demonstrations: Sequence[EncodedEpisode] = (),
) -> FinetuneResult:
    """Fine-tune an adapter on relabelled recordings and write it to ``folder``.

    Args:
        model: the base's networks; they are wrapped, so give a copy that nobody else acts with.
        base: the base's hash.
        parent: the adapter to go on from, None for a fresh one.
        practised: what to learn from.
        folder: where the adapter will be; must not exist.
        settings: how.
        watcher: shown the progress.
        interrupted: asked after every iteration.
        calibration: what the adapter carries, and by which ``encoded`` was read.
        train: whether there is anything to learn beside the calibration; if not, the weights stay the parent's.
        retention: what the base keeps of its demonstrations: the result is held against those of the robot that practised.
        demonstrations: what ``settings.cotrain`` mixes in.

    Raises:
        RecordingError: nothing to learn from, or demonstrations by another robot.
        UsageError: a parent of another kind, or a share of demonstrations and none of them.
        KeyboardInterrupt: interrupted; nothing is written.
    """
    if not encoded:
        raise RecordingError("there is no recording to adapt to.")
    names = [one.name for one in encoded]
    shown = cotrained(encoded, demonstrations, settings.cotrain, settings.held_out)
    begun = time.monotonic()
    work = Finetuning(model, base, parent, settings)
    segments = join([episode.segments for episode in encoded])
    batch_source = HindsightBC(segments, work.model, work.settings.slowness_tau)
    home = None if retention is None else retention.of(encoded[0].robot)
    closed = [one.replayed for one in encoded]
    losses, weight = work.train(batch_source, names, watcher, interrupted, home, shown, closed) if train else ({}, 1.0)
    seconds = time.monotonic() - begun
    lineage = {
        "a2g_adapter": 1,
        "base": base,
        "parent": parent.name if parent else None,
        "parent_fingerprint": parent.fingerprint if parent else None,
        "recordings": names,
        "demonstrations": [one.name for one in demonstrations],
        "settings": asdict(work.settings),
        "calibration": calibration.to_json() if calibration else None,
        "losses": {name: round(value, 5) for name, value in losses.items()},
        "mean_weight": round(weight, 4),
        "seconds": round(seconds, 2),
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "promotion": None,
    }
    work.save(folder, lineage)
    return FinetuneResult(folder, losses, seconds, len(names), weight)
