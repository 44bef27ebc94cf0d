"""The seed of a command that was given none: one that gives other episodes than those the workspace has already."""

from itertools import count

from a2g_cli.core.workspace import Workspace
from a2g_cli.data.recording import index
from a2g_cli.data.recording.sessions import list_sessions


def unused_seed(workspace: Workspace) -> int:
    """Return the least seed that no recording of ``workspace`` was made with; it is read from the sessions' indices.

    Recordings that cannot be read do not count, nor do those whose writers died.
    """
    used = {
        facts["provenance"]["seed"]
        for session in list_sessions(workspace)
        for facts in index.facts_of(session.folder, session.recordings())
        if not isinstance(facts, str)
    }
    return next(seed for seed in count() if seed not in used)
