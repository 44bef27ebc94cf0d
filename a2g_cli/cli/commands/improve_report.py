"""What an improvement run brought, in lines: success before and after, what practice cost, and how to undo it."""

from typing import Any

from a2g_cli.adapters.registry import AdapterRegistry
from a2g_cli.cli.commands.prompts import to_type
from a2g_cli.core.workspace import Workspace
from a2g_cli.data.recording.sessions import Session
from a2g_cli.display.tables import curve


def summary(workspace: Workspace, document: dict[str, Any]) -> list[Any]:
    """Return a finished run's lines; of a robot that knows no truth, what its policy saw of each round."""
    rounds = document["rounds"]
    if document["before"] is None:
        shares = [(f"round {number}", done["arrived"]) for number, done in enumerate(rounds, 1)]
        lines: list[Any] = ["arrived in practice, as the policy's own steps-to-go sees it:"] if shares else []
        lines += [curve([share for _, share in shares], [label for label, _ in shares])] if shares else []
    else:
        lines = _measured(document)
    return [*lines, *_practised(workspace, document)]


def _measured(document: dict[str, Any]) -> list[Any]:
    home = document["in_distribution"]
    rows = [("before", document["before"]), ("after", document["after"])]
    where = f"under {document['shift']}"
    if document["shift"] == "none":
        where = "(no shift: this is the training domain, so it was measured once)"
    else:
        rows += [("in distribution, before", home["before"]), ("in distribution, after", home["after"])]
    return [
        f"success on {rows[0][1]['n']} held-out starts and goals {where}:",
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
    tried = f" ({explored} of them to find out where the arm stands)" if explored else ""
    tried += f" ({rehearsed} of them with closed eyes, as remembered)" if rehearsed else ""
    care = f"; the scene was set up {anew} times" + (f", {lost} episodes lost while it was stuck" if lost else "")
    session = Session(workspace.sessions / document["session"])
    recorded = session.recordings()
    # Another program may have promoted something else since: a rollback would undo that.
    promoted = [done["adapter"] for done in rounds if done["promoted"]]
    undoes = bool(promoted) and AdapterRegistry(workspace).active() == promoted[-1]
    return [
        f"practice: {encoded} episodes{tried}, {rolled:.0f} s of rollouts and {adapted:.0f} s of adaptation{care}.",
        f"active adapter: {document['active']}",
        *([f"watch: {to_type(workspace, 'replay', f'{session.name}/{recorded[0].stem}')}"] if recorded else []),
        *([f"undo: {to_type(workspace, 'adapters', 'rollback')}"] if undoes else []),
    ]
