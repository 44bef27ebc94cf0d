"""``a2g demo`` as it is typed: parse, call one function, print."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from a2g_cli.cli import options
from a2g_cli.cli.from_settings import Given, with_settings
from a2g_cli.cli.runner import finish, given, typed_command
from a2g_cli.report.settings import ReportSettings, report_settings_from

if TYPE_CHECKING:
    from a2g_cli.cli.commands.report import Report


@with_settings("reporting", ReportSettings)
def demo(
    *,
    shift: Annotated[
        str,
        typer.Option(
            "--shift",
            metavar="NAME[:STRENGTH]",
            help="How the simulated scene differs from training; see `a2g run --help`.",
        ),
    ] = "base-pose:0.8",
    quick: Annotated[
        bool,
        typer.Option(
            "--quick",
            help="Take about two minutes: one round, and 20 held-out trials of the goal before and after, none "
            "in the training domain.",
        ),
    ] = False,
    rounds: Annotated[
        int | None, typer.Option("--rounds", min=1, help="Rounds of practice.  [default: 2; 1 with --quick]")
    ] = None,
    evaluation: Annotated[
        int | None,
        typer.Option(
            "--evaluation",
            min=1,
            max=options.MANY,
            help="Number of held-out trials that measure success before and after.  [default: 100; 20 with --quick]",
        ),
    ] = None,
    seed: options.Seed = 7,
    reporting: Given,
    workspace: Annotated[
        Path | None,
        typer.Option("--workspace", metavar="DIR", help="Folder of the demo.  [default: $A2G_WORKSPACE, else demo/]"),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Run the whole loop in the simulator: take a goal photo, try once, practise, measure success."""

    def work() -> "Report":
        from a2g_cli.cli.commands.demo import demo as show
        from a2g_cli.cli.commands.report_page import Reporting

        ending = Reporting(report_settings_from(reporting), typed_command())
        return show(given(workspace), shift, rounds, evaluation, seed, ending, quick=quick)

    finish(as_json, work)
