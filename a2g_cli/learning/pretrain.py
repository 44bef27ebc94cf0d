"""Training a base from demonstrations: the autoencoder first, then the policy in two stages; resumable at any moment.

Stage ``joint`` minimises L_action + w * L_video; stage ``action`` minimises L_action alone, end to end, so gradients reach
the world model (Act2Goal, offline training). The steps-to-go head learns beside them with weights of its own.
"""

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from a2g_cli.errors import CheckpointError, RecordingError, UnknownNameError
from a2g_cli.learning.autoencoding import augment, psnr, reconstruction_loss, take_autoencoder
from a2g_cli.learning.hindsight import parse_mixture
from a2g_cli.learning.latents import LATENTS, encode_recordings, identity, read_latents, sample_frames, write_latents
from a2g_cli.learning.optimiser import Optimiser, adamw, muon_adamw
from a2g_cli.learning.pretrain_settings import PretrainSettings
from a2g_cli.learning.segments import Segments, balance
from a2g_cli.learning.training_state import Average, TrainingState, weights_hash
from a2g_cli.learning.watcher import TrainingWatcher
from a2g_cli.policy import checkpoint
from a2g_cli.policy.act2goal import Act2Goal
from a2g_cli.policy.autoencoder import to_tensor
from a2g_cli.recording.reader import Recording


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
    autoencoder: Path | None = None
    """A checkpoint, or the folder of a run, whose frozen autoencoder is used; None: one is trained."""
    seconds: float = field(default=0.0, init=False)
    _arrivals: tuple[Tensor, Tensor] | None = field(default=None, init=False)
    """Latents of frames two steps before the end of demonstrations, and of their ends."""

    def run(self) -> Act2Goal:
        """Train to the end, from wherever the folder's state says. Return the averaged model.

        Raises:
            RecordingError: no recording, or one that does not fit the others.
            CheckpointError: the folder holds a run with other settings.
        """
        if not self.recordings:
            raise RecordingError("there is no recording to train from.")
        state = TrainingState.read(self.folder / "state.safetensors")
        groups = list(self.groups or [path.parent.name for path in self.recordings])
        if stranger := set(self.settings.shares) - set(groups):
            raise UnknownNameError("scene or session", min(stranger), groups)
        # Neither the recordings nor the saving interval may differ, or the run would not be the same run.
        data = self._identity()
        facts = {**asdict(self.settings), "recordings": data, "groups": dict(Counter(groups))}
        taken = None if self.autoencoder is None else checkpoint.load(checkpoint.of_run(self.autoencoder))
        if taken is not None:
            facts |= {"autoencoder": weights_hash(taken.autoencoder), "autoencoder_iterations": 0}
        if state is not None and dict(state.settings) != facts:
            changed = sorted(key for key in facts if state.settings.get(key) != facts[key])
            raise CheckpointError(
                f"{self.folder} holds a run with other settings ({', '.join(changed)}): resume it with the same ones, "
                "or train into another folder."
            )
        torch.manual_seed(self.settings.seed)
        with Recording(self.recordings[0]) as first:
            config = self.settings.config(first.spec)
        model = Act2Goal(config)
        self.seconds = state.seconds if state else 0.0
        if state is not None and state.stage != "autoencoder":
            model.load_state_dict(state.part("model"))
        elif taken is not None:
            take_autoencoder(model, taken)
        else:
            self._autoencoder(model, state, facts)
            state = None
        model.autoencoder.requires_grad_(requires_grad=False)
        segments = balance(self._segments(model, data), groups, self.settings.shares)
        some = torch.linspace(0, len(segments) - 1, min(512, len(segments))).long()  # of every scene
        ends = (segments.first + segments.length)[some]
        near = torch.maximum(ends - 2, segments.first[some])  # an episode may have a single action
        self._arrivals = segments.latents[near].float(), segments.latents[ends].float()
        return self._policy(model, segments, state, facts)

    def _identity(self) -> str:
        self.watcher.started("reading recordings", len(self.recordings))
        found = identity(self.recordings, lambda i: self.watcher.advanced(i, {}))
        self.watcher.finished()
        return found

    def _autoencoder(self, model: Act2Goal, state: TrainingState | None, facts: dict[str, Any]) -> None:
        """Train the autoencoder, standardise its latents, freeze it."""
        settings, coder = self.settings, model.autoencoder
        frames = sample_frames(model.config, self.recordings, settings.autoencoder_frames, settings.seed)
        optimiser = adamw(coder.parameters(), lr=2e-3)

        def loss() -> dict[str, Tensor]:
            index = torch.randint(frames.shape[0], (settings.batch,))
            images = to_tensor(frames[index])
            half = settings.batch // 2
            images = torch.cat([augment(images[:half], torch.default_generator), images[half:]])
            return {"total": reconstruction_loss(coder, images)}

        self._loop("autoencoder", settings.autoencoder_iterations, model, coder, optimiser, loss, state, facts, None)
        sample = to_tensor(frames[torch.randint(frames.shape[0], (512,))])
        coder.standardise(sample)
        # As it will be in the checkpoint: the policy learns from the very latents that it will meet.
        coder.load_state_dict({name: value.half().float() for name, value in coder.state_dict().items()})
        self.watcher.note(f"autoencoder: {psnr(coder, sample):.1f} dB reconstruction")

    def _segments(self, model: Act2Goal, data: str) -> Segments:
        """Return the demonstrations as latents, from a cache when one holds these recordings by this autoencoder."""
        key = f"{data} {weights_hash(model.autoencoder)}"
        cache = self.folder / LATENTS
        for folder in filter(None, (self.folder, self.autoencoder)):
            if (segments := read_latents(folder / LATENTS, key)) is not None:
                return segments
        self.watcher.started("encoding frames", len(self.recordings))
        segments = encode_recordings(model, self.recordings, lambda i: self.watcher.advanced(i, {}))
        self.watcher.finished()
        write_latents(segments, cache, key)
        return segments

    def _policy(
        self, model: Act2Goal, segments: Segments, state: TrainingState | None, facts: dict[str, Any]
    ) -> Act2Goal:
        """Train world model, expert and steps-to-go head through both stages."""
        settings = self.settings
        mixture = parse_mixture(settings.relabel)
        if state is None:
            model.set_scales(segments.actions, segments.proprioception)
        trained = nn.ModuleDict({"world_model": model.world_model, "expert": model.expert, "steps": model.steps_to_go})
        optimiser = muon_adamw(trained.named_parameters(), settings.matrix_lr, settings.lr)
        average = Average(model.state_dict())
        iteration = 0
        total = settings.joint_iterations + settings.action_iterations

        def loss() -> dict[str, Tensor]:
            joint = iteration < settings.joint_iterations
            batch = segments.batch(settings.batch, mixture, model.config.hashing, torch.default_generator)
            share, weight = (settings.video_share, settings.video_weight) if joint else (0.0, 0.0)
            losses = model.losses(batch, model.draw_chance(settings.batch, share, settings.draws))
            steps = model.steps_to_go.loss(batch["now"], batch["goal"], batch["steps_to_go"])
            shown = {"action": losses["action"], "steps": steps}
            if joint:
                shown["video"] = losses["video"]
            return {"total": losses["action"] + weight * losses["video"] + steps, **shown}

        def at(i: int) -> None:
            nonlocal iteration
            iteration = i

        self._loop("policy", total, model, trained, optimiser, loss, state, facts, average, at)
        model.load_state_dict(average.weights)
        return model

    def _loop(
        self,
        stage: str,
        total: int,
        model: Act2Goal,
        trained: nn.Module,
        optimiser: Optimiser,
        loss: Callable[[], dict[str, Tensor]],
        state: TrainingState | None,
        facts: dict[str, Any],
        average: Average | None,
        at: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Run one stage's iterations, saving the whole state every ``save_every``."""
        start = 0
        if state is not None and state.stage == stage:
            start = state.iteration
            model.load_state_dict(state.part("model"))
            optimiser.load(state.part("optimiser"))
            torch.set_rng_state(state.tensors["rng"])
            if average is not None:
                average.weights, average.steps = state.part("ema"), start
        self.watcher.started(stage, total)
        self.watcher.advanced(start, {})
        parameters = [p for p in trained.parameters() if p.requires_grad]
        shown: dict[str, float] = {}
        before, begun = self.seconds, time.monotonic()
        for i in range(start, total):
            at(i)
            losses = loss()
            losses["total"].backward()
            torch.nn.utils.clip_grad_norm_(parameters, self.settings.clip)
            optimiser.step(_schedule(i, total, self.settings.warm_up))
            if average is not None:
                average.update(model.state_dict())
            for name, value in losses.items():
                shown[name] = value.item() if name not in shown else 0.98 * shown[name] + 0.02 * value.item()
            self.seconds = before + time.monotonic() - begun
            if (i + 1) % 10 == 0 or i + 1 == total:
                self.watcher.advanced(i + 1, shown, (i + 1 - start) / max(self.seconds - before, 1e-9))
            if (i + 1) % self.settings.save_every == 0 or i + 1 == total:
                self._save(stage, i + 1, model, optimiser, average, facts, shown)
        if start >= total:
            # Finished before: what the end is made into (checkpoint, card) may be wanted again.
            self._save(stage, total, model, optimiser, average, facts, dict(state.losses) if state else {})
        self.watcher.finished()

    def _save(
        self,
        stage: str,
        iteration: int,
        model: Act2Goal,
        optimiser: Optimiser,
        average: Average | None,
        facts: dict[str, Any],
        losses: dict[str, float],
    ) -> None:
        # Made first: its initial weights take from the source of chance, whose state is saved for the run to go on with.
        averaged = None if average is None else Act2Goal(model.config)
        tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
        tensors |= {f"optimiser.{name}": value for name, value in optimiser.tensors().items()}
        tensors["rng"] = torch.get_rng_state()
        if average is not None:
            tensors |= {f"ema.{name}": value for name, value in average.weights.items()}
        TrainingState(stage, iteration, self.seconds, facts, tensors, losses).write(self.folder / "state.safetensors")
        if average is None or averaged is None:
            return
        averaged.load_state_dict(average.weights)
        told = {"iteration": iteration, "seconds": round(self.seconds, 1), "losses": losses, "settings": facts}
        if self._arrivals is not None:
            told["arrived_below"] = round(_arrived_below(averaged, *self._arrivals), 3)
        with torch.random.fork_rng(devices=[]):  # what is done with a checkpoint is no part of the run
            self.on_checkpoint(iteration, averaged.eval(), told)


@torch.no_grad()
def _arrived_below(model: Act2Goal, near: Tensor, end: Tensor) -> float:
    """Return the steps-to-go that nine in ten frames two steps before a demonstration's end stay below [steps]."""
    return float(model.steps_to_go.steps(near, end).quantile(0.9))


def _schedule(iteration: int, total: int, warm_up: int) -> float:
    """Return the learning-rate factor: linear warm-up, then a cosine down to 2 %."""
    rise = min(1.0, (iteration + 1) / max(1, min(warm_up, total // 10)))
    return rise * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * iteration / total)))
