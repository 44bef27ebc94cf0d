"""``a2g replay`` as it is typed: parse, call one function, print."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from a2g_cli.cli import options
from a2g_cli.cli.runner import finish, place

if TYPE_CHECKING:
    from a2g_cli.cli.commands.report import Report


def replay(
    recording: Annotated[
        str,
        typer.Argument(
            metavar="RECORDING", help="SESSION/episode-0000, a SESSION (all of it), latest (the newest), or a path."
        ),
    ],
    video: Annotated[
        Path | None,
        typer.Option(
            "--video",
            metavar="FILE",
            help="Write a video (.mp4 or .gif) that shows the episode beside its goal, steps-to-go and the verdict, and do "
            "not play it.",
        ),
    ] = None,
    grid: Annotated[
        bool, typer.Option("--grid", help="With --video: show all episodes of a session at once, side by side.")
    ] = False,
    rerun: Annotated[
        bool,
        typer.Option(
            "--rerun",
            help="Open it in Rerun's viewer: cameras, goal, actions and steps-to-go on one timeline. Needs a2g[rerun].",
        ),
    ] = False,
    rrd: Annotated[
        Path | None,
        typer.Option("--rrd", metavar="FILE.rrd", help="Write it as a file for Rerun's viewer. Needs a2g[rerun]."),
    ] = None,
    speed: Annotated[
        float, typer.Option("--speed", min=0.01, max=100.0, help="Speed of the playback; 1: real time.")
    ] = 1.0,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Play a recording in the terminal, make a video of it, or show it in Rerun. Ctrl-C stops.

    With --json, it is not played.
    """

    def work() -> "Report":
        from a2g_cli.cli.commands.replay import Showing
        from a2g_cli.cli.commands.replay import replay as play

        showing = Showing(video, grid, rerun, rrd)
        return play(place(workspace), recording, showing, speed, quiet=as_json)

    finish(as_json, work)
