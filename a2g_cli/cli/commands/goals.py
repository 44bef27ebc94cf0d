"""``a2g goals``: list, show and remove goals."""

from collections.abc import Sequence
from typing import Any

from a2g_cli.cli.commands.capture_goal import where
from a2g_cli.cli.commands.following import running
from a2g_cli.cli.commands.prompts import confirm_removal, to_type
from a2g_cli.cli.commands.report import Report
from a2g_cli.core.errors import UnknownNameError, UsageError
from a2g_cli.core.types import Goal
from a2g_cli.core.workspace import Workspace, checked_name
from a2g_cli.data import goals as goal_store
from a2g_cli.display.console import draws_images, stderr_console
from a2g_cli.display.images import image_row
from a2g_cli.display.lines import printable
from a2g_cli.display.listing import facts, listing

_COLUMNS = 48


def list_goals(workspace: Workspace) -> Report:
    """List the goals, the damaged ones too.

    The document: ``{"goals": [{"name", "path", "source", "cameras", "truth", "shift", "fingerprint", "problem"}]}``.
    """
    found = []
    for name in goal_store.list_goals(workspace):
        try:
            found.append(_document(workspace, goal_store.load_goal(workspace, name)))
        except UsageError as error:  # a damaged goal, or another folder
            found.append({"name": name, "path": str(workspace.goals / name), "problem": str(error)})
    if not found:
        return Report({"goals": []}, [f"no goals yet: {to_type(workspace, 'capture-goal', 'NAME')}"])
    rows = [
        [goal["name"], "-", "damaged: take it again", ""]
        if goal["problem"]
        else [goal["name"], _sizes(goal), where(goal["truth"], goal["source"]), goal["source"]]
        for goal in found
    ]
    return Report({"goals": found}, listing(["goal", "cameras", "where", "source"], rows))


def show_goal(workspace: Workspace, name: str) -> Report:
    """Show one goal: its images on stderr, the rest as in ``list``. Raises UnknownNameError, GoalError."""
    goal = goal_store.load_goal(workspace, name)
    console = stderr_console()
    if draws_images(console):
        console.print(image_row(list(goal.images.values()), _COLUMNS, list(goal.images)))
    document = _document(workspace, goal)
    lines = facts(
        {
            "goal": name,
            "path": document["path"],
            "source": goal.source,
            "cameras": _sizes(document),
            "where": where(goal.truth, goal.source),
            "shift": printable(goal.shift or ""),
            "judged by": "the simulator" if goal.truth else "the policy (the goal's true state is unknown)",
            "next": running(workspace, goal),
        }
    )
    return Report(document, lines)


def remove_goals(workspace: Workspace, names: Sequence[str], yes: bool, dry_run: bool) -> Report:
    """Remove goals; if one of ``names`` does not exist, none is removed. Raises UnknownNameError, UsageError, GoalError."""
    names = list(dict.fromkeys(names))
    for name in names:
        if not (workspace.goals / checked_name("goal", name)).is_dir():
            raise UnknownNameError("goal", name, goal_store.list_goals(workspace))
    document: dict[str, Any] = {"removed": names, "dry_run": dry_run}
    if dry_run:
        return Report(document, [f"would remove goal {name}" for name in names])
    confirm_removal([f"goal {name}" for name in names], yes)
    for name in names:
        goal_store.remove_goal(workspace, name)
    return Report(document, [f"removed goal {name}" for name in names])


def _document(workspace: Workspace, goal: Goal) -> dict[str, Any]:
    return {
        "name": goal.name,
        "path": str(workspace.goals / goal.name),
        "source": printable(goal.source),
        "cameras": {camera: list(image.shape[:2]) for camera, image in goal.images.items()},
        "truth": goal.truth,
        "shift": goal.shift,
        "fingerprint": goal.fingerprint,
        "problem": None,
    }


def _sizes(document: dict[str, Any]) -> str:
    return ", ".join(f"{camera} {width}x{height}" for camera, (height, width) in document["cameras"].items())
