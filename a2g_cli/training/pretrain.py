"""Pretraining: trains a base on demonstrations, the autoencoder first and then the policy; can be resumed at any moment.

The losses are in ``stages.py``; this module has the training loop and the run's folder.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from a2g_cli.calibration.actuators import ActuatorModel, fit_actuators
from a2g_cli.core import plugins
from a2g_cli.core.errors import CheckpointError, PluginError, RecordingError, UnknownNameError, UsageError
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
from a2g_cli.models.part_names import OWN
from a2g_cli.training import memory
from a2g_cli.training.autoencoder import psnr, take_autoencoder
from a2g_cli.training.budget import GROWING, MINUTE, Budget, autoencoder_budget, policy_budget
from a2g_cli.training.device import TrainingDevice
from a2g_cli.training.pretrain_settings import PretrainSettings
from a2g_cli.training.progress import stalled
from a2g_cli.training.stages import PolicyStage, Stage, arrived_below, averaged, first_stage, resumed
from a2g_cli.training.state import TrainingState, weights_hash
from a2g_cli.training.watcher import TrainingWatcher


@dataclass
class Pretraining:
    """One run in one folder: the state in ``state.safetensors``, and a checkpoint every ``save_every`` iterations.

    With a limit of time, the state is also saved every minute.
    """

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
    """0: only at the end."""
    grow: bool = False
    """Whether the folder's run may go on with more iterations, more time or other recordings."""
    ended: bool = field(default=False, init=False)
    """Whether the policy is trained: what is saved is final."""
    stopped_early: bool = field(default=False, init=False)
    """Whether it ended because it made no progress."""
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
            UsageError: a limit of time in several processes; a run to be grown that has had all its training.
            A2GError: not enough memory.
        """
        self._check_possible()
        state = TrainingState.read(self.folder / "state.safetensors")
        groups = list(self.groups or [path.parent.name for path in self.recordings])
        if unknown := set(self.settings.shares) - set(groups):
            raise UnknownNameError("scene or session", min(unknown), groups)
        # A resumed run must have the same recordings and settings; otherwise its result would differ.
        data = self._identity()
        with Recording(self.recordings[0]) as first:
            config = self.settings.config(first.spec)
        survey = memory.survey(self.recordings, config)
        facts = self._facts(data, groups)
        if survey.resizing:  # without resizing, --resize makes no difference
            facts["size"] = list(config.size)
            self._resizing = "; ".join(survey.resizing)
            self.watcher.note(f"{self._resizing} (choose another size with --resize WxH)")
        source = None if self.autoencoder is None else checkpoint.load(checkpoint.of_run(self.autoencoder))
        if source is not None:
            facts |= {"autoencoder": weights_hash(source.autoencoder), "autoencoder_iterations": 0}
        longer = state is not None and self._grows(state, facts)
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
        return self._policy(model, state, facts, groups, longer)

    def _check_possible(self) -> None:
        """Raise RecordingError or UsageError for what cannot be trained at all."""
        if not self.recordings:
            raise RecordingError("there is no recording to train on.")
        if self.machine.processes > 1 and (self.settings.minutes is not None or self.settings.patience):
            raise UsageError(
                "--minutes and --patience end a training in one process: give several processes --iterations."
            )

    def _facts(self, data: str, groups: Sequence[str]) -> dict[str, Any]:
        """Return what must not change while the run is resumed."""
        facts = {**asdict(self.settings), "recordings": data, "groups": dict(Counter(groups))}
        for name in ("size", "held_out", "patience"):  # the recordings say what is held out
            facts.pop(name)
        if self.settings.minutes is None:
            facts.pop("minutes")
        for kind, own in OWN.items():  # runs of before had no others
            if facts[kind] == own:
                facts.pop(kind)
        return facts

    def _policy(
        self, model: Act2Goal, state: TrainingState | None, facts: dict[str, Any], groups: Sequence[str], longer: bool
    ) -> Act2Goal:
        """Train the policy, whose autoencoder is final; ``longer``: than the folder's run was to be trained."""
        begun = time.monotonic()
        model.autoencoder.requires_grad_(requires_grad=False)
        times = 1 + self.settings.copies
        all_groups = [group for group in groups for _ in range(times)]
        segments = balance(self._segments(model, facts["recordings"]), all_groups, self.settings.shares)
        # Of every scene, without the augmented copies.
        some = times * torch.linspace(0, len(groups) - 1, min(512, len(groups))).long()
        ends = (segments.first + segments.length)[some]
        near = torch.maximum(ends - 2, segments.first[some])  # an episode may have only one action
        self._arrivals = segments.latents[near].float(), segments.latents[ends].float()
        self.law = fit_actuators(segments, model.config.action_names, model.config.proprioception_names)
        if state is None:
            model.set_scales(segments.actions, segments.proprioception)
            with plugins.calling(
                f"planner {model.config.planner!r}", "fit", plugins.is_built_in(model.world_model), PluginError
            ):
                model.world_model.fit(segments.latents)
        policy = PolicyStage(model, segments, self.settings)
        self.machine.prepare(model.world_model, model.expert)
        if state is None and self.settings.minutes is not None:
            self.seconds += time.monotonic() - begun  # encoding takes part of the time
        budget = policy_budget(self.settings, self.seconds if state is None else state.began)
        if longer and state is not None and budget.over(state.iteration, self.seconds):
            raise UsageError(
                f"{self.folder} has had {state.iteration} iterations in {self.seconds / MINUTE:.1f} min: to train it for "
                "longer, give more in all, with --iterations or --minutes."
            )
        self._loop(policy, model, state, facts, budget)
        return averaged(policy, model)

    def _grows(self, state: TrainingState, facts: dict[str, Any]) -> bool:
        """Return whether the folder's run is grown; False: it goes on as it was. Raises CheckpointError if it may not."""
        changed = sorted(key for key in {*facts, *state.settings} if state.settings.get(key) != facts.get(key))
        if not changed or (self.grow and set(changed) <= GROWING):
            return bool(changed)
        how = ", add --grow to train it for longer or on more data" if set(changed) <= GROWING else ""
        raise CheckpointError(
            f"{self.folder} contains a run with other settings ({', '.join(changed)}): resume it with the same settings"
            f"{how}, or train into another folder."
        )

    def _identity(self) -> str:
        self.watcher.started("reading recordings", len(self.recordings))
        data = recordings_hash(self.recordings, lambda i: self.watcher.advanced(i, {}))
        self.watcher.finished()
        return data

    def _autoencoder(self, model: Act2Goal, state: TrainingState | None, facts: dict[str, Any]) -> None:
        """Train the autoencoder and standardise its latents."""
        settings, coder = self.settings, model.autoencoder
        frames = sample_frames(model.config, self.recordings, settings.autoencoder_frames, settings.seed)
        if coder.frozen:
            self._prepare(model, frames, state)
        self._loop(first_stage(model, frames, settings), model, state, facts, autoencoder_budget(settings))
        rows = torch.randint(frames.shape[0], (equivalent_count(128 if coder.frozen else 512, model.config),))
        sample = to_tensor(frames[rows]).to(self.machine.device)
        if not coder.frozen:
            coder.standardise(sample)
        # Round to half precision, as in the checkpoint, so that the policy trains on the latents that it will see later.
        coder.load_state_dict({name: value.half().float() for name, value in coder.state_dict().items()})
        self.watcher.note(f"autoencoder: {psnr(coder, sample):.1f} dB reconstruction")

    def _prepare(self, model: Act2Goal, frames: Tensor, state: TrainingState | None) -> None:
        """Load a frozen encoder and fit it to ``frames``, or take what a stopped run had."""
        if state is not None:
            model.load_state_dict(state.part("model"))
            return
        some = frames[:: max(1, len(frames) // equivalent_count(128, model.config))]
        name, source = plugins.split(self.settings.encoder)
        own = plugins.is_built_in(model.autoencoder)
        with plugins.calling(f"encoder {name!r}", "prepare", own, PluginError):
            found = model.autoencoder.prepare(source, to_tensor(some).to(self.machine.device))
        self.watcher.note(found)

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

    def _loop(
        self, stage: Stage, model: Act2Goal, state: TrainingState | None, facts: dict[str, Any], budget: Budget
    ) -> None:
        """Run the iterations of one stage, saving the state every ``save_every``."""
        start = resumed(stage, model, state)
        total = budget.iterations or 0
        self.watcher.started(stage.name, total)
        self.watcher.advanced(start, {})
        parameters = [p for p in stage.trained.parameters() if p.requires_grad]
        running: dict[str, float] = {}
        before, started, first = self.seconds, time.monotonic(), start
        i, saved, over = start, self.seconds, budget.over(start, self.seconds)
        policy = stage.average is not None
        self.stopped_early = policy and start > 0 and stalled(self.evaluations, self.settings.patience)
        while not over and not self.stopped_early:
            losses = self.machine.backward(stage.draw(budget.progress(i, self.seconds)), stage.losses, parameters)
            torch.nn.utils.clip_grad_norm_(parameters, self.settings.clip, foreach=True)
            stage.optimiser.step(budget.learning_rate(i, self.seconds, self.settings.warm_up))
            if stage.average is not None:
                stage.average.update(model.state_dict())
            running |= {n: v if n not in running else 0.98 * running[n] + 0.02 * v for n, v in losses.items()}
            self.seconds = before + time.monotonic() - started
            i += 1
            over = budget.over(i, self.seconds)
            if i % 10 == 0 or over:
                self.watcher.advanced(i, running, (i - first) / max(self.seconds - before, 1e-9))
            due = self._due(stage, i, over)
            if due and self._evaluated(stage, i, model):
                self.watcher.started(stage.name, total)
                self.watcher.advanced(i, running)
                before, started, first = self.seconds, time.monotonic(), i  # do not count the evaluation's time
                self.stopped_early = not over and stalled(self.evaluations, self.settings.patience)
            ended = over or self.stopped_early
            timed = budget.ends is not None and self.seconds - saved >= MINUTE
            if i % self.settings.save_every == 0 or ended or due or timed:
                self.ended, saved = policy and ended, self.seconds
                self._save(stage, i, model, facts, running, budget.begins)
        if i == start:
            # The stage was complete already: write its results (checkpoint, model card) again.
            self.ended = policy
            if self._due(stage, start, over=True) and all(one["iteration"] != start for one in self.evaluations):
                self._evaluated(stage, start, model)
            self._save(stage, start, model, facts, dict(state.losses) if state else {}, budget.begins)
        self.watcher.finished()

    def _due(self, stage: Stage, iteration: int, over: bool) -> bool:
        """Whether the averaged model is to be evaluated after ``iteration``, the last one if ``over``."""
        if self.evaluate is None or stage.average is None:
            return False
        return over or (self.evaluate_every > 0 and iteration % self.evaluate_every == 0)

    def _evaluated(self, stage: Stage, iteration: int, model: Act2Goal) -> bool:
        """Evaluate the averaged model, in the first process. The others wait at their next sum of gradients."""
        if not self.machine.first or self.evaluate is None:
            return False
        with torch.random.fork_rng(devices=[]):  # the run's random numbers must not change
            result = self.evaluate(averaged(stage, model))
        self.evaluations.append({"iteration": iteration, **result})
        return True

    def _save(
        self,
        stage: Stage,
        iteration: int,
        model: Act2Goal,
        facts: dict[str, Any],
        losses: dict[str, float],
        began: float,
    ) -> None:
        if not self.machine.first:
            return
        tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
        tensors |= {f"optimiser.{name}": value for name, value in stage.optimiser.tensors().items()}
        tensors["rng"] = torch.get_rng_state()
        if stage.average is not None:
            tensors |= {f"ema.{name}": value for name, value in stage.average.weights.items()}
        state = TrainingState(stage.name, iteration, self.seconds, facts, tensors, losses, self.evaluations, began)
        state.write(self.folder / "state.safetensors")
        if stage.average is None:
            return
        with torch.random.fork_rng(devices=[]):  # the run's random numbers must not change
            mean = averaged(stage, model)
            card = {"iteration": iteration, "seconds": round(self.seconds, 1), "losses": losses, "settings": facts}
            card |= {"computed": self.machine.to_json(), "evaluations": list(self.evaluations)}
            if self.stopped_early:
                card["stopped_early"] = True
            if self._resizing:
                card["resizing"] = self._resizing
            if self._arrivals is not None:
                card["arrived_below"] = round(arrived_below(mean, *self._arrivals), 3)
            if self.law is not None:
                card["motion_law"] = self.law.to_json()
            self.on_checkpoint(iteration, mean, card)
