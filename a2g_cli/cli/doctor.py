"""``a2g doctor`` as it is typed: parse, call one function, print."""

from typing import TYPE_CHECKING, Annotated

import typer

from a2g_cli.cli import options
from a2g_cli.cli.runner import finish, place

if TYPE_CHECKING:
    from a2g_cli.cli.commands.report import Report


def doctor(
    camera: options.Camera = None,
    robot: Annotated[
        str | None,
        typer.Option(
            "--robot",
            metavar="NAME",
            help="Connect to this robot. It does not move, unless it is simulated: then its speed is measured.",
        ),
    ] = None,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Check the installation and the hardware, and say how to repair what does not work. Exit code 3 if a check fails.

    Cameras of a2g.toml and those given are opened and watched for two seconds: true rate, latency, lost images.
    """

    def work() -> "Report":
        from a2g_cli.cli.commands.doctor import examine

        return examine(place(workspace), robot, camera or [])

    finish(as_json, work)
