"""Lets people who are not at the terminal follow a run, and stop it softly: ``a2g view`` reads what is published here."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from a2g_cli.core.workspace import Workspace
from a2g_cli.data.recording.sessions import Session
from a2g_cli.display.console import stderr_console
from a2g_cli.display.lines import say
from a2g_cli.improvement.state import RunState
from a2g_cli.live.following import FollowedImprovement, ImproveShown
from a2g_cli.live.publisher import Publisher
from a2g_cli.robots.base import InstrumentedRobot, Robot, shift_of
from a2g_cli.runtime.interrupt import Interrupt

SIGNAL = "Ctrl-C or a signal"
"""Who asked for the end where nobody said so."""


@contextmanager
def published(
    workspace: Workspace, session: Session, command: str, interrupt: Interrupt, robot: Robot, adapter: str, **known: Any
) -> Iterator[Publisher]:
    """Publish a run into the workspace's ``live/`` while the block runs; a request to stop that is found there interrupts it.

    A disk that refuses is named at the end: nobody watching is no reason to stop a robot.
    """

    def asked() -> str:
        return (interrupt.who or SIGNAL) if interrupt.requested else ""

    told = {"robot": robot.spec.name, "shift": shift_of(robot), "adapter": adapter, **known}
    live = Publisher(workspace, session.name, command, interrupt.request, asked, robot.spec.rate, **told)
    try:
        with live:
            yield live
    finally:
        if live.problem:
            say(stderr_console(), f"note: `a2g view` could not follow this run: {live.problem}", "yellow")


@contextmanager
def followed(
    shown: ImproveShown, workspace: Workspace, progress: RunState, interrupt: Interrupt, robot: Robot, adapter: str
) -> Iterator[FollowedImprovement]:
    """Yield the view of ``a2g improve`` that shows on ``shown`` what it is told, and publishes it; see ``published``."""
    settings = progress.asked.get("settings")
    rounds = settings.get("rounds") if isinstance(settings, dict) else 0
    known = {"round": len(progress.done), "rounds": rounds if isinstance(rounds, int) else 0}
    with published(workspace, progress.session, "a2g improve", interrupt, robot, adapter, **known) as live:
        yield FollowedImprovement(shown, live, isinstance(robot, InstrumentedRobot))
