"""The report of an improvement run: success before and after, the cost of practice, and how to undo it."""

from typing import Any

from a2g_cli.adapters.registry import BASE, AdapterRegistry
from a2g_cli.cli.commands.prompts import to_type
from a2g_cli.core.workspace import Workspace
from a2g_cli.data.recording.sessions import Session
from a2g_cli.display.tables import curve
from a2g_cli.improvement.settings import ImproveSettings


def summary(workspace: Workspace, document: dict[str, Any], settings: ImproveSettings) -> list[Any]:
    """Return a finished run's lines; without a known true state, the policy's estimate for each round and each goal."""
    lines = _estimated(document) if document["before"] is None else _measured(document)
    return [*lines, *_stopped(document, settings), *_practised(workspace, document)]


def _stopped(document: dict[str, Any], settings: ImproveSettings) -> list[str]:
    """Return why no further round was started, unless all rounds were done."""
    done = len(document["rounds"])
    after = f"Stopped after round {done}" if done else "No round was started"
    match document["stopped_by"]:
        case "episodes" | "minutes" if done >= settings.rounds:
            return []
        case "episodes":
            return [
                f"{after}: --max-episodes {settings.most_episodes} allows no further round, which needs up to "
                f"{settings.round_episodes} episodes."
            ]
        case "minutes":
            return [f"{after}: --max-minutes {settings.minutes:g} is used up."]
        case "until":
            return [f"{after}: it reached --until {settings.until:g} (practice, by its judge)."]
    return []


def _estimated(document: dict[str, Any]) -> list[Any]:
    rounds = document["rounds"]
    if not rounds:
        return []
    lines: list[Any] = ["goals reached in practice (policy's estimate):"]
    lines.append(
        curve([done["arrived"] for done in rounds], [f"round {number}" for number in range(1, len(rounds) + 1)])
    )
    if rows := _rows_of_goals(document):
        lines += ["each goal in the first and the last round of practice (policy's estimate; no held-out trials):"]
        lines.append(_bars(rows))
    return lines


def _measured(document: dict[str, Any]) -> list[Any]:
    goals, home = _rows_of_goals(document), document["in_distribution"]
    rows = goals or [("before", document["before"]), ("after", document["after"])]
    where = f"with the shift {document['shift']}"
    if document["shift"] == "none":
        where = "in the training domain (there is no shift)"
    else:
        other = ", other goals" if goals else ""
        moments = [moment for moment in ("before", "after") if home[moment] is not None]
        rows += [(f"training domain{other}, {moment}", home[moment]) for moment in moments]
    each = f" of {'each goal' if len(document['goals']) > 1 else 'the goal'}" if goals else ""
    return [f"success in {rows[0][1]['n']} held-out trials{each} {where}:", _bars(rows)]


def _rows_of_goals(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    rates = document["goals"].items()
    return [(f"{name}, {moment}", row) for name, moments in rates for moment, row in moments.items() if row is not None]


def _bars(rows: list[tuple[str, dict[str, Any]]]) -> Any:
    return curve(
        [row["rate"] for _, row in rows], [label for label, _ in rows], [tuple(row["interval"]) for _, row in rows]
    )


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
    tried += f", seed {document['seed']}"
    return [
        f"practice: {encoded} episodes{tried}, {rolled:.0f} s of rollouts and {adapted:.0f} s of adaptation{resets}.",
        f"active adapter: {document['active']}",
        *([f"watch: {to_type(workspace, 'replay', f'{session.name}/{recorded[0].stem}')}"] if recorded else []),
        *_undo(workspace, document),
    ]


def _undo(workspace: Workspace, document: dict[str, Any]) -> list[str]:
    """Return the line with the command that undoes all promotions of the run; nothing if there was none.

    Nor if another program has promoted something else since: this would undo that instead.
    """
    promoted = [done["adapter"] for done in document["rounds"] if done["promoted"]]
    if not promoted or AdapterRegistry(workspace).active() != promoted[-1]:
        return []
    if len(promoted) == 1:
        return [f"undo: {to_type(workspace, 'adapters', 'rollback')}"]
    # A rollback would undo the last of them. What the run began with may have been promoted against the gate.
    begin = document["began_with"]
    words = [begin, *([] if begin == BASE else ["--force"])]
    return [f"undo: {to_type(workspace, 'adapters', 'promote', *words)}"]
