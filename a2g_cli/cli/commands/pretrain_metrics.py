"""What ``a2g pretrain`` logs: the losses of its two stages, and what was measured on the way."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from a2g_cli.tracking.metrics import Metrics, NoMetrics
from a2g_cli.training.progress import ACTION_ERROR, worlds_of
from a2g_cli.training.stages import AutoencoderStage, PolicyStage
from a2g_cli.training.watcher import TrainingWatcher

EVALUATION = "evaluation"
"""Stage; its steps are iterations of the policy."""


def metrics_of(
    out: Path, view: TrainingWatcher, tracker: str | None, config: Mapping[str, Any], *, kept: bool
) -> Metrics:
    """Return the metrics of the training in the folder ``out``; those of only one of its processes are ``kept``."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", out.absolute().name)[:80] or "base"
    return Metrics(out / "logs", name, view.note, tracker, config) if kept else NoMetrics(out / "logs", name, view.note)


def trained_stage(title: str) -> str:
    """Return the stage in the metrics of what the view calls ``title``; empty for what trains nothing."""
    return title if title in {AutoencoderStage.name, PolicyStage.name} else ""


def log_evaluation(metrics: Metrics, iteration: int, evaluations: Sequence[Mapping[str, Any]]) -> None:
    """Log what was measured at ``iteration``, if anything was."""
    if not evaluations or evaluations[-1]["iteration"] != iteration:
        return
    values = {f"success {name}": row["successes"] / row["n"] for name, row in worlds_of(evaluations[-1]).items()}
    if (error := evaluations[-1].get(ACTION_ERROR)) is not None:
        values["action error"] = error
    metrics.log(EVALUATION, iteration, values)
