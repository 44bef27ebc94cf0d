"""``a2g improve``: run and adapt, round after round, measured before and after on held-out starts and goals."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from a2g_cli import goals as goal_store
from a2g_cli.commands.asking import to_type
from a2g_cli.commands.deployment import Deployment
from a2g_cli.commands.evaluate import LANES
from a2g_cli.commands.report import Report
from a2g_cli.display.console import stderr_console
from a2g_cli.display.tables import curve
from a2g_cli.display.training_view import TrainingView, training_view
from a2g_cli.policy import checkpoint
from a2g_cli.policy.acting import ActingSettings
from a2g_cli.policy.shelf import Shelf
from a2g_cli.recording.sessions import new_session
from a2g_cli.robots.robot import Robot, shift_of
from a2g_cli.session.evaluate import Result, draw_trials, evaluate
from a2g_cli.session.improve import Improvement, ImproveSettings
from a2g_cli.session.interrupt import Interrupt
from a2g_cli.session.players import Players
from a2g_cli.session.rollout import RolloutSettings
from a2g_cli.workspace import Workspace


class _View:
    """Shows an improvement run through the training view."""

    def __init__(self, console: Console, view: TrainingView) -> None:
        self._console, self._view = console, view
        self._what = ""
        self.started, self.advanced, self.note, self.finished = view.started, view.advanced, view.note, view.finished

    def rolled(self, what: str, done: int, total: int, successes: int) -> None:
        """Show the episodes of one batch as they end."""
        if what != self._what:
            self._what = what
            self._view.started(what, total)
        self._view.advanced(done, {"successes": successes})
        if done == total:
            self._view.finished()
            self._what = ""

    def round_over(self, number: int, total: int, line: str) -> None:
        """Say how a round ended."""
        self._view.note(f"round {number}/{total}: {line}")


def improve(
    workspace: Workspace,
    deployment: Deployment,
    names: Sequence[str],
    base: Path | None,
    settings: ImproveSettings,
    evaluation: int,
    session_name: str | None,
) -> Report:
    """Improve on a deployment and report success before and after, there and in distribution.

    Raises:
        UsageError, GoalError, CheckpointError, HardwareError: see their messages.
    """
    goals = [goal_store.load_goal(workspace, name) for name in names]
    shelf, folder = Shelf(workspace), base or checkpoint.SHIPPED
    limit = settings.rollout.limit
    settings = replace(settings, rollout=replace(settings.rollout, arrived_below=checkpoint.arrived_below(folder)))
    judged = RolloutSettings(limit=limit, stop_on_truth=True)
    console = stderr_console()
    with (
        training_view(console) as plain,
        Interrupt(lambda: plain.note("finishing the step, saving …")) as interrupt,
        deployment.connected(lanes=LANES) as robots,
        _unshifted(deployment).connected(lanes=LANES) as homes,
    ):
        view = _View(console, plain)
        spec, shift = robots[0].spec, shift_of(robots[0])
        for goal in goals:
            goal_store.check_goal(goal, spec)
        players = Players(folder, shelf, spec, ActingSettings())
        players.get("none")

        def measure(name: str, lanes: Sequence[Robot], where: str) -> Result:
            trials = draw_trials(lanes[0], "evaluation", settings.seed, evaluation)
            what = f"evaluating {name} {where}"
            return evaluate(name, players.get(name), lanes, trials, judged, _told(view, what, evaluation))

        begin = shelf.active()
        before, home_before = measure(begin, robots, f"under {shift}"), measure(begin, homes, "in distribution")
        session = new_session(workspace, session_name)
        improvement = Improvement(players, robots, session, settings, goals, view, interrupt)
        improvement.active = begin
        rounds = improvement.run()
        if session.recordings():
            session.link()
        document: dict[str, Any] = {
            "robot": spec.name,
            "shift": shift,
            "seed": settings.seed,
            "session": session.name,
            "rounds": [done.to_json() for done in rounds],
            "active": improvement.active,
        }
        if interrupt():
            line = f"interrupted after {len(rounds)} rounds; {improvement.active} is active, nothing is lost."
            return Report({"before": before.to_json(), **document}, [line], 130)
        after, home_after = (
            measure(improvement.active, robots, f"under {shift}"),
            measure(improvement.active, homes, "home"),
        )
    document = {
        "before": before.to_json(),
        "after": after.to_json(),
        "in_distribution": {"before": home_before.to_json(), "after": home_after.to_json()},
        **document,
    }
    return Report(document, _summary(workspace, document, before, after, home_before, home_after))


def _unshifted(deployment: Deployment) -> Deployment:
    settings = {key: value for key, value in deployment.settings.items() if key != "shift"}
    return Deployment(deployment.robot, settings)


def _told(view: _View, what: str, total: int) -> Any:
    return lambda done, successes: view.rolled(what, done, total, successes)


def _summary(
    workspace: Workspace, document: dict[str, Any], before: Result, after: Result, home: Result, home_after: Result
) -> list[Any]:
    rows = [
        ("before", before),
        ("after", after),
        ("in distribution, before", home),
        ("in distribution, after", home_after),
    ]
    spent = [(r["rollout_seconds"], r["adapt_seconds"]) for r in document["rounds"]]
    practised = sum(r["episodes"] for r in document["rounds"])
    rolled, adapted = sum(s[0] for s in spent), sum(s[1] for s in spent)
    intervals = [tuple(result.to_json()["interval"]) for _, result in rows]
    return [
        f"success on {before.n} held-out starts and goals under {document['shift']}:",
        curve([result.rate for _, result in rows], [label for label, _ in rows], intervals),
        f"practice: {practised} episodes, {rolled:.0f} s of rollouts and {adapted:.0f} s of adaptation.",
        f"active adapter: {document['active']} · undo: {to_type(workspace, 'adapters', 'rollback')} · "
        f"watch: {to_type(workspace, 'replay', document['session'] + '/episode-0000')}",
    ]
