"""``a2g improve``: run and adapt, round after round, measured before and after on held-out starts and goals."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from a2g_cli.adapters.registry import AdapterRegistry, current_name
from a2g_cli.calibration.photo_judge import ANSWERS
from a2g_cli.cameras.choice import CameraChoice
from a2g_cli.cli.commands.deployment import Deployment, in_training_domain
from a2g_cli.cli.commands.evaluate import LANES
from a2g_cli.cli.commands.held_out import HeldOut, check_measurable, forget_after
from a2g_cli.cli.commands.improve_document import document_of, stopped
from a2g_cli.cli.commands.improve_metrics import log_measured, log_round, metrics_of
from a2g_cli.cli.commands.improve_report import summary
from a2g_cli.cli.commands.improve_view import ImproveView
from a2g_cli.cli.commands.live import followed
from a2g_cli.cli.commands.prompts import (
    asks_for_a_key,
    check_answerable,
    first_answers,
    somebody_is_there,
    to_type,
)
from a2g_cli.cli.commands.report import Report, reported
from a2g_cli.cli.commands.report_page import Reporting, session_report, with_report
from a2g_cli.cli.commands.safety import PATIENCE, ask_for_key, deadman_key
from a2g_cli.core.errors import RecordingError, UsageError
from a2g_cli.core.workspace import Workspace
from a2g_cli.data import goals as goal_store
from a2g_cli.data.recording.practice import held as recording_into
from a2g_cli.data.recording.sessions import LATEST, find_recordings, list_sessions, new_session, open_session
from a2g_cli.display.console import stderr_console
from a2g_cli.display.practice_view import practice_view
from a2g_cli.improvement.demo_replay import available_trajectories
from a2g_cli.improvement.loop import Improvement
from a2g_cli.improvement.settings import ImproveSettings, check_limits, improve_settings_from_json
from a2g_cli.improvement.state import PROGRESS, RunState, load
from a2g_cli.improvement.trials import check_cycle
from a2g_cli.models import checkpoint
from a2g_cli.policies.acting import ActingSettings
from a2g_cli.report.about import about
from a2g_cli.robots.base import InstrumentedRobot, Robot, shift_of
from a2g_cli.runtime.interrupt import Interrupt
from a2g_cli.runtime.judge import Ask
from a2g_cli.runtime.policy_factory import PolicyFactory
from a2g_cli.runtime.success import make_judge
from a2g_cli.runtime.termination import RolloutSettings, limit_for
from a2g_cli.tracking.metrics import Metrics
from a2g_cli.tracking.trackers import check_tracker
from a2g_cli.tracking.view import TrackedView
from a2g_cli.training.finetune import ADAPTING


@dataclass(frozen=True)
class ImproveRequest:
    """What ``a2g improve`` was asked to do; the session stores it, so that the run can be resumed."""

    deployment: Deployment
    goals: tuple[str, ...]
    base: Path | None
    settings: ImproveSettings
    evaluation: int
    """Number of held-out trials that measure success before and after: of each named goal; without any, in all."""
    evaluation_seed: int | None = 0
    """Seed of the held-out starts. It is the same for every run that was not given a seed, so that runs can be compared.
    None for a run of version 0.1: it measured goals that the scene drew, also where goals were named, with the run's seed."""
    nominal: bool = True
    """Whether success in the training domain is measured as well, where there is a shift."""

    def to_json(self) -> dict[str, Any]:
        """Return what ``from_json`` reads."""
        base = None if self.base is None else str(self.base.resolve())
        told = {**asdict(self), "goals": list(self.goals), "base": base}
        for name in ("held", "verdict"):  # functions, not settings
            del told["settings"]["rollout"][name]
        return told

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> "ImproveRequest":
        """Read what ``to_json`` wrote. Raises KeyError, TypeError, ValueError."""
        settings = improve_settings_from_json(told["settings"])
        where = dict(told["deployment"])
        cameras = {str(name): CameraChoice(**choice) for name, choice in dict(where.get("cameras", {})).items()}
        return cls(
            Deployment(str(where["robot"]), dict(where["settings"]), cameras),
            tuple(str(name) for name in told["goals"]),
            None if told["base"] is None else Path(str(told["base"])),
            settings,
            int(told["evaluation"]),
            None if told.get("evaluation_seed") is None else int(told["evaluation_seed"]),
            bool(told.get("nominal", True)),
        )


def improve(
    workspace: Workspace,
    asked: ImproveRequest,
    session_name: str | None = None,
    reporting: Reporting | None = None,
    tracker: str | None = None,
) -> Report:
    """Practise in a deployment, and report success before and after, there and in the training domain.

    Args:
        workspace: of the goals; gets recordings and adapters.
        asked: what to practise, and how.
        session_name: of the new session; None: the time names it.
        reporting: whether the run ends by writing an HTML file; None: it does not, and keeps no command.
        tracker: where metrics are logged beside a2g's own file (``tracking/trackers.py``); None: nowhere.

    Raises:
        UsageError: also where the limits allow no round, before anything is measured.
        GoalError, CheckpointError, HardwareError, SafetyStop: see their messages.
        A2GError: the tracker's library is not installed.
    """
    check_tracker(tracker)
    check_limits(asked.settings)
    if asked.settings.reset == "prompt":
        check_answerable("--reset prompt")
    told = {} if reporting is None else about(reporting.command)
    brought = _run(workspace, asked, lambda begin: _fresh(workspace, asked, session_name, begin, told), tracker)
    return _reported(workspace, brought, reporting)


def _reported(workspace: Workspace, brought: Report, reporting: Reporting | None) -> Report:
    return with_report(brought, reporting, lambda: session_report(workspace, brought.document["session"]))


def resume(
    workspace: Workspace,
    session_name: str,
    limits: dict[str, Any],
    reporting: Reporting | None = None,
    tracker: str | None = None,
) -> Report:
    """Resume the run of a session that was killed or interrupted, or that is to last longer.

    Args:
        workspace: of the session.
        session_name: its name, or ``latest``.
        limits: ``rounds``, ``until``, ``minutes``, ``most_episodes``; those that are not None replace the session's.
        reporting: as of ``improve``.
        tracker: as of ``improve``.

    Raises:
        UsageError: ``a2g improve`` did not create the session, or the base has changed.
        RecordingError, GoalError, CheckpointError, HardwareError: see their messages.
    """
    check_tracker(tracker)
    if session_name == LATEST and not any(session.recordings() for session in list_sessions(workspace)):
        raise UsageError("there is nothing to resume: start with `a2g improve`.")
    progress = load(open_session(workspace, session_name))
    try:
        asked = ImproveRequest.from_json(progress.asked)
        begin = current_name(str(progress.asked["begin"]))
    except (KeyError, TypeError, ValueError) as error:
        raise RecordingError(f"{progress.session.folder / PROGRESS} is damaged: {error}.") from error
    if checkpoint.fingerprint(asked.base or checkpoint.SHIPPED) != progress.asked["base_hash"]:
        raise UsageError(
            f"the session {progress.session.name!r} was started with the base {progress.asked['base_hash']}, and this base "
            "is another one: start a new session."
        )
    given = {name: value for name, value in limits.items() if value is not None}
    asked = replace(asked, settings=replace(asked.settings, **given))
    if given:
        # With more practice than before, the end is measured again.
        forget_after(progress.measured)
        progress.asked = {**asked.to_json(), "begin": begin, "base_hash": progress.asked["base_hash"]}
        progress.save()
    return _reported(workspace, _run(workspace, asked, lambda _: progress, tracker, resumed=True), reporting)


def _fresh(
    workspace: Workspace, asked: ImproveRequest, session_name: str | None, begin: str, told: dict[str, Any]
) -> RunState:
    hashed = checkpoint.fingerprint(asked.base or checkpoint.SHIPPED)
    session = new_session(workspace, session_name)
    progress = RunState(session, {**asked.to_json(), "begin": begin, "base_hash": hashed}, about=told)
    progress.save()
    return progress


def _run(
    workspace: Workspace,
    asked: ImproveRequest,
    begun: Callable[[str], RunState],
    tracker: str | None,
    *,
    resumed: bool = False,
) -> Report:
    settings, deployment = asked.settings, asked.deployment
    goals = [goal_store.load_goal(workspace, name) for name in asked.goals]
    demonstrations = find_recordings(workspace, settings.adapt.demonstrations) if settings.adapt.cotrain else []
    registry, folder = AdapterRegistry(workspace), asked.base or checkpoint.SHIPPED
    arrived_below = checkpoint.arrived_below(folder)
    lanes = min(LANES, max(asked.evaluation, settings.episodes))
    with (
        reported() as finished,
        practice_view(stderr_console()) as plain,
        Interrupt(lambda: plain.note(interrupt.words())) as interrupt,
        deadman_key(settings.rollout.safety) as (held, wait),
        deployment.connected(lanes=lanes) as robots,
        in_training_domain(deployment, robots, lanes if asked.nominal else 1) as unshifted,
        ExitStack() as until_the_end,
    ):
        spec, shift = robots[0].spec, shift_of(robots[0])
        limit = limit_for(robots[0], settings.rollout)
        rollout = replace(settings.rollout, held=held)
        practice = _practice(
            settings, robots[0], rollout, limit, arrived_below, lambda: asks_for_a_key(plain.note, interrupt)
        )
        judged = replace(rollout, limit=limit, stop_on_truth=True)
        check_measurable(workspace, robots[0], goals)
        factory = PolicyFactory(folder, registry, spec, ActingSettings())
        check_cycle(robots[0], settings.reset, goals)
        if named := settings.goals_from.partition(":")[2]:
            open_session(workspace, named)  # raises an error if there is none
        if settings.replay_demos:
            available_trajectories(factory)
        factory.get(registry.active())  # raises its errors before anything is measured or written
        factory.note_resizing(plain.note, registry.active())
        progress = begun(registry.active())
        until_the_end.enter_context(recording_into(progress.session, "a2g improve"))
        begin = current_name(str(progress.asked["begin"]))
        metrics = until_the_end.enter_context(
            metrics_of(workspace, progress, plain.note, tracker, resumed=resumed),
        )
        trained = TrackedView(plain, metrics, lambda title: f"round {len(progress.rounds)}" * (title == ADAPTING))
        shown = ImproveView(plain, isinstance(robots[0], InstrumentedRobot), trained)
        view = until_the_end.enter_context(
            followed(shown, workspace, progress, interrupt, robots[0], registry.active())
        )

        resuming = to_type(workspace, "improve", "--resume", progress.session.name)
        view.note(f"up to {settings.rounds} rounds of practice. Ctrl-C is safe at any time; to go on: {resuming}")
        wait(interrupt)
        view.run_begins(len(progress.done), settings.rounds)

        held_out = HeldOut(
            factory,
            progress,
            judged,
            settings.seed if asked.evaluation_seed is None else asked.evaluation_seed,
            asked.evaluation,
            [] if asked.evaluation_seed is None else list({goal.name: goal for goal in goals}.values()),
            view.counting,
            interrupt,
            view.note,
            view,
            asked.nominal,
        )
        # Holding the key also answers that the robot may move.
        keyed = settings.rollout.safety.hold_key is not None
        ask = (lambda _: wait(interrupt)) if keyed else ask_for_key(PATIENCE, view.note, interrupt)
        improvement = Improvement(
            factory,
            robots,
            progress,
            replace(settings, rollout=practice),
            goals,
            view,
            interrupt,
            begin,
            demonstrations,
            ask,
        )
        document: dict[str, Any] = {"robot": spec.name, "shift": shift, "seed": settings.seed}
        document["evaluation_seed"] = held_out.seed
        try:
            _practised(held_out, improvement, robots, unshifted, begin, metrics)
        except KeyboardInterrupt:
            if not interrupt.requested:
                raise
            document |= document_of(progress, improvement, held_out.goals if unshifted else None)
            finished.report = stopped(workspace, document, progress, interrupt)
            return finished.report
        document |= document_of(progress, improvement, held_out.goals if unshifted else None)
        finished.report = Report(document, summary(workspace, document, settings))
    return finished.report


def _practised(
    held_out: HeldOut,
    improvement: Improvement,
    robots: Sequence[Robot],
    unshifted: Sequence[Robot],
    begin: str,
    metrics: Metrics,
) -> None:
    """Measure success, practise, measure it again. Raises KeyboardInterrupt if a person asked to stop."""
    progress = improvement.progress
    held_out.measure("before", begin, robots, unshifted)
    log_measured(metrics, progress, "before")
    for number, result in enumerate(improvement.run(), start=len(progress.done) + 1):
        log_round(metrics, number, result)
    if progress.session.recordings():
        progress.session.link()
    if improvement.interrupted():
        raise KeyboardInterrupt
    held_out.measure("after", improvement.active, robots, unshifted)
    log_measured(metrics, progress, "after")


def _check_truth(settings: ImproveSettings, robot: Robot) -> None:
    """Raise UsageError if the simulator's truth is asked for, and there is no simulator."""
    if settings.judge == "truth" and not isinstance(robot, InstrumentedRobot):
        raise UsageError(
            f"--judge truth asks a simulator, and {robot.spec.name} does not know its true state: use photo or person."
        )


def _practice(
    settings: ImproveSettings,
    robot: Robot,
    rollout: RolloutSettings,
    limit: int,
    arrived_below: float,
    ask: Callable[[], Ask],
) -> RolloutSettings:
    """Return the settings of practice episodes. Raises UsageError if the chosen judge cannot judge them here."""
    _check_truth(settings, robot)
    # Episodes that need more than three quarters of the limit make detours, and detours are bad to imitate.
    practice = replace(rollout, limit=max(1, limit * 3 // 4), arrived_below=arrived_below)
    if settings.judge != "person":
        return practice
    key = first_answers(ask(), ANSWERS) if somebody_is_there() else None
    return replace(practice, verdict=make_judge("person", None, arrived_below, key))
