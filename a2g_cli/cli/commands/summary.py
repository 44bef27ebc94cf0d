"""The summary of a recording: the JSON object of ``replay``, ``recordings list`` and ``recordings show``.

name        SESSION/episode-0000, or the path of a file outside the workspace
path        the file
bytes       its size
created_at  ISO 8601, UTC
steps       T, the actions; there are T + 1 observations
seconds     from the first observation to the last, on the robot's clock [s]
rate        control rate [Hz]
cameras     camera -> [height, width]
goal        {"name", "source", "fingerprint"}
outcome     {"success": true, false or null, "judge", "stopped_by", "steps_to_go", "distance"}
provenance  {"robot", "policy", "shift", "base", "adapter", "adapter_name", "seed", "settings"}
problem     null, or why the file cannot be read; then everything from created_at on is missing
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.progress import Progress

from a2g_cli.core.errors import RecordingError
from a2g_cli.core.workspace import Workspace
from a2g_cli.data.recording import index, schema
from a2g_cli.data.recording.sessions import Session
from a2g_cli.display.console import stderr_console
from a2g_cli.display.listing import facts, listing, size


def name_of(workspace: Workspace, path: Path) -> str:
    """Return the name of the recording at ``path``."""
    if path.parent.parent == workspace.sessions:
        return f"{path.parent.name}/{path.name.removesuffix(schema.SUFFIX)}"
    return str(path)


def summarise(workspace: Workspace, path: Path) -> dict[str, Any]:
    """Return the summary of one recording. Raises RecordingError when it cannot be read."""
    return {**_file(workspace, path), **index.facts(path), "problem": None}


def summarise_all(workspace: Workspace, paths: Sequence[Path]) -> list[dict[str, Any]]:
    """Return the summaries of ``paths``; a file that cannot be read has a ``problem``."""
    summaries = []
    for path in paths:
        try:
            summaries.append(summarise(workspace, path))
        except RecordingError as error:
            summaries.append({**_file(workspace, path), "problem": str(error)})
    return summaries


def summarise_session(session: Session) -> list[dict[str, Any]]:
    """Return the summaries of a session's recordings from its index; only new files are opened."""
    paths = session.recordings()
    console = stderr_console()
    with Progress(console=console, transient=True, disable=not console.is_interactive) as progress:
        task = progress.add_task("reading", total=len(paths))
        said = index.facts_of(session.folder, paths, lambda: progress.advance(task))
    return [
        {
            "name": f"{session.name}/{path.name.removesuffix(schema.SUFFIX)}",
            "path": str(path),
            "bytes": path.stat().st_size,
            **({"problem": told} if isinstance(told, str) else {**told, "problem": None}),
        }
        for path, told in zip(paths, said, strict=True)
    ]


def _file(workspace: Workspace, path: Path) -> dict[str, Any]:
    return {"name": name_of(workspace, path), "path": str(path), "bytes": path.stat().st_size}


_ENDINGS = {
    "steps": "step limit",
    "arrived": "the policy judged the goal as reached",
    "person": "ended by a person",
    "interrupted": "interrupted",
    "hardware": "hardware failure",
}
"""How an episode ended that no guard stopped."""


def outcome_words(outcome: dict[str, Any]) -> str:
    """Return how an episode ended, in words."""
    judged = {True: "success", False: "no success", None: "not judged"}[outcome["success"]]
    stopped_by = outcome["stopped_by"]
    if stopped_by == "success":
        return judged
    return f"{judged}, {_ENDINGS.get(stopped_by) or f'stopped by the guard {stopped_by}'}"


def one_line(summary: dict[str, Any]) -> str:
    """Return a recording on one line."""
    if summary["problem"] is not None:
        return f"{summary['name']}: {summary['problem']}"
    lasted = "" if summary["seconds"] is None else f", {summary['seconds']:g} s"
    return (
        f"{summary['name']}: goal {summary['goal']['name']}, {summary['steps']} steps{lasted}, "
        f"{outcome_words(summary['outcome'])} ({_player(summary['provenance'])})"
    )


def table(summaries: Sequence[dict[str, Any]], more: str) -> list[str]:
    """Return recordings as a list, one per line; ``more`` is the command that describes damage."""
    rows = []
    for summary in summaries:
        if summary["problem"] is not None:
            rows.append([summary["name"], "-", "-", f"damaged: see `{more}`", "", "", ""])
        else:
            rows.append(
                [
                    summary["name"],
                    str(summary["steps"]),
                    summary["goal"]["name"],
                    outcome_words(summary["outcome"]),
                    _player(summary["provenance"]),
                    summary["provenance"]["shift"],
                    summary["created_at"],
                ]
            )
    return listing(["recording", "steps", "goal", "outcome", "policy", "shift", "recorded"], rows)


def details(summary: dict[str, Any]) -> list[str]:
    """Return everything about one recording, one line per fact."""
    if summary["problem"] is not None:
        return facts({"recording": summary["name"], "path": summary["path"], "problem": summary["problem"]})
    outcome, provenance = summary["outcome"], summary["provenance"]
    left = outcome["steps_to_go"]
    return facts(
        {
            "recording": summary["name"],
            "path": f"{summary['path']} ({size(summary['bytes'])})",
            "recorded": summary["created_at"],
            "goal": f"{summary['goal']['name']} ({summary['goal']['source']})",
            "outcome": f"{outcome_words(outcome)} (judge: {outcome['judge']})",
            "steps": f"{summary['steps']} at {summary['rate']} Hz, {summary['seconds']} s",
            "steps to go": "" if left is None else f"{left:.1f} at the end (policy's estimate)",
            "distance": ""
            if outcome["distance"] is None
            else f"{outcome['distance']:.2f} times that of the first frame, in latents",
            "cameras": ", ".join(f"{camera} {w}x{h}" for camera, (h, w) in summary["cameras"].items()),
            "robot": provenance["robot"],
            "policy": _player(provenance),
            "shift": provenance["shift"],
            "seed": "" if provenance["seed"] is None else str(provenance["seed"]),
            "base": provenance["base"] or "",
            "settings": json.dumps(provenance["settings"]) if provenance["settings"] else "",
        }
    )


def _player(provenance: dict[str, Any]) -> str:
    adapter = provenance["adapter_name"]
    return provenance["policy"] if adapter in {None, provenance["policy"]} else f"{provenance['policy']}, {adapter}"
