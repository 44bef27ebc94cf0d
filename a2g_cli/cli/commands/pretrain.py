"""``a2g pretrain``: train a base policy from demonstrations: recorded, imported, or made by the simulator's expert."""

import platform
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch

from a2g_cli.calibration.actuators import ActuatorModel
from a2g_cli.calibration.nominal import NOMINAL
from a2g_cli.calibration.nominal_fit import measure_nominal, measures_position
from a2g_cli.cli.commands.checkpoint_eval import CheckpointEvaluation, table
from a2g_cli.cli.commands.exchange import skipped_lines
from a2g_cli.cli.commands.following import can_be_evaluated, on_robot
from a2g_cli.cli.commands.learnable import by_name, not_learnable
from a2g_cli.cli.commands.pretrain_data import alone, brought_in, demonstrated
from a2g_cli.cli.commands.prompts import to_type
from a2g_cli.cli.commands.report import Report
from a2g_cli.core import plugins
from a2g_cli.core.errors import UnknownNameError, UsageError
from a2g_cli.core.workspace import Workspace
from a2g_cli.data.recording.reader import Recording
from a2g_cli.data.recording.sessions import find_recordings
from a2g_cli.data.relabelling import parse_mixture
from a2g_cli.demo_replay import trajectory
from a2g_cli.demo_replay.selection import select_trajectories
from a2g_cli.demo_replay.trajectory import TRAJECTORIES
from a2g_cli.display.console import stderr_console
from a2g_cli.display.training_view import training_view
from a2g_cli.models import checkpoint
from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.models.presets import SIZE, Act2GoalConfig
from a2g_cli.simulator.scenes import find_scene
from a2g_cli.training.device import TrainingDevice
from a2g_cli.training.pretrain import Pretraining
from a2g_cli.training.pretrain_settings import PretrainSettings
from a2g_cli.training.retention import SEGMENTS, choose_retention_set
from a2g_cli.training.retention_set import RETENTION
from a2g_cli.training.state import settings_of
from a2g_cli.training.watcher import TrainingWatcher, Unwatched

DEMONSTRATIONS = 4000
"""Default number of demonstrations per scene."""


def counts(scenes: Sequence[str], given: Sequence[str]) -> dict[str, int]:
    """Return scene -> number of demonstrations, for ``given`` as typed: ``2000`` for all, ``write=1500`` for one scene.

    Raises:
        UnknownNameError: unknown scene, or not one of ``scenes``.
        UsageError: not a number of demonstrations.
    """
    for scene in scenes:
        find_scene(scene)
    if given and not scenes:
        raise UsageError("--demonstrations is the number of demonstrations for --scene: add --scene.")
    wanted = dict.fromkeys(scenes, DEMONSTRATIONS)
    # Numbers for all scenes come first, so that those for one scene win.
    for text in sorted(given, key=lambda text: "=" in text):
        scene, equals, number = text.rpartition("=")
        if scene and scene not in wanted:
            raise UnknownNameError(
                "scene", scene, wanted, f"add --scene {scene}." if scene in plugins.known("scene") else ""
            )
        if not number.isdecimal() or not int(number) or (equals and not scene):
            raise UsageError(f"--demonstrations {text!r}: expected a number, or SCENE=NUMBER for one scene.")
        wanted |= {scene: int(number)} if scene else dict.fromkeys(wanted, int(number))
    return wanted


def shares(given: Sequence[str]) -> dict[str, float]:
    """Return scene or session -> its relative share of a batch, for words like ``write=2``. Raises UsageError."""
    wanted = {}
    for text in given:
        name, _, number = text.rpartition("=")
        try:
            wanted[name] = float(number)
        except ValueError:
            wanted[name] = 0.0
        if not name or not 0 < wanted[name] < 1e6:
            raise UsageError(f"--share {text!r}: expected NAME=NUMBER with a number above 0, such as place=2.")
    return wanted


def size_of_run(out: Path) -> tuple[int, int] | None:
    """Return the image size of the run in ``out``; for a new run, that of the presets: (H, W) [px].

    None: images keep their recorded size. So do runs that began with images of one size, and runs of version 0.1.

    Raises:
        CheckpointError: the file there is not a training state.
    """
    begun = settings_of(out / "state.safetensors")
    if begun is None:
        return SIZE
    size = begun.get("size")
    return (int(size[0]), int(size[1])) if isinstance(size, list) and len(size) == 2 else None


def pretrain(
    workspace: Workspace,
    names: Sequence[str],
    out: Path,
    scenes: Mapping[str, int],
    settings: PretrainSettings,
    machine: TrainingDevice,
    autoencoder: Path | None = None,
    evaluate_every: int = 0,
    evaluation: int = 20,
    *,
    skip_bad: bool = False,
) -> Report:
    """Train a base into ``out``; a run that was stopped is resumed.

    Args:
        workspace: has the recordings; demonstrations are recorded there.
        names: sessions, recordings, or other programs' data to learn from; may be empty if ``scenes`` is not.
        out: the run's folder; the checkpoint is ``out/checkpoint``.
        scenes: scene of the simulator -> number of demonstrations; one base for all of them.
        settings: of the training.
        machine: the device. Several processes share the workspace and ``out``; only the first one writes.
        autoencoder: another base's checkpoint or run, whose frozen autoencoder is used; None: train one.
        evaluate_every: iterations between evaluations in the simulator; 0: none.
        evaluation: trials per scene in such an evaluation.
        skip_bad: leave out episodes that cannot be learned from, instead of raising an error.

    The document lists those under ``skipped``: ``{name: reason}``.

    Raises:
        UsageError: there are no data.
        BusyError: another program trains into ``out``, or imports the same data for too long.
        UnknownNameError, RecordingError, CheckpointError: see their messages.
    """
    if not names and not scenes:
        raise UsageError(
            "there are no data to learn from: name sessions, recordings or other programs' data, or add --scene place for "
            "demonstrations in the simulator."
        )
    if evaluate_every and not scenes:
        raise UsageError("--evaluate-every measures success in the simulator: add --scene.")
    machine.check(settings.batch)  # raises its errors before demonstrations are made
    if autoencoder is not None:
        checkpoint.read_config(checkpoint.of_run(autoencoder))
    skipped: dict[str, str] = {}
    with training_view(stderr_console()) if machine.first else nullcontext(Unwatched()) as view:
        given = [
            brought_in(workspace, name, settings.size, view, machine, skipped, skip_bad=skip_bad) for name in names
        ]
        paths = find_recordings(workspace, given) if given else []
        bad = not_learnable(paths, view, "`--skip-bad` leaves such recordings out.", skip_bad=skip_bad) if paths else {}
        paths = [path for path in paths if path not in bad]
        skipped |= by_name(bad)
        for line in skipped_lines(skipped):
            view.note(line)
        groups = [path.parent.name for path in paths]
        for scene, count in scenes.items():
            shown = demonstrated(workspace, scene, count, settings.seed, view, machine)
            paths += shown
            groups += [scene] * len(shown)
        state: dict[str, Any] = {}

        def keep(iteration: int, model: Act2Goal, facts: dict[str, Any]) -> None:
            data = dict(Counter(groups))
            facts |= {"demonstrations": len(paths), "data": data, "machine": _machine(machine), "command": _command()}
            facts["scenes"] = list(scenes)
            state["hash"] = checkpoint.save(model, out / "checkpoint", _card(facts, model.config), facts)
            state["iteration"] = iteration
            if iteration < settings.joint_iterations + settings.action_iterations:
                for name in (NOMINAL, RETENTION, TRAJECTORIES):  # of a run that was there before
                    (out / "checkpoint" / name).unlink(missing_ok=True)

        rehearsal = CheckpointEvaluation(scenes, settings.seed, evaluation, view) if evaluate_every else None
        run = Pretraining(out, paths, settings, view, keep, groups, machine, autoencoder, rehearsal, evaluate_every)
        # Two trainings must not write their state into one folder.
        with alone(out / ".lock", str(out), 0.0, view) if machine.first else nullcontext():
            model = run.run()
            if machine.first:
                _finish(out / "checkpoint", model, paths, groups, run.law, settings, view)
    document = {
        "checkpoint": str(out / "checkpoint"),
        "recordings": len(paths),
        "data": dict(Counter(groups)),
        "seconds": round(run.seconds, 1),
        "evaluations": run.evaluations,
        "skipped": skipped,
        **state,
    }
    lines = [
        f"base {state.get('hash', '')} in {out / 'checkpoint'}, {run.seconds / 60:.0f} min of training.",
        *_next(workspace, out / "checkpoint", paths),
    ]
    return Report(document, lines)


def _next(workspace: Workspace, base: Path, paths: Sequence[Path]) -> list[str]:
    """Return the commands that evaluate ``base``, one for each robot of its demonstrations that can be evaluated here."""
    robots: dict[str, None] = {}
    for path in {path.parent: path for path in reversed(paths)}.values():  # a session has one robot
        with Recording(path) as recording:
            robots.setdefault(recording.spec.name)
    return [
        f"next: {to_type(workspace, 'evaluate', '--adapter', 'base', f'--base={base}', *on_robot(workspace, robot, 'none'))}"
        for robot in reversed(robots)
        if can_be_evaluated(workspace, robot, base)
    ]


def _finish(
    folder: Path,
    model: Act2Goal,
    paths: Sequence[Path],
    groups: Sequence[str],
    law: ActuatorModel | None,
    settings: PretrainSettings,
    view: TrainingWatcher,
) -> None:
    """Write the reference data from the demonstrations beside the weights, if they are not there yet."""
    if not (folder / NOMINAL).exists():
        trains = measures_position(model.config)  # else nothing counts its steps
        if trains:
            view.started("reference data of the training domain", settings.reader_iterations)
        known = measure_nominal(model, paths, groups, law, settings.reader_iterations, settings.seed, view.advanced)
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


def _machine(machine: TrainingDevice) -> str:
    gpu = f"{torch.cuda.get_device_name(machine.device)}, " if machine.device.type == "cuda" else ""
    return f"{gpu}{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}"


def _command() -> str:
    return " ".join(["a2g", *sys.argv[1:]])


def _card(facts: dict[str, Any], config: Act2GoalConfig) -> str:
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
    title = "Success on starts and goals from the distribution of the demonstrations, but not among them:"
    measured = "\n".join(["", title, "", *evaluations, ""]) if evaluations else ""
    return f"""# Base policy

Act2Goal networks for one robot: autoencoder, goal-conditioned world model, action expert, steps-to-go head.

- Data: {facts["demonstrations"]} demonstrations: {data}{f"; scenes of the simulator: {scenes}" if scenes else ""}
- Images: {config.width}x{config.height}{f"; {facts['resizing']}" if facts.get("resizing") else ""}
- Training: iteration {facts["iteration"]}, {facts["seconds"] / 60:.0f} min, {facts["machine"]}, {computed}
- Losses: {losses}
- Command: `{facts["command"]}`
{measured}
Weights are half-precision safetensors. `config.json` has shape and settings; `home.safetensors` the reference data of the
training domain: median images and the keypoint reader of the tool; `retention.safetensors` latent segments of the
demonstrations, which measure how much an adapted policy has forgotten; `movements.safetensors` trajectories of the expert,
which `a2g improve --replay-demos` replays. Nothing is pickled.
"""
