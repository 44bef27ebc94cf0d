"""``a2g evaluate`` as it is typed: parse, call one function, print."""

from typing import TYPE_CHECKING, Annotated

import typer

from a2g_cli.cli import options
from a2g_cli.cli.from_settings import Given, with_settings
from a2g_cli.cli.runner import finish, place, typed_command
from a2g_cli.policies.acting import ActingSettings
from a2g_cli.report.settings import ReportSettings, report_settings_from

if TYPE_CHECKING:
    from a2g_cli.cli.commands.report import Report


@with_settings("acting", ActingSettings)
@with_settings("reporting", ReportSettings)
def evaluate(
    *,
    goals: Annotated[
        list[str] | None,
        typer.Argument(metavar="[GOAL...]", help="Goals to evaluate on.  [default: goals drawn from the scene]"),
    ] = None,
    adapter: Annotated[
        list[str] | None,
        typer.Option(
            "--adapter",
            metavar="NAME",
            help="Adapter to evaluate; repeatable. base (no adapter), random and still (does nothing) are baselines.  "
            "[default: the active adapter]",
        ),
    ] = None,
    episodes: Annotated[
        int,
        typer.Option(
            "--episodes",
            metavar="N",
            min=1,
            max=options.MANY,
            help="Trials: starts and goals that nothing learns from; with GOALs, for each of them.",
        ),
    ] = 100,
    robot: options.Robot = None,
    scene: options.Scene = None,
    shift: options.Shift = None,
    steps: options.Steps = None,
    safety: options.Safety = None,
    base: options.Base = None,
    seed: options.Seed = 0,
    acting: Given,
    reporting: Given,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Compare adapters on the same held-out starts and goals, with confidence intervals. Nothing is recorded."""

    def work() -> "Report":
        from a2g_cli.cli.commands.deployment import Deployment
        from a2g_cli.cli.commands.evaluate import evaluate_adapters
        from a2g_cli.cli.commands.report_page import Reporting
        from a2g_cli.cli.commands.safety import limits_from
        from a2g_cli.policies.acting import acting_from

        where = place(workspace)
        deployment = Deployment.choose(where, robot, scene=scene, shift=shift)
        limits = limits_from(deployment.safety, safety or [], None)
        settings = acting_from(**acting)
        return evaluate_adapters(
            where,
            deployment,
            adapter or [],
            base,
            episodes,
            steps,
            seed,
            settings,
            limits,
            goals or [],
            Reporting(report_settings_from(reporting), typed_command()),
        )

    finish(as_json, work)
