"""What stands beside a base's weights: its reference data, its model card, and the verdict on its training."""

import platform
import sys
from pathlib import Path
from typing import Any

import torch

from a2g_cli.calibration.accuracy import ESTIMATORS
from a2g_cli.calibration.actuators import driven_names
from a2g_cli.calibration.held_out import measure_accuracy
from a2g_cli.calibration.nominal import NOMINAL, load_nominal
from a2g_cli.calibration.nominal_fit import measure_nominal, measures_position
from a2g_cli.cli.commands.checkpoint_eval import table
from a2g_cli.cli.commands.pretrain_data import Demonstrations
from a2g_cli.data.relabelling import parse_mixture
from a2g_cli.demo_replay import trajectory
from a2g_cli.demo_replay.selection import select_trajectories
from a2g_cli.demo_replay.trajectory import TRAJECTORIES
from a2g_cli.encoding.episodes import encode_episode
from a2g_cli.models import checkpoint
from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.models.part_names import OWN
from a2g_cli.models.presets import Act2GoalConfig
from a2g_cli.training.device import TrainingDevice
from a2g_cli.training.pretrain import Pretraining
from a2g_cli.training.pretrain_settings import PretrainSettings
from a2g_cli.training.progress import worlds_of
from a2g_cli.training.retention import SEGMENTS, choose_retention_set, nominal_error
from a2g_cli.training.retention_set import RETENTION, load_retention_set
from a2g_cli.training.verdict import Verdict, judge_training
from a2g_cli.training.watcher import TrainingWatcher


def finish_base(
    folder: Path,
    model: Act2Goal,
    data: Demonstrations,
    run: Pretraining,
    settings: PretrainSettings,
    view: TrainingWatcher,
) -> Verdict:
    """Write the reference data from the demonstrations beside the weights, if they are not there yet; return the verdict."""
    paths, groups = data.paths, data.groups
    if not (folder / NOMINAL).exists():
        trains = measures_position(model.config)  # else nothing counts its steps
        if trains:
            view.started("reference data of the training domain", settings.reader_iterations)
        known = measure_nominal(model, paths, groups, run.law, settings.reader_iterations, settings.seed, view.advanced)
        known.save(folder)
        if trains:
            view.finished()
    if not (folder / RETENTION).exists():
        view.started("retention set", SEGMENTS)
        mixture = parse_mixture(settings.relabel)
        kept = choose_retention_set(
            model, paths, groups, mixture, settings.seed, advanced=lambda i: view.advanced(i, {})
        )
        kept.save(folder)
        view.finished()
    if not (folder / TRAJECTORIES).exists():
        trajectory.save_trajectories(select_trajectories(paths, groups), folder)
    _measure_estimators(folder, model, data, view)
    own = load_retention_set(folder)
    error = None if own is None or not run.evaluations else round(nominal_error(model, own), 4)
    _, facts = checkpoint.read_config(folder)
    segments = int(facts["iteration"]) * settings.batch
    pushed = bool(run.evaluations and worlds_of(run.evaluations[-1]))
    verdict = judge_training(run.evaluations, len(paths), segments, error, pushed)
    checkpoint.add_facts(folder, {"verdict": verdict.to_json()})
    return verdict


def forget_reference_data(folder: Path) -> None:
    """Remove what ``finish_base`` writes: the weights beside it are not final yet."""
    for name in (NOMINAL, RETENTION, TRAJECTORIES):
        (folder / name).unlink(missing_ok=True)


def _measure_estimators(folder: Path, model: Act2Goal, data: Demonstrations, view: TrainingWatcher) -> None:
    """Put the errors of what calibrates among the facts of a base, and say them."""
    nominal = load_nominal(folder)
    if not data.held_out or nominal is None:
        view.note("calibration: its errors are not measured (no demonstration is held out)")
        return
    found = nominal.accuracy
    if not found:
        view.started("errors of calibration on held-out demonstrations", len(data.held_out))
        encoded = []
        for path in data.held_out:
            encoded.append(encode_episode(model, path))
            view.advanced(len(encoded), {})
        found = measure_accuracy(model, nominal, encoded, data.held_out_groups)
        view.finished()
        checkpoint.add_facts(folder, {ESTIMATORS: {name: one.to_json() for name, one in found.items()}})
    for name, one in found.items():
        view.note(f"calibration of the {name}: {'used' if one.trusted else 'not used'} ({one})")
    if nominal.actuators is None and driven_names(model.config.action_names, model.config.proprioception_names):
        view.note("calibration of the actuators: not modelled (no single model explains what the commands moved)")


def machine_in_words(machine: TrainingDevice) -> str:
    """Return the machine of a training in words."""
    gpu = f"{torch.cuda.get_device_name(machine.device)}, " if machine.device.type == "cuda" else ""
    return f"{gpu}{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}"


def command_typed() -> str:
    """Return the command as it was typed."""
    return " ".join(["a2g", *sys.argv[1:]])


def card(facts: dict[str, Any], config: Act2GoalConfig) -> str:
    """Return the model card."""
    losses = ", ".join(f"{name} {value:.3f}" for name, value in facts["losses"].items())
    data = ", ".join(f"{count} of `{name}`" for name, count in facts["data"].items())
    scenes = ", ".join(f"`{scene}`" for scene in facts["scenes"])
    copies = facts["settings"]["copies"]
    data += f"; {copies} augmented copies of each (colours, light, framing)" if copies else ""
    how = facts["computed"]
    computed = f"{how['processes']} process(es) on {how['device']}, {how['precision']}"
    computed += ", compiled" if how["compiled"] else ""
    evaluations = table(facts["evaluations"])
    title = "Measured on starts, goals and demonstrations that were not trained on:"
    measured = "\n".join(["", title, "", *evaluations, ""]) if evaluations else ""
    pretrained = (
        ""
        if config.encoder == OWN["encoder"]
        else f"""
- Encoder: `{config.encoder}`. If it was pretrained elsewhere, its weights are in this base under their own licence"""
    )
    planner = "" if config.planner == OWN["planner"] else f"\n- Planner: `{config.planner}`"
    return f"""# Base policy

Act2Goal networks for one robot: {config.encoder}, goal-conditioned world model, action expert, steps-to-go head.

- Data: {facts["demonstrations"]} demonstrations: {data}{f"; scenes of the simulator: {scenes}" if scenes else ""}
- Images: {config.width}x{config.height}{f"; {facts['resizing']}" if facts.get("resizing") else ""}{pretrained}{planner}
- Training: iteration {facts["iteration"]}, {facts["seconds"] / 60:.0f} min, {facts["machine"]}, {computed}
- Losses: {losses}
- Command: `{facts["command"]}`
{measured}
Weights are half-precision safetensors. `config.json` has shape and settings; `home.safetensors` the reference data of the
training domain: median images and the keypoint reader of the tool; `retention.safetensors` latent segments of the
demonstrations, which measure how much an adapted policy has forgotten; `movements.safetensors` trajectories of the expert,
which `a2g improve --replay-demos` replays. Nothing is pickled.
"""
