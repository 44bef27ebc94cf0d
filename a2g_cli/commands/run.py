"""``a2g run``: roll the policy out towards goals; every episode is recorded."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from a2g_cli import goals as goal_store
from a2g_cli.commands.asking import to_type
from a2g_cli.commands.deployment import Deployment
from a2g_cli.commands.report import Report
from a2g_cli.display.console import draws_pictures, stderr_console
from a2g_cli.display.rollout_view import RolloutView, rollout_view
from a2g_cli.episode import Goal, Image, Observation, Outcome, Provenance
from a2g_cli.errors import GoalNotReached
from a2g_cli.policy import checkpoint
from a2g_cli.policy.acting import ActingSettings
from a2g_cli.policy.policy import Policy
from a2g_cli.policy.shelf import Shelf
from a2g_cli.recording.sessions import Session, new_session
from a2g_cli.recording.storage import check_disk
from a2g_cli.robots.robot import InstrumentedRobot, Robot, shift_of
from a2g_cli.session.interrupt import Interrupt
from a2g_cli.session.players import FLOORS, Players
from a2g_cli.session.recorder import Recorder
from a2g_cli.session.rollout import Job, RolloutSettings, limit_for, roll_out
from a2g_cli.workspace import Workspace


def fresh_start(robot: Robot, goal: Goal, seed: int, index: int) -> None:
    """Bring robot and scene to a start for ``goal``; a start that satisfies it would say nothing.

    Raises:
        GoalError: the goal is another scene's. UsageError: there is no room for a start.
    """
    if isinstance(robot, InstrumentedRobot) and goal.truth is not None:
        robot.begin(robot.start_for(goal, seed, index))
    else:
        robot.reset()


def run(
    workspace: Workspace,
    deployment: Deployment,
    names: Sequence[str],
    episodes: int,
    adapter: str | None,
    base: Path | None,
    steps: int | None,
    seed: int,
    session_name: str | None,
    imagine: bool,
    acting: ActingSettings,
) -> Report:
    """Roll ``episodes`` episodes out for each goal.

    Raises:
        UsageError, GoalError, CheckpointError, HardwareError, SafetyStop: see their messages.
        GoalNotReached: through the report's exit code 5, when no judged episode reached its goal.
    """
    console = stderr_console()
    goals = [goal_store.load_goal(workspace, name) for name in names]
    shelf = Shelf(workspace)
    folder = base or checkpoint.SHIPPED
    name = shelf.active() if adapter is None else adapter
    with deployment.connected(seed=seed) as (robot,):
        for goal in goals:
            for warning in goal_store.check_goal(goal, robot.spec):
                console.print(f"[yellow]note:[/] {warning}")
            if isinstance(robot, InstrumentedRobot) and goal.truth is not None:
                robot.start_for(goal, seed, 0)  # a goal of another scene is refused before there is a session
        if imagine and draws_pictures(console):
            acting = replace(acting, imagine_steps=4)
        players = Players(folder, shelf, robot.spec, acting)
        policy = players.get(name)
        settings = RolloutSettings(limit=steps, arrived_below=players.arrived_below(name))
        check_disk(workspace.sessions)
        session = new_session(workspace, session_name)
        floor = name in FLOORS
        provenance = Provenance(
            robot=robot.spec.name,
            policy=policy.name,
            shift=shift_of(robot),
            base=None if floor else players.base_hash(),
            adapter=None if floor or name == "none" else shelf.get(name).fingerprint,
            adapter_name=name,
            seed=seed,
        )
        wanted = [goal for goal in goals for _ in range(episodes)]
        begun = time.monotonic()
        with rollout_view(console) as view, Interrupt(lambda: view.note("finishing the step, saving …")) as interrupt:
            view.note(f"{robot.spec.name} · adapter {name} · session {session.name}")
            done, planning = _roll_each(robot, wanted, session, provenance, policy, settings, view, interrupt)
    if done:
        session.link()
    return _report(workspace, session, name, done, planning, time.monotonic() - begun, interrupt.requested)


class _Timed:
    """Passes a rollout's events on to the view and keeps what the summary needs."""

    def __init__(self, view: RolloutView) -> None:
        self._view = view
        self.planning: list[float] = []
        self.steps = 0

    def planned(
        self, observation: Observation, imagined: Mapping[str, Sequence[Image]], steps_to_go: float, seconds: float
    ) -> None:
        self.planning.append(seconds)
        self._view.planned(observation, imagined, steps_to_go, seconds)

    def stepped(self, step: int, observation: Observation, steps_to_go: float) -> None:
        self.steps = step
        self._view.stepped(step, observation, steps_to_go)


def _job(goal: Goal, seed: int, index: int, recorder: Recorder) -> Job:
    return Job(goal, seed * 100_003 + index, lambda robot: fresh_start(robot, goal, seed, index), lambda _: recorder)


@dataclass(frozen=True)
class _Done:
    goal: str
    path: Path
    outcome: Outcome
    steps: int
    waited: float
    """How long the robot had to wait for the disk [s]."""

    def to_json(self) -> dict[str, Any]:
        return {
            "path": str(self.path),
            "goal": self.goal,
            "steps": self.steps,
            "success": self.outcome.success,
            "judge": self.outcome.judge,
            "stopped_by": self.outcome.stopped_by,
            "waited_for_disk": round(self.waited, 3),
        }


def _roll_each(
    robot: Robot,
    wanted: Sequence[Goal],
    session: Session,
    provenance: Provenance,
    policy: Policy,
    settings: RolloutSettings,
    view: RolloutView,
    interrupt: Interrupt,
) -> tuple[list[_Done], list[float]]:
    """Roll one episode out for each goal in turn; return what was recorded and the planning times [s]."""
    done: list[_Done] = []
    planning: list[float] = []
    for i, goal in enumerate(wanted):
        if interrupt():
            break
        path = session.next_path()
        check_disk(path)  # before the robot moves to the start of an episode that could not be recorded
        view.episode_started(i, len(wanted), goal, limit_for(robot, settings))
        timed = _Timed(view)
        recorder = Recorder(path, robot.spec, goal, replace(provenance, settings={"index": i}))
        job = _job(goal, provenance.seed or 0, i, recorder)
        for _, outcome in roll_out([robot], [job], policy, settings, timed, interrupt):
            view.episode_ended(i, outcome, timed.steps, path if timed.steps else None)
            if timed.steps:
                pressure = recorder.pressure
                done.append(_Done(goal.name, path, outcome, timed.steps, pressure.seconds))
                if pressure.waits:
                    view.note(
                        f"the disk is slow: in {pressure.waits} of {timed.steps} steps the robot waited for it, "
                        f"{pressure.seconds:.2f} s together, {pressure.longest:.2f} s at most"
                    )
        planning += timed.planning
    return done, planning


def _report(
    workspace: Workspace,
    session: Session,
    adapter: str,
    done: Sequence[_Done],
    planning: Sequence[float],
    seconds: float,
    interrupted: bool,
) -> Report:
    judged = [episode for episode in done if episode.outcome.success is not None]
    successes = sum(bool(episode.outcome.success) for episode in judged)
    document = {
        "session": session.name,
        "adapter": adapter,
        "recordings": [episode.to_json() for episode in done],
        "episodes": len(done),
        "successes": successes,
        "seconds": round(seconds, 2),
        "planning_ms": round(1000 * float(np.median(planning)), 2) if planning else None,
    }
    told = (
        f"{successes} of {len(judged)} reached the goal"
        if judged
        else "nobody could judge whether the goal was reached"
    )
    lines = [
        f"{len(done)} episodes in {session.folder}: {told}.",
        f"next: {to_type(workspace, 'replay', f'{session.name}/{done[-1].path.stem}')} · "
        f"{to_type(workspace, 'adapt', session.name)}"
        if done
        else "nothing was recorded.",
    ]
    if interrupted:
        return Report(document, lines, 130)
    return Report(document, lines, GoalNotReached.exit_code if judged and not successes else 0)
