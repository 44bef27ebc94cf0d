"""The recordings that ``a2g adapt`` learns from, and the commands that can follow it."""

from collections.abc import Sequence
from pathlib import Path

from a2g_cli.cli.commands.following import to_compare, to_record
from a2g_cli.cli.commands.prompts import to_type
from a2g_cli.core.errors import UsageError
from a2g_cli.core.workspace import Workspace
from a2g_cli.data import goals as goal_store
from a2g_cli.data.recording.practice import newest_practice
from a2g_cli.data.recording.reader import Recording
from a2g_cli.data.recording.sessions import find_recordings


def chosen(workspace: Workspace, names: Sequence[str]) -> tuple[list[Path], list[str], list[str]]:
    """Return the recordings of ``names``; without names, of the newest session of practice that is complete.

    Returns:
        The recordings, the names of their sessions, and lines that say what is used and what was left out.

    Raises:
        UsageError: there is nothing to learn from.
        UnknownNameError, RecordingError: see their messages.
    """
    lines: list[str] = []
    if not names:
        newest = newest_practice(workspace)
        lines += newest.left_out
        if newest.session is None:
            left_out = "".join(f" {line[0].upper()}{line[1:]}" for line in lines)
            advice = f"Name a session, or record one: `{to_record(workspace)}`."
            if not goal_store.list_goals(workspace):
                advice = f"First take a goal (`{to_record(workspace)}`), then record: `a2g run NAME`."
            raise UsageError(f"there are no recordings to learn from.{left_out} {advice}")
        names = [newest.session.name]
    paths = find_recordings(workspace, names)
    if not paths:
        raise UsageError(f"{', '.join(names)}: no recording to learn from yet.")
    sessions = list(dict.fromkeys(path.parent.name for path in paths))
    counted = f"{len(paths)} {'recording' if len(paths) == 1 else 'recordings'}"
    lines.append(f"learning from {counted} in {'session' if len(sessions) == 1 else 'sessions'} {', '.join(sessions)}.")
    return paths, sessions, lines


def following(
    workspace: Workspace,
    parent: str,
    name: str,
    paths: Sequence[Path],
    base: Path | None,
    *,
    passed: bool,
    promoted: bool,
) -> list[str]:
    """Return the lines with the commands that can follow.

    Args:
        workspace: of the adapter.
        parent: of the adapter.
        name: of the adapter.
        paths: the recordings that it learned from.
        base: of ``--base``.
        passed: whether the gate accepted it.
        promoted: whether it is active now, so that the promotion can be undone.
    """
    goals: dict[str, None] = {}
    for path in reversed(paths):
        with Recording(path) as recording:
            goals.setdefault(recording.goal.name)
            robot, shift = recording.spec.name, recording.provenance.shift
    compare = to_compare(workspace, parent, name, robot, shift, list(goals), base)
    lines = [] if compare is None else [f"next: {compare}"]
    if promoted:
        lines.append(f"undo: {to_type(workspace, 'adapters', 'rollback')}")
    elif passed:
        lines.append(f"promote: {to_type(workspace, 'adapters', 'promote', name)}")
    return lines
