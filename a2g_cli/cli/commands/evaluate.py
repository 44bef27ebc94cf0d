"""``a2g evaluate``: compare adapters on the same held-out starts and goals."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from a2g_cli.adapters.registry import BASE, AdapterRegistry
from a2g_cli.cli.commands.deployment import Deployment
from a2g_cli.cli.commands.held_out import check_measurable
from a2g_cli.cli.commands.report import Report, reported
from a2g_cli.cli.commands.report_page import Reporting, evaluation_path, with_report
from a2g_cli.core.safety_limits import SafetyLimits
from a2g_cli.core.workspace import Workspace
from a2g_cli.data import goals as goal_store
from a2g_cli.display.console import stderr_console
from a2g_cli.display.tables import results_table
from a2g_cli.display.training_view import training_view
from a2g_cli.models import checkpoint
from a2g_cli.policies.acting import ActingSettings
from a2g_cli.robots.base import shift_of
from a2g_cli.runtime.evaluation import draw_trials, evaluate, not_kept, trials_for
from a2g_cli.runtime.policy_factory import PolicyFactory
from a2g_cli.runtime.termination import RolloutSettings
from a2g_cli.runtime.videos import Videos

LANES = 8
"""Episodes that are rolled out at a time and planned in one batch; more gain little on two cores."""


def evaluate_adapters(
    workspace: Workspace,
    deployment: Deployment,
    adapters: Sequence[str],
    base: Path | None,
    episodes: int,
    steps: int | None,
    seed: int,
    acting: ActingSettings,
    limits: SafetyLimits | None = None,
    goals: Sequence[str] = (),
    reporting: Reporting | None = None,
) -> Report:
    """Roll out each adapter on the same trials; without names, the active one.

    With ``goals``, the trials are ``episodes`` held-out starts of each goal, those of ``a2g improve``; else goals are drawn.
    ``reporting`` says whether it ends by writing an HTML file; None: it does not. The videos of the first trials are in that
    file alone.

    Raises:
        UsageError, GoalError, CheckpointError, HardwareError, SafetyStop: see their messages.
    """
    registry = AdapterRegistry(workspace)
    names = list(dict.fromkeys(adapters)) or [registry.active()]
    settings = RolloutSettings(limit=steps, stop_on_truth=True, safety=limits or SafetyLimits())
    wanted = [goal_store.load_goal(workspace, name) for name in dict.fromkeys(goals)]
    rows: list[dict[str, Any]] = []
    with TemporaryDirectory(prefix="a2g-videos-") as folder:
        videos = Path(folder) if reporting is not None and reporting.settings.report else None
        with (
            reported() as finished,
            training_view(stderr_console()) as view,
            deployment.connected(lanes=min(LANES, episodes)) as robots,
        ):
            factory = PolicyFactory(base or checkpoint.SHIPPED, registry, robots[0].spec, acting)
            policies = [(name, factory.get(name)) for name in names]  # wrong names are refused before anything runs
            factory.note_resizing(view.note, *names)
            factory.note_goals(view.note, names, wanted)
            check_measurable(workspace, robots[0], wanted)
            robot = robots[0]
            tests = [({"goal": goal.name}, trials_for(robot, goal, seed, episodes)) for goal in wanted]
            for about, trials in tests or [({}, draw_trials(robot, "evaluation", seed, episodes))]:
                for name, policy in policies:
                    on = "".join(f" on the goal {goal}" for goal in about.values())
                    view.started(f"evaluating {'the base policy' if name == BASE else name}{on}", episodes)
                    sink = not_kept if videos is None else Videos(videos, factory, name, policy, view.note).sink
                    result = evaluate(
                        name,
                        policy,
                        robots,
                        trials,
                        settings,
                        lambda done, good: view.advanced(done, {"successes (simulator)": good}),
                        sink=sink,
                    )
                    rows.append({**about, **result.to_json()})
                    view.finished()
            document = {"robot": robots[0].spec.name, "shift": shift_of(robots[0]), "seed": seed}
            finished.report = Report({**document, "results": rows}, [results_table(rows)])
        found = finished.report
        return with_report(found, reporting, lambda: _written(workspace, found, Path(folder), reporting))


def _written(workspace: Workspace, found: Report, videos: Path, reporting: Reporting | None) -> Path:
    from a2g_cli.report.about import about
    from a2g_cli.report.evaluation import evaluation_page
    from a2g_cli.report.page import write_page

    moment = datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
    path = evaluation_path(workspace, moment)
    told = about("" if reporting is None else reporting.command)
    write_page(evaluation_page(workspace, found.document, videos, told, moment), path)
    return path
