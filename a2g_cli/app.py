"""The command line: parse, call one function, print. Nothing heavy is imported before a command needs it.

Exit codes: 0 done, 1 failed, 2 usage, 3 hardware, 4 safety stop, 5 goal not reached, 130 interrupted.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from a2g_cli import options

if TYPE_CHECKING:
    from a2g_cli.commands.deployment import Deployment
    from a2g_cli.commands.report import Report
    from a2g_cli.workspace import Workspace

app = typer.Typer(
    name="a2g",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Show a robot a photo of the goal, and let it practise until the world looks like it.",
    epilog="Exit codes: 0 done, 1 failed, 2 usage, 3 hardware, 4 safety stop, 5 goal not reached, 130 interrupted.",
)


def _place(given: Path | None) -> "Workspace":
    from a2g_cli.workspace import Workspace

    return Workspace.find(given)


def _deployment(workspace: "Workspace", robot: str | None, **given: object) -> "Deployment":
    from a2g_cli.commands.deployment import Deployment

    return Deployment.choose(workspace, robot, **given)


def _finish(as_json: bool, work: Callable[[], "Report"]) -> None:
    """Do the work, print what it says, and leave with its exit code; errors become one line and their code."""
    import json

    from a2g_cli.errors import A2GError

    try:
        report = work()
    except A2GError as error:
        if as_json:
            typer.echo(json.dumps({"error": {"message": str(error), "exit_code": error.exit_code}}, indent=2))
        typer.secho("error: ", fg="red", bold=True, nl=False, err=True)
        typer.echo(str(error), err=True)
        raise typer.Exit(error.exit_code) from error
    except KeyboardInterrupt as stop:
        if as_json:
            typer.echo(json.dumps({"error": {"message": "interrupted", "exit_code": 130}}, indent=2))
        typer.echo("interrupted.", err=True)
        raise typer.Exit(130) from stop
    if as_json:
        typer.echo(json.dumps(report.document, indent=2))
    else:
        from rich.console import Console

        console = Console(highlight=False, soft_wrap=True)
        for line in report.lines:
            console.print(line, markup=False)
    if report.exit_code:
        raise typer.Exit(report.exit_code)


@app.callback()
def every(
    workspace: options.Workspace = None,
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.", is_eager=True)] = False,
) -> None:
    """Settings that stand before a command."""
    if version:
        from a2g_cli import __version__

        typer.echo(f"a2g {__version__}")
        raise typer.Exit
    if workspace is not None:
        os.environ["A2G_WORKSPACE"] = str(workspace)


@app.command("run")
def run(
    goals: Annotated[list[str], typer.Argument(metavar="GOAL...", help="Names given to `a2g capture-goal`.")],
    episodes: Annotated[int, typer.Option("--episodes", min=1, help="Episodes for each goal.")] = 1,
    adapter: options.Adapter = None,
    shift: options.Shift = None,
    scene: options.Scene = None,
    robot: options.Robot = None,
    base: options.Base = None,
    steps: options.Steps = 80,
    seed: options.Seed = 0,
    session: Annotated[str | None, typer.Option("--session", metavar="NAME", help="Name of the session.")] = None,
    imagine: Annotated[bool, typer.Option(help="Show the imagined plan in the live view.")] = True,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Try to make the world look like GOAL; every episode is recorded."""

    def work() -> "Report":
        from a2g_cli.commands.run import run as roll

        place = _place(workspace)
        deployment = _deployment(place, robot, scene=scene, shift=shift)
        return roll(place, deployment, goals, episodes, adapter, base, steps, seed, session, imagine)

    _finish(as_json, work)


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
