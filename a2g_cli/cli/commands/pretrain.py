"""``a2g pretrain``: train a base policy from demonstrations: recorded, imported, or made by the simulator's expert."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from a2g_cli.calibration.nominal import NOMINAL
from a2g_cli.cli.commands.exchange import skipped_lines
from a2g_cli.cli.commands.following import can_be_evaluated, on_robot
from a2g_cli.cli.commands.pretrain_data import alone, gathered
from a2g_cli.cli.commands.pretrain_finish import (
    card,
    command_typed,
    finish_base,
    forget_reference_data,
    machine_in_words,
)
from a2g_cli.cli.commands.pretrain_metrics import log_evaluation, metrics_of, trained_stage
from a2g_cli.cli.commands.pretrain_plan import announce
from a2g_cli.cli.commands.pretrain_worlds import evaluation_in, robot_to_ask, scenes_to_ask
from a2g_cli.cli.commands.prompts import to_type
from a2g_cli.cli.commands.report import Report
from a2g_cli.core import plugins
from a2g_cli.core.errors import UnknownNameError, UsageError
from a2g_cli.core.workspace import Workspace
from a2g_cli.data.recording.reader import Recording
from a2g_cli.display.console import stderr_console
from a2g_cli.display.training_view import training_view
from a2g_cli.models import checkpoint
from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.models.presets import SIZE
from a2g_cli.simulator.scenes import find_scene
from a2g_cli.tracking.trackers import check_tracker
from a2g_cli.tracking.view import TrackedView
from a2g_cli.training.budget import reference_iterations
from a2g_cli.training.device import TrainingDevice
from a2g_cli.training.pretrain import Pretraining
from a2g_cli.training.pretrain_settings import PretrainSettings
from a2g_cli.training.state import settings_of
from a2g_cli.training.watcher import Unwatched

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
    evaluate_every: int | None = None,
    evaluation: int = 20,
    *,
    robot: str | None = None,
    grow: bool = False,
    skip_bad: bool = False,
    tracker: str | None = None,
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
        evaluate_every: iterations between evaluations; None: only at the end; 0: none.
        evaluation: trials in each world in such an evaluation.
        robot: ``DRIVER:WHAT`` of a robot that knows success; None: the scenes, else the workspace's robot if it does.
        grow: go on with a run that had fewer iterations, less time or other recordings.
        skip_bad: leave out episodes that cannot be learned from, instead of raising an error.
        tracker: where metrics are logged beside a2g's own file (``tracking/trackers.py``); None: nowhere.

    The document lists those under ``skipped``: ``{name: reason}``.

    Raises:
        UsageError: there are no data; the robot knows no success.
        A2GError: the tracker's library is not installed.
        BusyError: another program trains into ``out``, or imports the same data for too long.
        UnknownNameError, RecordingError, CheckpointError: see their messages.
    """
    if not names and not scenes:
        raise UsageError(
            "there are no data to learn from: name sessions, recordings or other programs' data, or add --scene place for "
            "demonstrations in the simulator."
        )
    check_tracker(tracker)
    _check_trainable(settings, machine, autoencoder, evaluate_every)
    skipped: dict[str, str] = {}
    with training_view(stderr_console()) if machine.first else nullcontext(Unwatched()) as view, ExitStack() as stack:
        data = gathered(workspace, names, scenes, settings, machine, skipped, view, skip_bad=skip_bad)
        for line in skipped_lines(skipped):
            view.note(line)
        announced, measure = None, None
        if machine.first and (grow or not (out / "checkpoint" / NOMINAL).exists()):
            begun = (out / "state.safetensors").exists()
            announced = announce(data.paths, len(data.held_out), settings, machine, autoencoder, view, begun=begun)
        if machine.first and evaluate_every != 0:
            asked = bool(evaluate_every)
            worlds = scenes_to_ask(scenes) or robot_to_ask(workspace, robot, data.spec(), stack, view.note, asked=asked)
            measure = evaluation_in(worlds, settings, evaluation, data, view)
        state: dict[str, Any] = {}

        def keep(iteration: int, model: Act2Goal, facts: dict[str, Any]) -> None:
            facts |= {"demonstrations": len(data.paths), "data": data.counts(), "machine": machine_in_words(machine)}
            facts |= {"command": command_typed(), "scenes": list(scenes), "held_out": len(data.held_out)}
            state["hash"] = checkpoint.save(model, out / "checkpoint", card(facts, model.config), facts)
            state["iteration"] = iteration
            log_evaluation(metrics, iteration, run.evaluations)
            if not run.ended:
                forget_reference_data(out / "checkpoint")  # of a run that was there before

        # Two trainings must not write their state into one folder.
        with alone(out / ".lock", str(out), 0.0, view) if machine.first else nullcontext():
            config = {"command": command_typed(), "data": data.counts(), "settings": asdict(settings)}
            metrics = stack.enter_context(metrics_of(out, view, tracker, config, kept=machine.first))
            shown, every = TrackedView(view, metrics, trained_stage), evaluate_every or 0
            run = Pretraining(
                out, data.paths, settings, shown, keep, data.groups, machine, autoencoder, measure, every, grow=grow
            )
            model = run.run()
            if machine.first:
                each = announced.speed.reader if announced is not None else 0.0
                settings = replace(settings, reader_iterations=reference_iterations(settings, each))
                found = finish_base(out / "checkpoint", model, data, run, settings, view)
                state["verdict"] = found.to_json()
    document = {
        "checkpoint": str(out / "checkpoint"),
        "recordings": len(data.paths),
        "data": data.counts(),
        "seconds": round(run.seconds, 1),
        "evaluations": run.evaluations,
        "skipped": skipped,
        **({"held_out": len(data.held_out)} if data.held_out else {}),
        **({} if announced is None else {"found": announced.to_json()}),
        **state,
    }
    early = ", ended early: no progress" if run.stopped_early else ""
    lines = [
        f"base {state.get('hash', '')} in {out / 'checkpoint'}, {run.seconds / 60:.0f} min of training{early}.",
        *(found.lines() if machine.first else []),
        *_next(workspace, out / "checkpoint", data.paths, robot),
    ]
    return Report(document, lines)


def _check_trainable(
    settings: PretrainSettings, machine: TrainingDevice, autoencoder: Path | None, evaluate_every: int | None
) -> None:
    """Raise UsageError or CheckpointError for what cannot be trained, before demonstrations are made."""
    if settings.patience and not evaluate_every:
        raise UsageError("--patience counts measurements on the way: add --evaluate-every N.")
    machine.check(settings.batch)
    if autoencoder is not None:
        checkpoint.read_config(checkpoint.of_run(autoencoder))


def _next(workspace: Workspace, base: Path, paths: Sequence[Path], asked: str | None) -> list[str]:
    """Return the commands that evaluate ``base``, one for each robot of its demonstrations that can be evaluated here.

    ``asked``: the robot that was typed.
    """
    words = ("evaluate", "--adapter", "base", f"--base={base}")
    if asked is not None:
        return [f"next: {to_type(workspace, *words, f'--robot={asked}')}"]
    robots: dict[str, None] = {}
    for path in {path.parent: path for path in reversed(paths)}.values():  # a session has one robot
        with Recording(path) as recording:
            robots.setdefault(recording.spec.name)
    return [
        f"next: {to_type(workspace, *words, *on_robot(workspace, robot, 'none'))}"
        for robot in reversed(robots)
        if can_be_evaluated(workspace, robot, base)
    ]
