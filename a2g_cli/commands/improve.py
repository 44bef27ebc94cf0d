"""``a2g improve``: run and adapt, round after round, measured before and after on held-out starts and goals."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

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
from a2g_cli.session.evaluate import draw_trials, evaluate
from a2g_cli.session.improve import Improvement, ImproveSettings
from a2g_cli.session.interrupt import Interrupt
from a2g_cli.session.players import Players
from a2g_cli.session.rollout import RolloutSettings, limit_for
from a2g_cli.workspace import Workspace


class _View:
    """Shows an improvement run through the training view."""

    def __init__(self, view: TrainingView) -> None:
        self._view = view
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

    def counting(self, what: str, total: int) -> Callable[[int, int], None]:
        """Return a callback that shows the episodes of an evaluation as they end."""
        return lambda done, successes: self.rolled(what, done, total, successes)

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
    arrived_below = checkpoint.arrived_below(folder)
    lanes = min(LANES, max(evaluation, settings.episodes))
    with (
        training_view(stderr_console()) as plain,
        Interrupt(lambda: plain.note("finishing the step, saving …")) as interrupt,
        deployment.connected(lanes=lanes) as robots,
        _unshifted(deployment).connected(lanes=lanes) as homes,
    ):
        view = _View(plain)
        spec, shift = robots[0].spec, shift_of(robots[0])
        limit = limit_for(robots[0], settings.rollout)
        # What has not arrived by three quarters of the limit arrives by detours, if at all, and detours are bad to imitate.
        practice = replace(settings.rollout, limit=max(1, limit * 3 // 4), arrived_below=arrived_below)
        settings = replace(settings, rollout=practice)
        judged = RolloutSettings(limit=limit, stop_on_truth=True)
        for goal in goals:
            goal_store.check_goal(goal, spec)
        players = Players(folder, shelf, spec, ActingSettings())
        begin = shelf.active()
        players.get(begin)  # what cannot act is refused before anything is measured or made
        session = new_session(workspace, session_name)
        document: dict[str, Any] = {
            "robot": spec.name,
            "shift": shift,
            "seed": settings.seed,
            "session": session.name,
            "before": None,
            "after": None,
            "in_distribution": {"before": None, "after": None},
            "rounds": [],
            "active": begin,
        }

        def measure(name: str, robots: Sequence[Robot], where: str) -> dict[str, Any]:
            trials = draw_trials(robots[0], "evaluation", settings.seed, evaluation)
            told = view.counting(f"evaluating {name} {where}", evaluation)
            return evaluate(name, players.get(name), robots, trials, judged, told, interrupt).to_json()

        try:
            document["before"] = measure(begin, robots, f"under {shift}")
            document["in_distribution"]["before"] = measure(begin, homes, "in distribution")
            improvement = Improvement(players, robots, session, settings, goals, view, interrupt, begin)
            for done in improvement.run():
                document["rounds"].append(done.to_json())
                document["active"] = improvement.active
            if session.recordings():
                session.link()
            if interrupt():
                raise KeyboardInterrupt
            document["after"] = measure(improvement.active, robots, f"under {shift}")
            document["in_distribution"]["after"] = measure(improvement.active, homes, "in distribution")
        except KeyboardInterrupt:
            if not interrupt.requested:
                raise
            line = (
                f"interrupted after {len(document['rounds'])} rounds; {document['active']} is active, nothing is lost."
            )
            return Report(document, [line], 130)
    return Report(document, _summary(workspace, document))


def _unshifted(deployment: Deployment) -> Deployment:
    settings = {key: value for key, value in deployment.settings.items() if key != "shift"}
    return Deployment(deployment.robot, settings)


def _summary(workspace: Workspace, document: dict[str, Any]) -> list[Any]:
    home = document["in_distribution"]
    rows = [
        ("before", document["before"]),
        ("after", document["after"]),
        ("in distribution, before", home["before"]),
        ("in distribution, after", home["after"]),
    ]
    rounds = document["rounds"]
    practised = sum(done["episodes"] + done["gate_episodes"] for done in rounds)
    rolled, adapted = (sum(done[key] for done in rounds) for key in ("rollout_seconds", "adapt_seconds"))
    return [
        f"success on {rows[0][1]['n']} held-out starts and goals under {document['shift']}:",
        curve(
            [row["rate"] for _, row in rows], [label for label, _ in rows], [tuple(row["interval"]) for _, row in rows]
        ),
        f"practice: {practised} episodes, {rolled:.0f} s of rollouts and {adapted:.0f} s of adaptation.",
        f"active adapter: {document['active']} · undo: {to_type(workspace, 'adapters', 'rollback')} · "
        f"watch: {to_type(workspace, 'replay', document['session'] + '/episode-0000')}",
    ]
