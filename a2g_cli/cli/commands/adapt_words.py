"""Which recordings ``a2g adapt`` learns from, said before it does, and what can be typed when it has."""

from collections.abc import Sequence
from pathlib import Path

from a2g_cli.cli.commands.following import to_compare, to_record
from a2g_cli.cli.commands.prompts import to_type
from a2g_cli.core.errors import UsageError
from a2g_cli.core.workspace import Workspace
from a2g_cli.data.recording.practice import newest_practice
from a2g_cli.data.recording.reader import Recording
from a2g_cli.data.recording.sessions import find_recordings


def chosen(workspace: Workspace, names: Sequence[str]) -> tuple[list[Path], list[str], list[str]]:
    """Return what ``names`` stand for: without names, the newest session of practice that no program records into.

    Returns:
        The recordings, the names of their sessions, and lines that say what is taken, and what was left out.

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
            raise UsageError(
                f"there is no practice to learn from.{left_out} Name a session, or record one: `{to_record(workspace)}`."
            )
        names = [newest.session.name]
    paths = find_recordings(workspace, names)
    if not paths:
        raise UsageError(f"{', '.join(names)}: there is no recording to learn from yet.")
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
    """Return the lines that say what to type next.

    Args:
        workspace: where everything is.
        parent: what the adapter ``name`` was adapted from.
        name: the adapter.
        paths: what it learned from.
        base: the base that was typed.
        passed: whether the gate let it pass.
        promoted: whether it is active now: only then is there a promotion to undo.
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
