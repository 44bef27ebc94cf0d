"""``a2g run``: roll out the policy for goals, and record every episode."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from a2g_cli.adapters.registry import BASE, AdapterRegistry
from a2g_cli.cli.commands.deployment import Deployment
from a2g_cli.cli.commands.following import ENOUGH, with_base
from a2g_cli.cli.commands.live import published
from a2g_cli.cli.commands.prompts import asks_for_a_key, check_answerable, somebody_is_there, to_type
from a2g_cli.cli.commands.report import Report, reported
from a2g_cli.cli.commands.run_episodes import RunUnderWay
from a2g_cli.cli.commands.safety import PATIENCE, ask_for_key, deadman_key
from a2g_cli.core.clock import goes_on
from a2g_cli.core.errors import A2GError, GoalNotReached, UsageError
from a2g_cli.core.safety_limits import SafetyLimits
from a2g_cli.core.types import Goal, Provenance
from a2g_cli.core.workspace import Workspace
from a2g_cli.data import goals as goal_store
from a2g_cli.data.recording.practice import held as recording_into
from a2g_cli.data.recording.sessions import recording_session
from a2g_cli.display.console import draws_images, stderr_console
from a2g_cli.display.lines import say
from a2g_cli.display.rollout_view import rollout_view
from a2g_cli.live.following import FollowedRollout
from a2g_cli.models import checkpoint
from a2g_cli.models.checkpoint import SLACK
from a2g_cli.policies.acting import ActingSettings
from a2g_cli.robots.base import InstrumentedRobot, Robot, shift_of, views_of
from a2g_cli.runtime import reset as resets
from a2g_cli.runtime.faults import FaultyPolicy, parse_fault, put_into_robot
from a2g_cli.runtime.interrupt import Interrupt
from a2g_cli.runtime.policy_factory import BASELINES, PolicyFactory
from a2g_cli.runtime.safety.guards import Guards, check_room
from a2g_cli.runtime.success import check_judge, make_judge
from a2g_cli.runtime.termination import RolloutSettings
from a2g_cli.runtime.timing import in_words

_KEEP_ALL = (
    "The policy does not think that any episode reached its goal. Then plain `a2g adapt` can only measure what has changed "
    "in the scene; with --keep all it also learns from every episode."
)


@dataclass(frozen=True)
class SafetyOptions:
    """How a run keeps the robot safe, resets it and judges success."""

    limits: SafetyLimits = field(default_factory=SafetyLimits)
    reset: str = "own"
    """What happens between episodes: runtime/reset.py."""
    patience: float = PATIENCE
    """Longest time to wait for a person's answer [s]."""
    fault: str | None = None
    """A fault that is caused on purpose: runtime/faults.py."""
    judge: str = "auto"
    """Who decides about success: runtime/success.py."""

    def __post_init__(self) -> None:
        """Raise UsageError for an unknown judge, if nobody can answer, or if two options need the keyboard."""
        check_judge(self.judge)
        if self.reset == "prompt":
            check_answerable("--reset prompt")
        if self.judge == "person" and self.limits.hold_key is not None:
            raise UsageError("--judge person and --deadman-key both use the keyboard: choose one of them.")


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
    care: SafetyOptions | None = None,
) -> Report:
    """Roll out ``episodes`` episodes for each goal; without names, for the goals of ``a2g.toml``.

    Raises:
        UsageError, GoalError, CheckpointError, HardwareError, SafetyStop: see their messages.
        GoalNotReached: through the report's exit code 5, when no judged episode reached its goal.
    """
    care = care or SafetyOptions()
    way = resets.check_way(care.reset)
    fault = None if care.fault is None else parse_fault(care.fault)
    console = stderr_console()
    names = names or deployment.goals
    if not names:
        raise UsageError("no goal is given: name one, or set names = [...] under [goals] in a2g.toml.")
    goals = [goal_store.load_goal(workspace, name) for name in names]
    wanted = resets.in_cycles(goals, episodes, way)
    registry = AdapterRegistry(workspace)
    folder = base or checkpoint.SHIPPED
    name = registry.active() if adapter is None else adapter
    with (
        reported() as finished,
        deadman_key(care.limits) as (held, wait_for_key),
        deployment.connected(seed=seed) as (robot,),
    ):
        _check_goals(workspace, robot, goals, seed, console)
        if imagine and draws_images(console):
            acting = replace(acting, imagine_steps=4)
        factory = PolicyFactory(folder, registry, robot.spec, acting)
        policy, judging = factory.get(name), factory.goal_scorer(name)
        settings = RolloutSettings(
            limit=steps, arrived_below=factory.arrived_below(name), safety=care.limits, held=held
        )
        Guards(robot, care.limits)  # refuses limits that do not fit the robot before anything is written
        check_room(care.limits, workspace.sessions)
        if way == "rest-pose":
            resets.rest_pose_robot(robot)
        if fault is not None:
            put_into_robot(robot, fault)
            policy = FaultyPolicy(policy, robot, fault)
        # A judge that cannot judge is refused before anything moves or is written.
        make_judge(care.judge, judging, settings.arrived_below, (lambda _: None) if somebody_is_there() else None)
        floor = name in BASELINES
        provenance = Provenance(
            robot=robot.spec.name,
            policy=policy.name,
            shift=shift_of(robot),
            base=None if floor else factory.base_hash(),
            adapter=None if floor or name == BASE else registry.get(name).fingerprint,
            adapter_name=name,
            seed=seed,
            settings=_seen_by(robot) | ({} if fault is None else {"fault": str(care.fault)}),
        )
        with (
            recording_session(workspace, session_name) as session,
            recording_into(session, "a2g run"),
            rollout_view(console) as terminal,
            Interrupt(lambda: view.note(interrupt.words())) as interrupt,
            published(workspace, session, "a2g run", interrupt, robot, name) as live,
            FollowedRollout(terminal, live) as view,
        ):
            key = asks_for_a_key(view.note, interrupt) if care.judge == "person" else None
            settings = replace(settings, verdict=make_judge(care.judge, judging, settings.arrived_below, key))
            view.note(f"{robot.spec.name} · adapter {name} · session {session.name} · seed {seed}")
            factory.note_resizing(view.note, name)
            factory.note_goals(view.note, [name], goals)
            rolled = RunUnderWay(
                robot,
                policy,
                settings,
                session,
                provenance,
                view,
                interrupt,
                # A terminal that draws images has every plan's frames already; the page then shows these.
                None if acting.imagine_steps else live.imagined,
            )
            ask = ask_for_key(care.patience, view.note, interrupt)
            before = _reset(way, rolled, seed, wait_for_key if care.limits.hold_key is not None else None, ask)
            begun = time.monotonic()

            def report() -> Report:
                spent = time.monotonic() - begun
                return _report(workspace, rolled, name, spent, interrupt, base, deployment.typed)

            try:
                rolled.each(wanted, before, wait_for_key)
            except A2GError as stop:
                _tell(stop, rolled, report)
                raise
        if rolled.done:
            session.link()
        finished.report = report()
    return finished.report


def _check_goals(workspace: Workspace, robot: Robot, goals: Sequence[Goal], seed: int, console: Console) -> None:
    """Check goals before there is a session, and print warnings about them.

    Raises GoalError, UsageError.
    """
    for goal in goals:
        warnings = goal_store.check_goal(goal, robot.spec, views_of(robot))
        if resets.without_state(robot, goal):
            warnings.append(
                f"the goal {goal.name!r} is an image without a state of {robot.spec.name}. Each episode starts in a random "
                "scene, not in that of the image, so the goal may be impossible to reach. A goal with a state: "
                f"{to_type(workspace, 'capture-goal', 'NAME')}."
            )
        elif isinstance(robot, InstrumentedRobot):
            robot.start_for(goal, seed, 0)
        for warning in warnings:
            say(console, f"note: {warning}", "yellow")


def _reset(
    way: str,
    rolled: "RunUnderWay",
    seed: int,
    wait_for_key: Callable[[Callable[[], bool]], bool] | None,
    ask: Callable[[str], bool],
) -> resets.Reset:
    match way:
        case "rest-pose":
            return resets.RestPoseReset(seed, rolled.settings, rolled.reset_job, rolled.interrupt)
        case "cycle":
            return resets.ResetFree(seed)
        case "prompt":
            # Holding the key also answers that the robot may move.
            return resets.PromptedReset(seed, ask if wait_for_key is None else lambda _: wait_for_key(rolled.interrupt))
    return resets.RobotReset(seed)


def _seen_by(robot: Robot) -> dict[str, Any]:
    """Return what a recording stores about its cameras; nothing if that is not known."""
    views = {name: view.to_json() for name, view in views_of(robot).items()}
    return {"views": views} if views else {}


def _tell(stop: A2GError, rolled: RunUnderWay, report: Callable[[], Report]) -> None:
    """Add to an error what was recorded before it."""
    if rolled.done:
        rolled.session.link()
        stop.document = report().document
        last = rolled.done[-1]
        stop.add_note(f"The recording is kept: {last.path} (stopped by {last.outcome.stopped_by}).")


def _report(
    workspace: Workspace,
    rolled: RunUnderWay,
    adapter: str,
    seconds: float,
    interrupt: Interrupt,
    base: Path | None,
    typed: Sequence[str],
) -> Report:
    done, session = rolled.done, rolled.session
    judged = [episode for episode in done if episode.outcome.success is not None]
    successes = sum(bool(episode.outcome.success) for episode in judged)
    timing = rolled.timing_stats.to_json()
    document = {
        "session": session.name if done else None,
        "adapter": adapter,
        "seed": rolled.provenance.seed,
        "recordings": [episode.to_json() for episode in done],
        "episodes": len(done),
        "successes": successes,
        "seconds": round(seconds, 2),
        "planning_ms": None if timing["planning_ms"] is None else round(timing["planning_ms"]["median"], 2),
        "timing": timing,
    }
    told = f"success in {successes} of {len(judged)}" if judged else "success was not judged"
    lines = ["Nothing was recorded."]
    if done:
        # By default an adaptation learns only from episodes that reached their goal by the policy's estimate.
        reached = any(episode.nearest < SLACK * rolled.settings.arrived_below for episode in done)
        again = [*([] if reached else ["--keep", "all"]), *with_base(base)]
        if adapter != AdapterRegistry(workspace).active():
            again += ["--parent", BASE if adapter in BASELINES else adapter]
        following = to_type(workspace, "adapt", session.name, *again)
        if len(done) == 1:  # nothing would be left to test an adapter on
            chosen = [] if adapter == AdapterRegistry(workspace).active() else ["--adapter", adapter]
            more = ["--episodes", str(ENOUGH), *typed, *with_base(base), *chosen]
            following = to_type(workspace, "run", done[-1].goal, *more)
        why = [] if reached or len(done) == 1 else [_KEEP_ALL]
        lines = [
            f"{len(done)} {'episode' if len(done) == 1 else 'episodes'} in {session.folder}: {told}.",
            f"timing: {in_words(timing, waits=not goes_on(rolled.robot.clock))}.",
            f"watch: {to_type(workspace, 'replay', f'{session.name}/{done[-1].path.stem}')}",
            *why,
            f"next: {following}",
        ]
    if interrupt.requested:
        asked = [f"stopped softly: {interrupt.who} asked for it."] if interrupt.who else []
        return Report(document, [*asked, *lines], 130)
    return Report(document, lines, GoalNotReached.exit_code if judged and not successes else 0)
