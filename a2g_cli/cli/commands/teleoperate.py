"""``a2g demonstrate --teleop``: a person demonstrates on a real robot, with a leader arm or another device."""

import os
import re
import select
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from a2g_cli.cli.commands.deployment import Deployment
from a2g_cli.cli.commands.prompts import asks_for_a_key, somebody_is_there, to_type
from a2g_cli.cli.commands.report import Report, reported
from a2g_cli.core import config
from a2g_cli.core.clock import goes_on
from a2g_cli.core.errors import UsageError, closed
from a2g_cli.core.files import make_folder
from a2g_cli.core.safety_limits import SafetyLimits
from a2g_cli.core.types import Goal, Outcome, Provenance
from a2g_cli.core.workspace import Workspace
from a2g_cli.data.recording import storage
from a2g_cli.data.recording.copying import with_last_frame_as_goal
from a2g_cli.data.recording.practice import held as recording_into
from a2g_cli.data.recording.sessions import Session, session_name
from a2g_cli.display.console import stderr_console
from a2g_cli.display.lines import say
from a2g_cli.robots.base import Robot, shift_of
from a2g_cli.robots.teleoperator import CheckedTeleoperator, make_teleoperator
from a2g_cli.runtime.interrupt import Interrupt
from a2g_cli.runtime.recorder import Recorder
from a2g_cli.runtime.safety.guards import check_room
from a2g_cli.runtime.sink import NullSink, Sink
from a2g_cli.runtime.success import make_judge
from a2g_cli.runtime.teleoperation import Approach, follow
from a2g_cli.runtime.termination import RolloutSettings

ENDLESS = 10**9
"""Step limit while nothing is recorded [steps]."""


def teleoperate_into(
    workspace: Workspace,
    deployment: Deployment,
    name: str,
    episodes: int,
    session: str | None,
    steps: int | None,
    keep_failures: bool,
    limits: SafetyLimits,
) -> Report:
    """Record a person's demonstrations until the session has ``episodes`` of them, or the person ends it.

    The robot follows the teleoperator from the first press of Enter on, also between demonstrations. Each demonstration's
    goal is its last frame. Its person says whether it succeeded.

    Raises:
        UsageError: no terminal; a robot in simulated time; a deadman key; a teleoperator of other names or units.
        HardwareError, SafetyStop: from robot or teleoperator, or a guard; what was recorded is kept.
    """
    if not somebody_is_there():
        raise UsageError("--teleop needs a terminal: a person says with keys when a demonstration begins and ends.")
    if limits.hold_key is not None:
        raise UsageError("--teleop and the deadman key both use the keyboard: choose one of them.")
    usual = config.read(workspace)
    settings = usual.teleoperator_settings if name == usual.teleoperator else {}
    with (
        reported() as finished,
        deployment.connected() as (robot,),
        Interrupt(lambda: tell(interrupt.words())) as interrupt,
    ):
        if not goes_on(robot.clock):
            raise UsageError(
                f"{robot.spec.name} moves in simulated time, where no person can guide it: use its --expert."
            )
        teleoperator = make_teleoperator(name, settings, robot.spec)
        target = Session(workspace.sessions / session_name(session or f"demonstrations-{_file_name(robot.spec.name)}"))
        check_room(limits, workspace.sessions)
        with storage.writing(target.folder):
            make_folder(target.unjudged.folder)
        with recording_into(target, "a2g demonstrate"), closed(teleoperator, "The teleoperator could not be closed"):
            target.clear()
            teleoperator.connect()
            taking = _Teleoperation(robot, teleoperator, name, target, steps, keep_failures, limits, interrupt)
            try:
                taking.until(episodes)
            finally:
                if not any(target.unjudged.folder.iterdir()):
                    target.unjudged.folder.rmdir()
                finished.report = _report(workspace, target, taking)
    return finished.report


def tell(text: str) -> None:
    """Print a line for the person."""
    say(stderr_console(), text, "bold")


class _Teleoperation:
    def __init__(
        self,
        robot: Robot,
        teleoperator: CheckedTeleoperator,
        name: str,
        session: Session,
        steps: int | None,
        keep_failures: bool,
        limits: SafetyLimits,
        interrupt: Interrupt,
    ) -> None:
        self._robot, self._teleoperator, self._name, self._session = robot, teleoperator, name, session
        self._steps, self._keep, self._limits, self._interrupt = steps, keep_failures, limits, interrupt
        self.kept, self.failed = len(session.recordings()), 0

    def until(self, episodes: int) -> None:
        """Record until the session has ``episodes`` demonstrations."""
        tell(f"{self._robot.spec.name} will follow {self._name}. Enter: let it follow. q: end.")
        with keys() as pressed:
            while (key := pressed(0.05)) != "enter":
                if key == "q" or self._interrupt():
                    return
            while self.kept < episodes and self._one(pressed):
                pass

    def _one(self, pressed: "Keys") -> bool:
        """Record one demonstration; return whether the person goes on."""
        tell(
            f"Set up the start (the robot follows, nothing is recorded). Enter: record demonstration {self.kept + 1}. q: end."
        )
        approach = Approach(self._robot)
        ended = self._follow(approach, pressed, NullSink(), RolloutSettings(limit=ENDLESS, safety=self._limits))
        if ended.stopped_by != "person" or pressed.last == "q":
            return False
        ask = asks_for_a_key(tell, self._interrupt)
        judge = make_judge("person", None, 0.0, ask)
        limit = self._steps or ENDLESS
        path = self._session.unjudged.next_path()
        provenance = Provenance(
            self._robot.spec.name,
            "expert",
            shift_of(self._robot),
            settings={"purpose": "demonstration", "index": self.kept, "disturbance": 0.0, "expert": self._name},
        )
        goal = Goal(f"demonstration-{self.kept}", self._robot.observe().images, self._robot.spec.name)
        recorder = Recorder(path, self._robot.spec, goal, provenance)
        tell("Recording. Enter: end of the demonstration.")
        settings = RolloutSettings(limit=limit, safety=self._limits, verdict=judge)
        outcome = self._follow(approach, pressed, recorder, settings)
        if outcome.stopped_by == "interrupted":
            if path.exists():
                tell(f"The demonstration that was interrupted is no part of the session; it is kept as {path}.")
            return False
        if path.exists():
            self._judged(path, outcome)
        return not self._interrupt() and pressed.last != "q"

    def _follow(self, approach: Approach, pressed: "Keys", sink: Sink, settings: RolloutSettings) -> Outcome:
        goal = Goal("nothing", {}, self._robot.spec.name)
        return follow(
            self._robot,
            self._teleoperator.action,
            approach,
            goal if isinstance(sink, NullSink) else replace(goal, name=f"the goal of demonstration {self.kept + 1}"),
            settings,
            sink,
            lambda: pressed(0.0) is not None,
            self._interrupt,
        )

    def _judged(self, path: Path, outcome: Outcome) -> None:
        """Put a demonstration that the person accepts into the session; another one is removed, unless it is to be kept."""
        if outcome.success is False and not self._keep:
            self.failed += 1
            tell("Left out (--keep-failures keeps such demonstrations).")
        else:
            with_last_frame_as_goal(path, self._session.next_path())
            self.kept += 1
        with storage.writing(path):
            path.unlink()


class Keys:
    """Reads single keys of the terminal. Ctrl-C works as usual."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.last: str | None = None
        """The last key that was returned."""

    def __call__(self, seconds: float) -> str | None:
        """Return ``"enter"`` or ``"q"`` if that key was pressed within ``seconds`` [s], else None. A closed terminal is q."""
        if not select.select([self._descriptor], [], [], seconds)[0]:
            return None
        try:
            typed = os.read(self._descriptor, 64)
        except OSError:  # the terminal closed
            typed = b""
        found = "q" if not typed or b"q" in typed.lower() else "enter" if b"\n" in typed or b"\r" in typed else None
        self.last = found or self.last
        return found


@contextmanager
def keys(descriptor: int | None = None) -> Iterator[Keys]:
    """Yield the terminal's keys, each as soon as it is pressed. ``descriptor``: of the terminal; None: standard input."""
    terminal = sys.stdin.fileno() if descriptor is None else descriptor
    before = termios.tcgetattr(terminal)
    tty.setcbreak(terminal)
    try:
        yield Keys(terminal)
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def _file_name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-")[:50]


def _report(workspace: Workspace, session: Session, taking: _Teleoperation) -> Report:
    if session.recordings():
        session.link()
    document = {"session": session.name, "path": str(session.folder), "episodes": taking.kept, "failed": taking.failed}
    of = f", {taking.failed} failed" if taking.failed else ""
    then = to_type(workspace, "pretrain", session.name, "--out", f"training/{session.name}")
    return Report(document, [f"{taking.kept} demonstrations in the session {session.name}{of}.", f"Next: {then}"])
