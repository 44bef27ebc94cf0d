"""The JSON document of `a2g improve`, and its report after an interruption."""

from collections.abc import Sequence
from typing import Any

from a2g_cli.adapters.registry import current_name
from a2g_cli.cli.commands.held_out import row_of
from a2g_cli.cli.commands.prompts import to_type
from a2g_cli.cli.commands.report import Report
from a2g_cli.core.types import Goal
from a2g_cli.core.workspace import Workspace
from a2g_cli.improvement.loop import Improvement
from a2g_cli.improvement.state import RunState
from a2g_cli.runtime.interrupt import Interrupt


def document_of(progress: RunState, improvement: Improvement, goals: Sequence[Goal] | None) -> dict[str, Any]:
    """Return the document of a run on ``goals``, which were measured; None: the robot does not know its true state."""
    measured = progress.measured
    rates = {
        goal.name: {moment: measured.get(row_of(goal.name, moment)) for moment in ("before", "after")}
        for goal in goals or ()
    }
    return {
        "session": progress.session.name,
        "before": measured.get("before"),
        "after": measured.get("after"),
        "goals": improvement.goal_rates() if goals is None else rates,
        "in_distribution": {"before": measured.get("home before"), "after": measured.get("home after")},
        "rounds": [done.to_json() for done in progress.done],
        "began_with": current_name(str(progress.asked["begin"])),
        "active": improvement.active,
        "stopped_by": improvement.stopped_by() or "interrupted",
        "judge": improvement.judge,
    }


def stopped(workspace: Workspace, document: dict[str, Any], progress: RunState, interrupt: Interrupt) -> Report:
    """Return the report of a run that a person stopped."""
    asked = f", as {interrupt.who} asked" if interrupt.who else ""
    lines = [
        f"interrupted after {len(document['rounds'])} rounds{asked}. Nothing is lost; {document['active']} is active.",
        f"resume: {to_type(workspace, 'improve', '--resume', progress.session.name)}",
    ]
    return Report(document, lines, 130)
