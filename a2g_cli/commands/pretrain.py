"""``a2g pretrain``: train a base from demonstrations, recorded, imported, or made by the simulator's scripted expert."""

import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from a2g_cli.commands.report import Report
from a2g_cli.display.console import stderr_console
from a2g_cli.display.training_view import TrainingView, training_view
from a2g_cli.errors import UnknownNameError, UsageError
from a2g_cli.learning.pretrain import Pretraining, PretrainSettings
from a2g_cli.policy import checkpoint
from a2g_cli.policy.act2goal import Act2Goal
from a2g_cli.recording.sessions import Session, find_recordings
from a2g_cli.session.demonstrate import record_demonstrations
from a2g_cli.simulator.scenes import SCENES
from a2g_cli.workspace import Workspace


def pretrain(
    workspace: Workspace,
    names: Sequence[str],
    out: Path,
    scene: str | None,
    demonstrations: int,
    settings: PretrainSettings,
) -> Report:
    """Train a base into ``out``; a run that was stopped goes on where it stopped.

    Args:
        workspace: where recordings are found, and demonstrations are recorded.
        names: sessions or recordings to learn from; may be empty when ``scene`` is given.
        out: the run's folder; the checkpoint is ``out/checkpoint``.
        scene: scene of the simulator whose expert demonstrates, None for none.
        demonstrations: how many of them.
        settings: how.

    Raises:
        UsageError: no data at all.
        UnknownNameError, RecordingError, CheckpointError: see their messages.
    """
    if not names and scene is None:
        raise UsageError(
            "nothing to learn from: name sessions or recordings, or add --scene place for the simulator's."
        )
    if scene is not None and scene not in SCENES:
        raise UnknownNameError("scene", scene, SCENES)
    with training_view(stderr_console()) as view:
        paths = find_recordings(workspace, names) if names else []
        if scene is not None:
            paths += _demonstrated(workspace, scene, demonstrations, settings.seed, view)
        state: dict[str, Any] = {}

        def keep(iteration: int, model: Act2Goal, facts: dict[str, Any]) -> None:
            facts |= {"demonstrations": len(paths), "machine": _machine(), "command": _command(), "scene": scene}
            state["hash"] = checkpoint.save(model, out / "checkpoint", _card(facts), facts)
            state["iteration"] = iteration

        run = Pretraining(out, paths, settings, view, keep)
        run.run()
    document = {
        "checkpoint": str(out / "checkpoint"),
        "recordings": len(paths),
        "seconds": round(run.seconds, 1),
        **state,
    }
    lines = [
        f"base {state.get('hash', '')} in {out / 'checkpoint'}, {run.seconds / 60:.0f} min of training.",
        f"next: a2g evaluate --base {out / 'checkpoint'} --adapter none",
    ]
    return Report(document, lines)


def _demonstrated(workspace: Workspace, scene: str, count: int, seed: int, view: TrainingView) -> list[Path]:
    session = Session(workspace.sessions / f"demonstrations-{scene}-{seed}")
    view.started(f"demonstrations of {scene}", count)
    failed = record_demonstrations(session, scene, seed, count, advanced=lambda done: view.advanced(done, {}))
    view.finished()
    if failed:
        view.note(f"{failed} of {count} demonstrations failed and were left out")
    return session.recordings()[: count - failed]


def _machine() -> str:
    return f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}"


def _command() -> str:
    return " ".join(["a2g", *sys.argv[1:]])


def _card(facts: dict[str, Any]) -> str:
    """Return the model card: what it is, what it was made from, how to make it again."""
    losses = ", ".join(f"{name} {value:.3f}" for name, value in facts["losses"].items())
    return f"""# Base policy

Act2Goal networks for one robot: autoencoder, goal-conditioned world model, action expert, steps-to-go head.

- Data: {facts["demonstrations"]} demonstrations{f" of the simulator's scene `{facts['scene']}`" if facts["scene"] else ""}
- Training: iteration {facts["iteration"]}, {facts["seconds"] / 60:.0f} min, {facts["machine"]}
- Losses: {losses}
- Command: `{facts["command"]}`

Weights are half-precision safetensors; `config.json` holds shape and settings. Nothing here is pickled.
"""
