"""Pretraining: trains a base on demonstrations, the autoencoder first and then the policy; can be resumed at any moment.

The losses are in ``stages.py``; this module has the training loop and the run's folder.
"""

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from a2g_cli.calibration.actuators import ActuatorModel, fit_actuators
from a2g_cli.core.errors import CheckpointError, RecordingError, UnknownNameError
from a2g_cli.data.recording.reader import Recording
from a2g_cli.encoding.frames import (
    LATENTS,
    encode_recordings,
    equivalent_count,
    read_latents,
    recordings_hash,
    sample_frames,
    write_latents,
)
from a2g_cli.encoding.segments import Segments, balance
from a2g_cli.models import checkpoint
from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.models.autoencoder import to_tensor
from a2g_cli.training import memory
from a2g_cli.training.autoencoder import psnr, take_autoencoder
from a2g_cli.training.device import TrainingDevice
from a2g_cli.training.pretrain_settings import PretrainSettings
from a2g_cli.training.stages import AutoencoderStage, PolicyStage, Stage
from a2g_cli.training.state import TrainingState, weights_hash
from a2g_cli.training.watcher import TrainingWatcher


@dataclass
class Pretraining:
    """One run in one folder: the state in ``state.safetensors``, and a checkpoint every ``save_every`` iterations."""

    folder: Path
    recordings: Sequence[Path]
    settings: PretrainSettings
    watcher: TrainingWatcher
    on_checkpoint: Callable[[int, Act2Goal, dict[str, Any]], None]
    """Called with (iteration, averaged model, facts), for example to write the checkpoint."""
    groups: Sequence[str] | None = None
    """The group of each recording, a scene or session; each group has a share of every batch. None: the folder's name."""
    machine: TrainingDevice = field(default_factory=TrainingDevice)
    """The device. Of several processes only the first writes; all must see the same ``folder``."""
    autoencoder: Path | None = None
    """A checkpoint, or the folder of a run, whose autoencoder is used, frozen; None: a new one is trained."""
    evaluate: Callable[[Act2Goal], dict[str, Any]] | None = None
    """Evaluates the averaged model every ``evaluate_every`` iterations of the policy, and at the end."""
    evaluate_every: int = 0
    seconds: float = field(default=0.0, init=False)
    evaluations: list[dict[str, Any]] = field(default_factory=list, init=False)
    """The results of ``evaluate``, each with its iteration."""
    _arrivals: tuple[Tensor, Tensor] | None = field(default=None, init=False)
    """Latents of frames two steps before the end of demonstrations, and of their last frames."""
    _resizing: str = field(default="", init=False)
    """In words: how images of another size are cropped and resized."""
    law: ActuatorModel | None = field(default=None, init=False)
    """The actuator model of the demonstrations; None before it is fitted, or if no single model fits."""

    def run(self) -> Act2Goal:
        """Train to the end, starting from the folder's state if there is one. Return the averaged model.

        Raises:
            RecordingError: no recording, or one that does not fit the others.
            CheckpointError: the folder contains a run with other settings.
            A2GError: not enough memory.
        """
        if not self.recordings:
            raise RecordingError("there is no recording to train on.")
        state = TrainingState.read(self.folder / "state.safetensors")
        groups = list(self.groups or [path.parent.name for path in self.recordings])
        if unknown := set(self.settings.shares) - set(groups):
            raise UnknownNameError("scene or session", min(unknown), groups)
        # A resumed run must have the same recordings and settings; otherwise its result would differ.
        data = self._identity()
        with Recording(self.recordings[0]) as first:
            config = self.settings.config(first.spec)
        survey = memory.survey(self.recordings, config)
        facts = {**asdict(self.settings), "recordings": data, "groups": dict(Counter(groups))}
        facts.pop("size")
        if survey.resizing:  # without resizing, --resize makes no difference
            facts["size"] = list(config.size)
            self._resizing = "; ".join(survey.resizing)
            self.watcher.note(f"{self._resizing} (choose another size with --resize WxH)")
        source = None if self.autoencoder is None else checkpoint.load(checkpoint.of_run(self.autoencoder))
        if source is not None:
            facts |= {"autoencoder": weights_hash(source.autoencoder), "autoencoder_iterations": 0}
        if state is not None and dict(state.settings) != facts:
            changed = sorted(key for key in facts if state.settings.get(key) != facts[key])
            raise CheckpointError(
                f"{self.folder} contains a run with other settings ({', '.join(changed)}): resume it with the same "
                "settings, or train into another folder."
            )
        self.machine.check(self.settings.batch)
        torch.manual_seed(self.settings.seed)
        model = Act2Goal(config).to(self.machine.device)
        self.watcher.note(
            memory.check(memory.need(model, self.settings, survey, self.machine), config, self.settings, self.machine)
        )
        self.seconds = state.seconds if state else 0.0
        self.evaluations = [dict(result) for result in state.evaluations] if state else []
        if state is not None and state.stage != "autoencoder":
            model.load_state_dict(state.part("model"))
        elif source is not None:
            take_autoencoder(model, source)
        else:
            self._autoencoder(model, state, facts)
            state = None
        model.autoencoder.requires_grad_(requires_grad=False)
        times = 1 + self.settings.copies
        all_groups = [group for group in groups for _ in range(times)]
        segments = balance(self._segments(model, data), all_groups, self.settings.shares)
        # Of every scene, without the augmented copies.
        some = times * torch.linspace(0, len(groups) - 1, min(512, len(groups))).long()
        ends = (segments.first + segments.length)[some]
        near = torch.maximum(ends - 2, segments.first[some])  # an episode may have only one action
        self._arrivals = segments.latents[near].float(), segments.latents[ends].float()
        self.law = fit_actuators(segments, model.config.action_names, model.config.proprioception_names)
        if state is None:
            model.set_scales(segments.actions, segments.proprioception)
        policy = PolicyStage(model, segments, self.settings)
        self.machine.prepare(model.world_model, model.expert)
        self._loop(policy, model, state, facts)
        return _averaged(policy, model)

    def _identity(self) -> str:
        self.watcher.started("reading recordings", len(self.recordings))
        data = recordings_hash(self.recordings, lambda i: self.watcher.advanced(i, {}))
        self.watcher.finished()
        return data

    def _autoencoder(self, model: Act2Goal, state: TrainingState | None, facts: dict[str, Any]) -> None:
        """Train the autoencoder and standardise its latents."""
        settings, coder = self.settings, model.autoencoder
        frames = sample_frames(model.config, self.recordings, settings.autoencoder_frames, settings.seed)
        self._loop(AutoencoderStage(model, frames, settings), model, state, facts)
        rows = torch.randint(frames.shape[0], (equivalent_count(512, model.config),))
        sample = to_tensor(frames[rows]).to(self.machine.device)
        coder.standardise(sample)
        # Round to half precision, as in the checkpoint, so that the policy trains on the latents that it will see later.
        coder.load_state_dict({name: value.half().float() for name, value in coder.state_dict().items()})
        self.watcher.note(f"autoencoder: {psnr(coder, sample):.1f} dB reconstruction")

    def _segments(self, model: Act2Goal, data: str) -> Segments:
        """Return the demonstrations as latents, from the cache if it has these recordings, encoded by this autoencoder."""
        settings, key = self.settings, f"{data} {weights_hash(model.autoencoder)}"
        if self._resizing:
            key += f" size {model.config.height}x{model.config.width}"
        if settings.copies:
            key += f" copies {settings.copies} seed {settings.seed}"
        if not self.machine.first:
            self.machine.wait()  # for the cache
        for folder in filter(None, (self.folder, self.autoencoder)):
            if (segments := read_latents(folder / LATENTS, key)) is not None:
                break
        else:
            self.watcher.started("encoding frames", len(self.recordings))
            segments = encode_recordings(
                model, self.recordings, lambda i: self.watcher.advanced(i, {}), settings.copies, settings.seed
            )
            self.watcher.finished()
            if self.machine.first:
                write_latents(segments, self.folder / LATENTS, key)
                segments = read_latents(self.folder / LATENTS, key) or segments  # mapped: takes less memory
        if self.machine.first:
            self.machine.wait()
        return segments

    def _loop(self, stage: Stage, model: Act2Goal, state: TrainingState | None, facts: dict[str, Any]) -> None:
        """Run the iterations of one stage, saving the state every ``save_every``."""
        start = 0
        if state is not None and state.stage == stage.name:
            start = state.iteration
            model.load_state_dict(state.part("model"))
            stage.optimiser.load(state.part("optimiser"))
            torch.set_rng_state(state.tensors["rng"])
            if stage.average is not None:
                stage.average.load(state.part("ema"), start)
        self.watcher.started(stage.name, stage.total)
        self.watcher.advanced(start, {})
        parameters = [p for p in stage.trained.parameters() if p.requires_grad]
        running: dict[str, float] = {}
        before, started, first = self.seconds, time.monotonic(), start
        for i in range(start, stage.total):
            losses = self.machine.backward(stage.draw(i), stage.losses, parameters)
            torch.nn.utils.clip_grad_norm_(parameters, self.settings.clip, foreach=True)
            stage.optimiser.step(_schedule(i, stage.total, self.settings.warm_up))
            if stage.average is not None:
                stage.average.update(model.state_dict())
            for name, value in losses.items():
                running[name] = value if name not in running else 0.98 * running[name] + 0.02 * value
            self.seconds = before + time.monotonic() - started
            if (i + 1) % 10 == 0 or i + 1 == stage.total:
                self.watcher.advanced(i + 1, running, (i + 1 - first) / max(self.seconds - before, 1e-9))
            if self._evaluated(stage, i + 1, model):
                self.watcher.started(stage.name, stage.total)
                self.watcher.advanced(i + 1, running)
                before, started, first = self.seconds, time.monotonic(), i + 1  # do not count the evaluation's time
            if (i + 1) % self.settings.save_every == 0 or i + 1 == stage.total or self._due(stage, i + 1):
                self._save(stage, i + 1, model, facts, running)
        if start >= stage.total:
            # The stage was complete already: write its results (checkpoint, model card) again.
            self._save(stage, stage.total, model, facts, dict(state.losses) if state else {})
        self.watcher.finished()

    def _due(self, stage: Stage, iteration: int) -> bool:
        """Whether the averaged model is to be evaluated after ``iteration``."""
        if self.evaluate is None or stage.average is None or not self.evaluate_every:
            return False
        return iteration % self.evaluate_every == 0 or iteration == stage.total

    def _evaluated(self, stage: Stage, iteration: int, model: Act2Goal) -> bool:
        """Evaluate the averaged model if due. Other processes wait at their next sum of gradients."""
        if not self._due(stage, iteration) or not self.machine.first or self.evaluate is None:
            return False
        with torch.random.fork_rng(devices=[]):  # the run's random numbers must not change
            result = self.evaluate(_averaged(stage, model))
        self.evaluations.append({"iteration": iteration, **result})
        return True

    def _save(
        self, stage: Stage, iteration: int, model: Act2Goal, facts: dict[str, Any], losses: dict[str, float]
    ) -> None:
        if not self.machine.first:
            return
        tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
        tensors |= {f"optimiser.{name}": value for name, value in stage.optimiser.tensors().items()}
        tensors["rng"] = torch.get_rng_state()
        if stage.average is not None:
            tensors |= {f"ema.{name}": value for name, value in stage.average.weights.items()}
        state = TrainingState(stage.name, iteration, self.seconds, facts, tensors, losses, self.evaluations)
        state.write(self.folder / "state.safetensors")
        if stage.average is None:
            return
        with torch.random.fork_rng(devices=[]):  # the run's random numbers must not change
            averaged = _averaged(stage, model)
            card = {"iteration": iteration, "seconds": round(self.seconds, 1), "losses": losses, "settings": facts}
            card |= {"computed": self.machine.to_json(), "evaluations": list(self.evaluations)}
            if self._resizing:
                card["resizing"] = self._resizing
            if self._arrivals is not None:
                card["arrived_below"] = round(_arrived_below(averaged, *self._arrivals), 3)
            if self.law is not None:
                card["motion_law"] = self.law.to_json()
            self.on_checkpoint(iteration, averaged, card)


def _averaged(stage: Stage, model: Act2Goal) -> Act2Goal:
    """Return the averaged model that is evaluated and saved: on the CPU, and not compiled, as it acts with other shapes."""
    averaged = Act2Goal(model.config)
    averaged.load_state_dict(model.state_dict() if stage.average is None else stage.average.weights)
    return averaged.requires_grad_(requires_grad=False).eval()


@torch.no_grad()
def _arrived_below(model: Act2Goal, near: Tensor, end: Tensor) -> float:
    """Return the 90 % quantile of the steps-to-go estimated two steps before the end of demonstrations [steps]."""
    return float(model.steps_to_go.steps(near, end).quantile(0.9))


def _schedule(iteration: int, total: int, warm_up: int) -> float:
    """Return the learning-rate factor: linear warm-up, then cosine decay to 2 %."""
    rise = min(1.0, (iteration + 1) / max(1, min(warm_up, total // 10)))
    return rise * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * iteration / total)))
