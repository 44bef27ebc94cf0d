"""What ``a2g improve`` logs beside the losses: each round's result, and success on held-out trials before and after."""

from collections.abc import Callable, Mapping
from typing import Any

from a2g_cli.cli.commands.held_out import NOMINAL, row_of
from a2g_cli.core.workspace import Workspace
from a2g_cli.improvement.state import Round, RunState
from a2g_cli.tracking.metrics import Metrics, last_folder, new_folder

ROUNDS, HELD_OUT = "rounds", "held-out"
"""Stages; their steps are numbers of rounds."""


def metrics_of(
    workspace: Workspace, progress: RunState, note: Callable[[str], None], tracker: str | None, *, resumed: bool
) -> Metrics:
    """Return the metrics of a run, which goes on where it is ``resumed``."""
    name = progress.session.name
    folder = (last_folder if resumed else new_folder)(workspace, name)
    return Metrics(folder, name, note, tracker, {**progress.about, "asked": progress.asked})


def log_round(metrics: Metrics, number: int, result: Round) -> None:
    """Log the result of round ``number``, from 1."""
    values = {name: float(value) for name, value in result.to_json().items() if isinstance(value, int | float)}
    values["reached"] = values.pop("arrived")
    values["practice_success_rate"] = values.pop("practice_successes") / max(1, result.episodes)
    metrics.log(ROUNDS, number, values)


def log_measured(metrics: Metrics, progress: RunState, moment: str) -> None:
    """Log the success rates that were measured at ``moment``: ``before`` or ``after`` practice."""
    measured = progress.measured
    goals = {key.removesuffix(f" {moment}"): key for key in measured if key.startswith("goal ")}
    rows = {"success": moment, "success in the training domain": f"{NOMINAL}{moment}"}
    rows |= {f"success {goal}": key for goal, key in goals.items() if key == row_of(goal.removeprefix("goal "), moment)}
    found: Mapping[str, Any] = {name: measured.get(key) for name, key in rows.items()}
    values = {name: float(row["rate"]) for name, row in found.items() if row is not None}
    metrics.log(HELD_OUT, len(progress.done) if moment == "after" else 0, values)
