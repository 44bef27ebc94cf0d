"""Finetuning: trains a small LoRA adapter on hindsight-relabelled recordings; the base stays frozen.

The learning rule is GCSL (arXiv 1912.06088): whatever an episode achieved is treated as its goal, and the actions before it
as the right ones. PEFT does the LoRA, so that other tools can read the files.
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
from a2g_cli.adapters.goals import AdapterGoals, read_goals
from a2g_cli.calibration.transform import IDENTITY, DomainTransform
from a2g_cli.core.errors import A2GError, RecordingError, UsageError
from a2g_cli.core.files import sync_folder, sync_tree
from a2g_cli.data.relabelling import parse_mixture
from a2g_cli.encoding.episodes import EncodedEpisode, split
from a2g_cli.encoding.segments import Segments, join
from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.training import finetune_settings
from a2g_cli.training.batch_sources import BatchSource, HindsightBC
from a2g_cli.training.cotraining import Cotraining, RetentionReplay, cotrained
from a2g_cli.training.finetune_settings import FinetuneSettings, settings_from
from a2g_cli.training.finetuners import make_finetuner, target_modules
from a2g_cli.training.optimiser import adamw
from a2g_cli.training.practised_goals import practised_goals
from a2g_cli.training.retention import FeatureAlignment, nominal_error
from a2g_cli.training.retention_set import Retention
from a2g_cli.training.watcher import TrainingWatcher

__all__ = ["FinetuneResult", "FinetuneSettings", "Finetuning", "finetune", "settings_from", "target_modules"]


ADAPTING = "adapting"
"""Title of a finetuning."""
CURVE = 50
"""About how many points of a training's loss its lineage keeps."""


@dataclass(frozen=True)
class FinetuneResult:
    """The result of a finetuning."""

    folder: Path
    losses: dict[str, float]
    """``first`` and ``last``: the training loss. ``drift``: the last feature alignment loss, if it is on. ``held_out_before``
    and ``_after``: the loss on held-out episodes, if there are any; ``rehearsed_before`` and ``_after``: on the replayed ones
    among them. ``retention_before`` and ``_after``: the action error in the training domain of the parent and of the
    adapter, if the base has a retention set."""
    seconds: float
    episodes: int
    mean_weight: float


class Finetuning:
    """Trains one adapter, on a copy of the base that nobody else uses."""

    def __init__(self, model: Act2Goal, base: str, parent: Adapter | None, settings: FinetuneSettings) -> None:
        if parent is not None:
            check_base(parent, base)
            settings = _as_parent(parent, settings)
        self.base, self.parent, self.settings = base, parent, settings
        self.mixture = parse_mixture(settings.relabel)
        torch.manual_seed(settings.seed)
        self.finetuner = make_finetuner(model, base, parent, settings)
        self.model: Act2Goal = self.finetuner.model
        self.curve: list[tuple[int, float]] = []
        """(iteration, running training loss), at most ``CURVE`` points and the last."""

    def train(
        self,
        batch_source: BatchSource,
        recordings: Sequence[str],
        watcher: TrainingWatcher,
        interrupted: Callable[[], bool] = lambda: False,
        retention: Retention | None = None,
        demonstrations: Segments | None = None,
        replayed: Sequence[bool] = (),
    ) -> tuple[dict[str, float], float]:
        """Minimise the weighted action loss; return the losses (see ``FinetuneResult``) and the mean sample weight.

        Args:
            batch_source: of all ``recordings``.
            recordings: their names, which decide which of them are held out.
            watcher: shows the progress.
            interrupted: asked after every iteration.
            retention: segments of the training domain, on which the action error is measured before and after.
            demonstrations: cotraining segments.
            replayed: for each of ``recordings``, whether it replayed a demonstration. Held-out ones get a loss of their own.

        Raises:
            KeyboardInterrupt: interrupted.
        """
        settings = self.settings
        kept, held = split(recordings, settings.held_out, settings.held_out_always)
        training = batch_source.subset(kept)
        tests = {"held_out": held, "rehearsed": [i for i in held if replayed and replayed[i]]}
        tests = {name: episodes for name, episodes in tests.items() if episodes}
        if demonstrations is not None:
            training = Cotraining(training, demonstrations, settings.cotrain, self.model.config.hashing)
        alignment = FeatureAlignment(self.finetuner, retention, settings.seed) if settings.feature_alignment else None
        if settings.retention:
            if retention is None:
                raise UsageError("this base has no retention set: leave --retention out.")
            # What is trained on does not measure how much is forgotten.
            rows = torch.arange(len(retention)) % 2 == 0
            training = RetentionReplay(training, retention.take(rows), settings.retention)
            retention = retention.take(~rows)
        losses: dict[str, float] = {}
        losses |= {f"{name}_before": self.held_out_loss(batch_source.subset(some)) for name, some in tests.items()}
        if retention is not None:
            losses["retention_before"] = nominal_error(self.model, retention)
        parameters = self.finetuner.parameters()
        optimiser = adamw(parameters, settings.lr, weight_decay=0.0)
        generator = torch.Generator().manual_seed(settings.seed)
        torch.manual_seed(settings.seed)
        mean_weight, running = 0.0, {"action": 0.0}
        watcher.started(ADAPTING, settings.iterations)
        for i in range(settings.iterations):
            batch = training.batch(settings.batch, self.mixture, generator)
            mean_weight += (batch["weight"].mean().item() if "weight" in batch else 1.0) / settings.iterations
            noise = self.model.sample_noise(settings.batch, 0.0, settings.draws)
            loss = self.model.losses(batch, noise)["action"]
            value = loss.item()
            if alignment is not None:
                drift = alignment.drift(batch, noise["frame_noise"])
                loss, running["drift"] = loss + settings.feature_alignment * drift, drift.item()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            # A short linear warm-up, then a linear decay to a tenth.
            optimiser.step(min(1.0, (i + 1) / 10) * (1 - 0.9 * i / settings.iterations))
            running["action"] = value if i == 0 else 0.9 * running["action"] + 0.1 * value
            if i == 0:
                losses["first"] = value
            self._keep(i, running["action"])
            watcher.advanced(i + 1, {f"{name} loss": value for name, value in running.items()})
            if interrupted():
                raise KeyboardInterrupt
        watcher.finished()
        losses["last"] = running.pop("action")
        losses |= running
        losses |= {f"{name}_after": self.held_out_loss(batch_source.subset(some)) for name, some in tests.items()}
        if retention is not None:
            losses["retention_after"] = nominal_error(self.model, retention)
        return losses, mean_weight

    def _keep(self, i: int, running: float) -> None:
        """Add the running loss after iteration ``i`` to the curve, if its turn has come."""
        if i % max(1, self.settings.iterations // CURVE) == 0 or i == self.settings.iterations - 1:
            self.curve.append((i + 1, round(running, 5)))

    @torch.no_grad()
    def held_out_loss(self, batch_source: BatchSource) -> float:
        """Return the weighted action loss on some samples, with the same samples and noise at every call."""
        size = finetune_settings.HELD_OUT_SAMPLES
        generator = torch.Generator().manual_seed(self.settings.seed + 1)
        batch = batch_source.batch(size, self.mixture, generator)
        state = torch.get_rng_state()
        torch.manual_seed(self.settings.seed + 1)
        loss = self.model.losses(batch, self.model.sample_noise(size, 0.0, 2))["action"].item()
        torch.set_rng_state(state)
        return loss

    def save(self, folder: Path, lineage: dict[str, Any], goals: AdapterGoals | None = None) -> None:
        """Write adapter, lineage and goals; ``folder`` appears only when it is complete. Raises A2GError."""
        temporary = folder.with_name(f".{folder.name}.tmp")
        shutil.rmtree(temporary, ignore_errors=True)
        try:
            temporary.parent.mkdir(parents=True, exist_ok=True)
            self.finetuner.save(temporary)
            (temporary / LINEAGE).write_text(json.dumps(lineage, indent=2) + "\n", encoding="utf-8")
            if goals is not None:
                goals.write(temporary)
            sync_tree(temporary)
            temporary.rename(folder)
            sync_folder(folder.parent)
        except (OSError, SafetensorError) as error:
            raise A2GError(f"the adapter {folder} cannot be written: {error}") from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _as_parent(parent: Adapter, settings: FinetuneSettings) -> FinetuneSettings:
    """Return ``settings`` with the method, rank and scale of ``parent``. Raises UsageError if other ones were asked for."""
    if settings.method == "full":
        return settings
    if settings.method not in {parent.method, FinetuneSettings.method}:
        raise UsageError(
            f"adapter {parent.name!r} is a {parent.method} adapter: keep that --method, or start with --parent base."
        )
    if parent.method == "full" and settings.rank == FinetuneSettings.rank:
        return replace(settings, method="full")
    if settings.rank not in {parent.rank, FinetuneSettings.rank}:
        raise UsageError(
            f"adapter {parent.name!r} has rank {parent.rank}: keep that --rank, or start with --parent base."
        )
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
    """Finetune an adapter on relabelled recordings and write it to ``folder``.

    Args:
        model: the base's networks. They are changed, so pass a copy that nothing else uses.
        base: the base's hash.
        parent: the adapter to continue from; None: a new one.
        encoded: the episodes to learn from.
        folder: where the adapter is written; must not exist.
        settings: of the finetuning.
        watcher: shows the progress.
        interrupted: asked after every iteration.
        calibration: the adapter's domain transform, through which ``encoded`` was read.
        train: False: the weights stay the parent's, and only the domain transform is new.
        retention: the base's retention set. Its segments of the practising robot measure the error in the training domain.
        demonstrations: episodes for cotraining (``settings.cotrain``).

    Raises:
        RecordingError: no episodes, or demonstrations of another robot.
        UsageError: the parent has another method or rank, or a cotraining share without demonstrations.
        KeyboardInterrupt: interrupted; nothing is written.
    """
    if not encoded:
        raise RecordingError("there is no recording to learn from.")
    names = [episode.name for episode in encoded]
    cotraining = cotrained(encoded, demonstrations, settings.cotrain, settings.held_out)
    started = time.monotonic()
    goals = practised_goals(model, encoded) if settings.acts_on == "practised" and train else None
    if parent is not None and not train:  # the same weights, for the same goals
        goals = read_goals(parent)
    work = Finetuning(model, base, parent, settings)
    segments = join([episode.segments for episode in encoded])
    batch_source = HindsightBC(segments, work.model, work.settings.slowness_tau)
    own = None if retention is None else retention.of(encoded[0].robot)
    losses: dict[str, float] = {}
    weight = 1.0
    if train:
        replayed = [episode.replayed for episode in encoded]
        losses, weight = work.train(batch_source, names, watcher, interrupted, own, cotraining, replayed)
    seconds = time.monotonic() - started
    lineage = {
        "a2g_adapter": 1,
        "base": base,
        "parent": parent.name if parent else None,
        "parent_fingerprint": parent.fingerprint if parent else None,
        "recordings": names,
        "demonstrations": [demonstration.name for demonstration in demonstrations],
        "settings": asdict(work.settings),
        "calibration": calibration.to_json() if calibration else None,
        "acts_on": None if goals is None else list(goals.latents),
        "losses": {name: round(value, 5) for name, value in losses.items()},
        "loss_curve": work.curve,
        "mean_weight": round(weight, 4),
        "seconds": round(seconds, 2),
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "promotion": None,
    }
    work.save(folder, lineage, goals)
    return FinetuneResult(folder, losses, seconds, len(names), weight)
