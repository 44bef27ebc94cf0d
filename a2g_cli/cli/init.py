"""``a2g init`` as it is typed: parse, call one function, print."""

from typing import TYPE_CHECKING, Annotated

import typer

from a2g_cli.cli import options
from a2g_cli.cli.runner import finish, place

if TYPE_CHECKING:
    from a2g_cli.cli.commands.report import Report


def init(
    robot: Annotated[
        str | None,
        typer.Option(
            "--robot",
            metavar="DRIVER[:WHAT]",
            help="Robot: sim, lerobot:TYPE or gym:ID; `a2g doctor` lists all drivers.",
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Setting of the robot, for example config.port=/dev/ttyACM0; repeatable."
        ),
    ] = None,
    camera: Annotated[
        list[str] | None,
        typer.Option(
            "--camera",
            metavar="NAME=DRIVER:ADDRESS",
            help="Camera; repeatable. Examples: front=realsense:SERIAL, front=opencv:/dev/video0, front=images:FOLDER; "
            "settings follow, as in ,width=640,rate=30.  [default: the robot's own cameras]",
        ),
    ] = None,
    goal: Annotated[
        list[str] | None, typer.Option("--goal", metavar="NAME", help="Default goal of `a2g run`; repeatable.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing a2g.toml.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask: what is not given keeps its default.")] = False,
    dry_run: options.DryRun = False,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Write a2g.toml with the robot, cameras and goals. Asks for what is missing; with --yes it does not ask."""

    def work() -> "Report":
        from a2g_cli.cli.commands.init import init as write
        from a2g_cli.cli.commands.prompts import answers

        ask = answers(yes)
        return write(place(workspace), robot, settings or [], camera or [], goal or [], overwrite, dry_run, ask)

    finish(as_json, work)
