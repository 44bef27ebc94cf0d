"""Training a base from demonstrations: the autoencoder first, then the policy in two stages; resumable at any moment.

What is minimised is in stages.py; here is the loop around it, and the run's folder.
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
    """One run in one folder: ``state.safetensors`` while it goes on, a checkpoint after each ``save_every``."""

    folder: Path
    recordings: Sequence[Path]
    settings: PretrainSettings
    watcher: TrainingWatcher
    on_checkpoint: Callable[[int, Act2Goal, dict[str, Any]], None]
    """Called with (iteration, averaged model, facts): writes the checkpoint, evaluates, whatever the caller likes."""
    groups: Sequence[str] | None = None
    """What each recording belongs to, a scene or a session: every group has its share of a batch. None: their folders."""
    machine: TrainingDevice = field(default_factory=TrainingDevice)
    """What it is computed on; of several processes the first alone writes, and all see the same ``folder``."""
    autoencoder: Path | None = None
    """A checkpoint, or the folder of a run, whose frozen autoencoder is used; None: one is trained."""
    evaluate: Callable[[Act2Goal], dict[str, Any]] | None = None
    """Says how well the averaged model does; called every ``evaluate_every`` iterations of the policy, and at the end."""
    evaluate_every: int = 0
    seconds: float = field(default=0.0, init=False)
    evaluations: list[dict[str, Any]] = field(default_factory=list, init=False)
    """What ``evaluate`` said, each with its iteration."""
    _arrivals: tuple[Tensor, Tensor] | None = field(default=None, init=False)
    """Latents of frames two steps before the end of demonstrations, and of their ends."""
    _resizing: str = field(default="", init=False)
    """What is done to images of another size than the policy's, in words."""
    law: ActuatorModel | None = field(default=None, init=False)
    """What the demonstrations' motors made of commands; None before they are read, or where there is no one law."""

    def run(self) -> Act2Goal:
        """Train to the end, from wherever the folder's state says. Return the averaged model.

        Raises:
            RecordingError: no recording, or one that does not fit the others.
            CheckpointError: the folder holds a run with other settings.
            A2GError: it would take more memory than there is.
        """
        if not self.recordings:
            raise RecordingError("there is no recording to train from.")
        state = TrainingState.read(self.folder / "state.safetensors")
        groups = list(self.groups or [path.parent.name for path in self.recordings])
        if stranger := set(self.settings.shares) - set(groups):
            raise UnknownNameError("scene or session", min(stranger), groups)
        # Neither the recordings nor the saving interval may differ, or the run would not be the same run.
        data = self._identity()
        with Recording(self.recordings[0]) as first:
            config = self.settings.config(first.spec)
        found = memory.survey(self.recordings, config)
        facts = {**asdict(self.settings), "recordings": data, "groups": dict(Counter(groups))}
        facts.pop("size")
        if found.resizing:  # else what was recorded is what is learned from, however that was said
            facts["size"] = list(config.size)
            self._resizing = "; ".join(found.resizing)
            self.watcher.note(f"{self._resizing} (--resize WxH chooses another size)")
        taken = None if self.autoencoder is None else checkpoint.load(checkpoint.of_run(self.autoencoder))
        if taken is not None:
            facts |= {"autoencoder": weights_hash(taken.autoencoder), "autoencoder_iterations": 0}
        if state is not None and dict(state.settings) != facts:
            changed = sorted(key for key in facts if state.settings.get(key) != facts[key])
            raise CheckpointError(
                f"{self.folder} holds a run with other settings ({', '.join(changed)}): resume it with the same ones, "
                "or train into another folder."
            )
        self.machine.check(self.settings.batch)
        torch.manual_seed(self.settings.seed)
        model = Act2Goal(config).to(self.machine.device)
        self.watcher.note(
            memory.check(memory.need(model, self.settings, found, self.machine), config, self.settings, self.machine)
        )
        self.seconds = state.seconds if state else 0.0
        self.evaluations = [dict(one) for one in state.evaluations] if state else []
        if state is not None and state.stage != "autoencoder":
            model.load_state_dict(state.part("model"))
        elif taken is not None:
            take_autoencoder(model, taken)
        else:
            self._autoencoder(model, state, facts)
            state = None
        model.autoencoder.requires_grad_(requires_grad=False)
        times = 1 + self.settings.copies
        all_groups = [group for group in groups for _ in range(times)]
        segments = balance(self._segments(model, data), all_groups, self.settings.shares)
        # As they were demonstrated, of every scene.
        some = times * torch.linspace(0, len(groups) - 1, min(512, len(groups))).long()
        ends = (segments.first + segments.length)[some]
        near = torch.maximum(ends - 2, segments.first[some])  # an episode may have a single action
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
        found = recordings_hash(self.recordings, lambda i: self.watcher.advanced(i, {}))
        self.watcher.finished()
        return found

    def _autoencoder(self, model: Act2Goal, state: TrainingState | None, facts: dict[str, Any]) -> None:
        """Train the autoencoder, standardise its latents."""
        settings, coder = self.settings, model.autoencoder
        frames = sample_frames(model.config, self.recordings, settings.autoencoder_frames, settings.seed)
        self._loop(AutoencoderStage(model, frames, settings), model, state, facts)
        rows = torch.randint(frames.shape[0], (equivalent_count(512, model.config),))
        sample = to_tensor(frames[rows]).to(self.machine.device)
        coder.standardise(sample)
        # As it will be in the checkpoint: the policy learns from the very latents that it will meet.
        coder.load_state_dict({name: value.half().float() for name, value in coder.state_dict().items()})
        self.watcher.note(f"autoencoder: {psnr(coder, sample):.1f} dB reconstruction")

    def _segments(self, model: Act2Goal, data: str) -> Segments:
        """Return the demonstrations as latents, from a cache when one holds these recordings by this autoencoder."""
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
                segments = read_latents(self.folder / LATENTS, key) or segments  # a file's pages, not memory's
        if self.machine.first:
            self.machine.wait()
        return segments

    def _loop(self, stage: Stage, model: Act2Goal, state: TrainingState | None, facts: dict[str, Any]) -> None:
        """Run one stage's iterations, saving the whole state every ``save_every``."""
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
        shown: dict[str, float] = {}
        before, begun, first = self.seconds, time.monotonic(), start
        for i in range(start, stage.total):
            losses = self.machine.backward(stage.draw(i), stage.losses, parameters)
            torch.nn.utils.clip_grad_norm_(parameters, self.settings.clip, foreach=True)
            stage.optimiser.step(_schedule(i, stage.total, self.settings.warm_up))
            if stage.average is not None:
                stage.average.update(model.state_dict())
            for name, value in losses.items():
                shown[name] = value if name not in shown else 0.98 * shown[name] + 0.02 * value
            self.seconds = before + time.monotonic() - begun
            if (i + 1) % 10 == 0 or i + 1 == stage.total:
                self.watcher.advanced(i + 1, shown, (i + 1 - first) / max(self.seconds - before, 1e-9))
            if self._evaluated(stage, i + 1, model):
                self.watcher.started(stage.name, stage.total)
                self.watcher.advanced(i + 1, shown)
                before, begun, first = self.seconds, time.monotonic(), i + 1  # evaluating is not training
            if (i + 1) % self.settings.save_every == 0 or i + 1 == stage.total or self._due(stage, i + 1):
                self._save(stage, i + 1, model, facts, shown)
        if start >= stage.total:
            # Finished before: what the end is made into (checkpoint, card) may be wanted again.
            self._save(stage, stage.total, model, facts, dict(state.losses) if state else {})
        self.watcher.finished()

    def _due(self, stage: Stage, iteration: int) -> bool:
        """Whether the averaged model is to be evaluated after ``iteration``."""
        if self.evaluate is None or stage.average is None or not self.evaluate_every:
            return False
        return iteration % self.evaluate_every == 0 or iteration == stage.total

    def _evaluated(self, stage: Stage, iteration: int, model: Act2Goal) -> bool:
        """Evaluate the averaged model if that is due; the others wait when they next add up gradients."""
        if not self._due(stage, iteration) or not self.machine.first or self.evaluate is None:
            return False
        with torch.random.fork_rng(devices=[]):  # no part of the run
            found = self.evaluate(_averaged(stage, model))
        self.evaluations.append({"iteration": iteration, **found})
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
        with torch.random.fork_rng(devices=[]):  # what is done with a checkpoint is no part of the run
            averaged = _averaged(stage, model)
            told = {"iteration": iteration, "seconds": round(self.seconds, 1), "losses": losses, "settings": facts}
            told |= {"computed": self.machine.to_json(), "evaluations": list(self.evaluations)}
            if self._resizing:
                told["resizing"] = self._resizing
            if self._arrivals is not None:
                told["arrived_below"] = round(_arrived_below(averaged, *self._arrivals), 3)
            if self.law is not None:
                told["motion_law"] = self.law.to_json()
            self.on_checkpoint(iteration, averaged, told)


def _averaged(stage: Stage, model: Act2Goal) -> Act2Goal:
    """Return what is evaluated and shipped, on the CPU, and never compiled: it acts in other shapes than it learned in."""
    averaged = Act2Goal(model.config)
    averaged.load_state_dict(model.state_dict() if stage.average is None else stage.average.weights)
    return averaged.requires_grad_(requires_grad=False).eval()


@torch.no_grad()
def _arrived_below(model: Act2Goal, near: Tensor, end: Tensor) -> float:
    """Return the steps-to-go that nine in ten frames two steps before a demonstration's end stay below [steps]."""
    return float(model.steps_to_go.steps(near, end).quantile(0.9))


def _schedule(iteration: int, total: int, warm_up: int) -> float:
    """Return the learning-rate factor: linear warm-up, then a cosine down to 2 %."""
    rise = min(1.0, (iteration + 1) / max(1, min(warm_up, total // 10)))
    return rise * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * iteration / total)))
