"""``a2g demonstrate``: an expert's demonstrations, recorded into a session for ``a2g pretrain``."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from a2g_cli.cli.commands.deployment import Deployment
from a2g_cli.cli.commands.prompts import to_type
from a2g_cli.cli.commands.report import Report, reported
from a2g_cli.core import plugins
from a2g_cli.core.errors import A2GError, UsageError
from a2g_cli.core.files import make_folder
from a2g_cli.core.locks import locked
from a2g_cli.core.workspace import Workspace
from a2g_cli.data.recording import schema, storage
from a2g_cli.data.recording.reader import Recording
from a2g_cli.data.recording.sessions import Session, session_name
from a2g_cli.data.recording.writer import write_episode
from a2g_cli.display.console import stderr_console
from a2g_cli.display.training_view import TrainingView, training_view
from a2g_cli.robots.base import Robot, shift_of
from a2g_cli.runtime.demonstrating import OWN, Expert, check_demonstrable, demonstrate, find_expert, own_expert

MOST_FAILURES = 50
"""Failed demonstrations in a row after which the command ends."""


@dataclass(frozen=True)
class Manner:
    """How an expert demonstrates."""

    seed: int
    """Of starts, goals and disturbance."""
    disturb: float
    """Strength of the pushes."""
    steps: int | None
    """Most actions [steps]; None: the robot's own limit."""
    to_the_end: bool
    """Whether a demonstration goes on after success."""


def demonstrate_into(
    workspace: Workspace,
    deployment: Deployment,
    expert_name: str,
    episodes: int,
    manner: Manner,
    session: str | None,
    keep_failures: bool,
) -> Report:
    """Record demonstrations until the session has ``episodes`` of them. Started again, it goes on.

    Raises:
        UsageError: no such expert; a robot that knows no success; a session of other demonstrations.
        PluginError, HardwareError: the expert, or the robot, fails.
        A2GError: the expert fails too often.
    """
    expert = find_expert(expert_name)
    own = _own_disturbance(deployment)
    changed: dict[str, Any] = {"disturbance": manner.disturb} if own else {}
    with (
        reported() as finished,
        training_view(stderr_console()) as view,
        deployment.connected(**changed) as (robot,),
    ):
        check_demonstrable(robot)
        if expert_name == OWN:
            own_expert(robot)
        name = (
            session
            or f"demonstrations-{re.sub(r'[^A-Za-z0-9._-]+', '-', robot.spec.name).strip('-')[:50]}-{manner.seed}"
        )
        target = Session(workspace.sessions / session_name(name))
        with storage.writing(target.folder):
            make_folder(target.folder)
        with locked(workspace.sessions / f".{target.name}.lock", "a2g demonstrate"):
            target.clear()
            _check_same(target, robot, expert, manner)
            tried = _Demonstrating(robot, expert, manner, 0.0 if own else manner.disturb, keep_failures)
            tried.until(target, episodes, view)
            target.link()
        finished.report = _report(workspace, target, tried)
    return finished.report


def _own_disturbance(deployment: Deployment) -> bool:
    """Whether the driver disturbs the arm itself, as the simulator does."""
    return "disturbance" in plugins.parameters("robot", plugins.split(deployment.robot)[0])


class _Demonstrating:
    """Demonstrations under way."""

    def __init__(self, robot: Robot, expert: Expert, manner: Manner, pushes: float, keep_failures: bool) -> None:
        self._robot, self._expert, self._manner = robot, expert, manner
        self._pushes, self._keep = pushes, keep_failures
        self.kept = self.failed = 0

    def until(self, session: Session, episodes: int, view: TrainingView) -> None:
        """Record until the session has ``episodes`` demonstrations. Raises A2GError if too many fail in a row."""
        there = session.recordings()
        self.kept = len(there)
        index, in_a_row = 1 + max((_number(path) for path in there), default=-1), 0
        if there:
            view.note(f"going on: {self.kept} of {episodes} demonstrations are in the session {session.name}")
        view.started(f"demonstrations into {session.name}", episodes)
        while self.kept < episodes:
            how = self._manner
            episode = demonstrate(self._robot, self._expert, how.seed, index, self._pushes, how.steps, how.to_the_end)
            episode.provenance.settings["disturbance"] = how.disturb  # type: ignore[index]
            good = episode.outcome is not None and episode.outcome.success is True and len(episode) > 0
            in_a_row = 0 if good else in_a_row + 1
            self.failed += not good
            if good or (self._keep and len(episode)):
                write_episode(session.folder / f"episode-{index:05d}{schema.SUFFIX}", self._robot.spec, episode)
                self.kept += 1
            index += 1
            view.advanced(self.kept, {"failed": float(self.failed)})
            if in_a_row >= MOST_FAILURES and self.kept < episodes:
                raise A2GError(
                    f"{in_a_row} demonstrations in a row did not reach their goal ({self.kept} are kept). Check the expert, "
                    "allow more --steps, or --disturb less; --keep-failures records them all the same."
                )
        view.finished()


def _number(path: Path) -> int:
    digits = re.search(r"(\d+)", path.name)
    return int(digits[1]) if digits else -1


def _check_same(session: Session, robot: Robot, expert: Expert, manner: Manner) -> None:
    """Check that what is in a session was demonstrated in the same way. Raises UsageError, RecordingError."""
    for path in session.recordings()[:1]:
        with Recording(path) as recording:
            was, spec = recording.provenance, recording.spec
        before = (
            was.robot,
            was.policy,
            was.shift,
            was.seed,
            was.settings.get("expert"),
            was.settings.get("disturbance"),
            was.settings.get("to_the_end", False),
        )
        how = (manner.seed, expert.name, manner.disturb, manner.to_the_end)
        now = (robot.spec.name, "expert", shift_of(robot), *how)
        if before != now or spec != robot.spec:
            raise UsageError(
                f"the session {session.name} holds other recordings (robot, expert, seed, shift, --disturb or --to-the-end "
                "differ): choose another --session."
            )


def _report(workspace: Workspace, session: Session, tried: _Demonstrating) -> Report:
    document = {"session": session.name, "path": str(session.folder), "episodes": tried.kept, "failed": tried.failed}
    of = f", {tried.failed} failed" if tried.failed else ""
    then = to_type(workspace, "pretrain", session.name, "--out", f"training/{session.name}")
    return Report(document, [f"{tried.kept} demonstrations in the session {session.name}{of}.", f"Next: {then}"])
