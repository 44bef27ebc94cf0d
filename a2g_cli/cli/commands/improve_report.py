"""The report of an improvement run: success before and after, the cost of practice, and how to undo it."""

from typing import Any

from a2g_cli.adapters.registry import AdapterRegistry
from a2g_cli.cli.commands.prompts import to_type
from a2g_cli.core.workspace import Workspace
from a2g_cli.data.recording.sessions import Session
from a2g_cli.display.tables import curve


def summary(workspace: Workspace, document: dict[str, Any]) -> list[Any]:
    """Return a finished run's lines; without a known true state, the policy's estimate for each round."""
    rounds = document["rounds"]
    if document["before"] is None:
        shares = [(f"round {number}", done["arrived"]) for number, done in enumerate(rounds, 1)]
        lines: list[Any] = ["goals reached in practice (policy's estimate):"] if shares else []
        lines += [curve([share for _, share in shares], [label for label, _ in shares])] if shares else []
    else:
        lines = _measured(document)
    return [*lines, *_practised(workspace, document)]


def _measured(document: dict[str, Any]) -> list[Any]:
    home = document["in_distribution"]
    rows = [("before", document["before"]), ("after", document["after"])]
    where = f"with the shift {document['shift']}"
    if document["shift"] == "none":
        where = "in the training domain (there is no shift)"
    else:
        rows += [("training domain, before", home["before"]), ("training domain, after", home["after"])]
    return [
        f"success in {rows[0][1]['n']} held-out trials {where}:",
        curve(
            [row["rate"] for _, row in rows], [label for label, _ in rows], [tuple(row["interval"]) for _, row in rows]
        ),
    ]


def _practised(workspace: Workspace, document: dict[str, Any]) -> list[str]:
    rounds = document["rounds"]
    counted = ("episodes", "explored", "rehearsed", "gate_episodes")
    encoded = sum(done[key] for done in rounds for key in counted)
    rolled, adapted = (sum(done[key] for done in rounds) for key in ("rollout_seconds", "adapt_seconds"))
    anew, lost = (sum(done[key] for done in rounds) for key in ("set_ups", "lost"))
    explored = sum(done["explored"] for done in rounds)
    rehearsed = sum(done["rehearsed"] for done in rounds)
    tried = f" ({explored} of them searched for the arm's base pose)" if explored else ""
    tried += f" ({rehearsed} of them replayed demonstrations)" if rehearsed else ""
    resets = f"; the scene was reset {anew} times" + (f", {lost} episodes were lost while it was stuck" if lost else "")
    session = Session(workspace.sessions / document["session"])
    recorded = session.recordings()
    # If another program has promoted something else since, a rollback would undo that instead.
    promoted = [done["adapter"] for done in rounds if done["promoted"]]
    undoes = bool(promoted) and AdapterRegistry(workspace).active() == promoted[-1]
    return [
        f"practice: {encoded} episodes{tried}, {rolled:.0f} s of rollouts and {adapted:.0f} s of adaptation{resets}.",
        f"active adapter: {document['active']}",
        *([f"watch: {to_type(workspace, 'replay', f'{session.name}/{recorded[0].stem}')}"] if recorded else []),
        *([f"undo: {to_type(workspace, 'adapters', 'rollback')}"] if undoes else []),
    ]
