"""The command line: parse, call one function, print. Nothing heavy is imported before a command needs it.

Exit codes: 0 done, 1 failed, 2 usage, 3 hardware, 4 safety stop, 5 goal not reached, 130 interrupted.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from a2g_cli.cli import catalogue, options
from a2g_cli.cli.adapt import adapt
from a2g_cli.cli.capture_goal import capture_goal
from a2g_cli.cli.evaluate import evaluate
from a2g_cli.cli.improve import improve
from a2g_cli.cli.pretrain import pretrain
from a2g_cli.cli.run import run
from a2g_cli.cli.runner import (
    Commands,
    Program,
    finish,
    given,
    output_that_fails_in_a_line,
    place,
    show_what_can_be_shown,
    stood_before,
)
from a2g_cli.core.standard_output import kept_for_data

if TYPE_CHECKING:
    from a2g_cli.cli.commands.report import Report

app = Program(
    name="a2g",
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Show a robot a photo of the goal, and let it practise until the world looks like it.",
    epilog="Exit codes: 0 done, 1 failed, 2 usage, 3 hardware, 4 safety stop, 5 goal not reached, 130 interrupted.",
)


def _print_version(asked: bool) -> None:
    """A callback of the option, as the body of ``every`` runs only where a command follows."""
    if asked:
        from a2g_cli import __version__

        typer.echo(f"a2g {__version__}")
        raise typer.Exit


@app.callback()
def every(
    workspace: options.Workspace = None,
    _version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and leave.", is_eager=True, callback=_print_version),
    ] = False,
) -> None:
    """Settings that stand before a command."""
    stood_before(workspace)


app.command("run")(run)


app.command("adapt")(adapt)
app.command("improve")(improve)


app.command("evaluate")(evaluate)
app.command("pretrain")(pretrain)


@app.command("demo")
def demo(
    shift: Annotated[
        str, typer.Option("--shift", metavar="NAME[:STRENGTH]", help="What goes wrong.")
    ] = "base-pose:0.8",
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="Rounds of practice.")] = 2,
    evaluation: Annotated[
        int, typer.Option("--evaluation", min=1, max=options.MANY, help="Held-out starts and goals.")
    ] = 100,
    seed: options.Seed = 7,
    workspace: Annotated[
        Path | None,
        typer.Option("--workspace", metavar="DIR", help="Folder of the demo; else $A2G_WORKSPACE, else demo/."),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Watch the whole loop on the embedded simulator: a goal, a try, practice, and what it brought."""

    def work() -> "Report":
        from a2g_cli.cli.commands.demo import demo as show

        return show(given(workspace), shift, rounds, evaluation, seed)

    finish(as_json, work)


app.command("capture-goal")(capture_goal)


@app.command("replay")
def replay(
    recording: Annotated[
        str,
        typer.Argument(
            metavar="RECORDING", help="SESSION/episode-0000, a SESSION (all of it), latest (the newest), or a path."
        ),
    ],
    video: Annotated[
        Path | None,
        typer.Option("--video", metavar="FILE", help="Write a video instead, now beside the goal: .mp4 or .gif."),
    ] = None,
    speed: Annotated[float, typer.Option("--speed", min=0.01, max=100.0, help="1 is as it happened.")] = 1.0,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Watch a recording in the terminal, or make a video of it. Ctrl-C stops. With --json nothing is played."""

    def work() -> "Report":
        from a2g_cli.cli.commands.replay import replay as play

        return play(place(workspace), recording, video, speed, quiet=as_json)

    finish(as_json, work)


@app.command("init")
def init(
    robot: Annotated[
        str | None, typer.Option("--robot", metavar="DRIVER[:WHAT]", help="Robot: sim, lerobot:TYPE, gym:ID, ...")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Setting of the robot, repeatable: config.port=/dev/ttyACM0."),
    ] = None,
    camera: options.Camera = None,
    goal: Annotated[
        list[str] | None, typer.Option("--goal", metavar="NAME", help="What `a2g run` goes for, repeatable.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the a2g.toml that is there.")] = False,
    yes: options.Yes = False,
    dry_run: options.DryRun = False,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Write a2g.toml: which robot, cameras and goals. Asks for what was not given; with --yes for nothing."""

    def work() -> "Report":
        from a2g_cli.cli.commands.init import init as write
        from a2g_cli.cli.commands.prompts import answers

        ask = answers(yes)
        return write(place(workspace), robot, settings or [], camera or [], goal or [], overwrite, dry_run, ask)

    finish(as_json, work)


@app.command("doctor")
def doctor(
    camera: options.Camera = None,
    robot: Annotated[
        str | None, typer.Option("--robot", metavar="NAME", help="Connect to this robot; nothing is moved.")
    ] = None,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Say what works here and what does not, and what to do about it. Exit code 3 when something needed does not.

    Cameras of a2g.toml and those given are opened and watched for two seconds: true rate, latency, lost pictures.
    """

    def work() -> "Report":
        from a2g_cli.cli.commands.doctor import examine

        return examine(place(workspace), robot, camera or [])

    finish(as_json, work)


app.add_typer(catalogue.goals)
app.add_typer(catalogue.recordings)
app.add_typer(catalogue.adapters)


def main() -> None:
    """Run the command line, in a process of its own."""
    show_what_can_be_shown()
    with kept_for_data(), output_that_fails_in_a_line():
        app()


if __name__ == "__main__":
    main()
