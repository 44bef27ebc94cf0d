"""The command line: parse, call one function, print. Nothing heavy is imported before a command needs it.

Exit codes: 0 done, 1 failed, 2 usage, 3 hardware, 4 safety stop, 5 goal not reached, 130 interrupted.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from a2g_cli.cli import catalogue, options
from a2g_cli.cli.capture_goal import capture_goal
from a2g_cli.cli.improve import improve
from a2g_cli.cli.pretrain import pretrain
from a2g_cli.cli.run import run
from a2g_cli.cli.runner import Commands, Program, output_that_fails_in_a_line, show_what_can_be_shown, stood_before
from a2g_cli.cli.runner import finish as _finish
from a2g_cli.cli.runner import given as _given
from a2g_cli.cli.runner import place as _place
from a2g_cli.core.standard_output import kept_for_data

if TYPE_CHECKING:
    from a2g_cli.cli.commands.deployment import Deployment
    from a2g_cli.cli.commands.report import Report
    from a2g_cli.core.workspace import Workspace

app = Program(
    name="a2g",
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Show a robot a photo of the goal, and let it practise until the world looks like it.",
    epilog="Exit codes: 0 done, 1 failed, 2 usage, 3 hardware, 4 safety stop, 5 goal not reached, 130 interrupted.",
)


def _deployment(
    workspace: "Workspace", robot: str | None, cameras: list[str] | None = None, **given: object
) -> "Deployment":
    from a2g_cli.cli.commands.deployment import Deployment

    return Deployment.choose(workspace, robot, cameras or [], **given)


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


@app.command("adapt")
def adapt(
    recordings: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RECORDING...]",
            help="Sessions or recordings; else the newest session of a run or improve that has ended.",
        ),
    ] = None,
    name: Annotated[str | None, typer.Option("--name", metavar="NAME", help="Name of the new adapter.")] = None,
    parent: Annotated[
        str | None,
        typer.Option("--parent", metavar="NAME", help="Go on from this adapter, or none; else the active one."),
    ] = None,
    relabel: Annotated[
        str | None,
        typer.Option(
            "--relabel", metavar="RULE[:SHARE],...", help="What counts as the goal: final, future, successor."
        ),
    ] = None,
    keep: Annotated[
        str | None,
        typer.Option(
            "--keep", metavar="WHICH", help="Episodes learned from: arrived (as the policy judges), all, failed."
        ),
    ] = None,
    iterations: Annotated[int | None, typer.Option("--iterations", min=1, help="Training steps.")] = None,
    method: Annotated[
        str | None,
        typer.Option(
            "--method", metavar="KIND", help="Kind of adapter: lora, dora, or full (all weights).  [default: lora]"
        ),
    ] = None,
    rank: Annotated[int | None, typer.Option("--rank", min=1, max=512, help="LoRA rank.")] = None,
    lr: Annotated[float | None, typer.Option("--lr", min=0.0, help="Learning rate.")] = None,
    placement: Annotated[
        str | None, typer.Option("--placement", metavar="WHERE", help="Layers with LoRA: all, expert or world-model.")
    ] = None,
    patience: Annotated[
        float | None,
        typer.Option(
            "--patience", min=0.0, help="Steps by which a way may be slow before it is imitated less; 0 never."
        ),
    ] = None,
    calibrate: options.Calibrate = None,
    retain: options.Retain = None,
    mix: options.Mix = None,
    demonstrations: options.Demonstrations = None,
    seed: options.Seed = 0,
    promote: Annotated[bool, typer.Option(help="Make the adapter active when it passes the gate.")] = True,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    base: options.Base = None,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Learn from recordings: what was achieved counts as the goal. Makes a new LoRA adapter."""

    def work() -> "Report":
        from a2g_cli.cli.commands.adapt import adapt_recordings
        from a2g_cli.training.finetune import settings_from

        given = {
            "keep": keep,
            "relabel": relabel,
            "iterations": iterations,
            "method": method,
            "rank": rank,
            "lr": lr,
            "placement": placement,
            "calibrate": calibrate,
            "retain": retain,
            "mix": mix,
            "demonstrations": demonstrations,
        }
        settings = settings_from(**given, patience=patience, seed=seed)
        return adapt_recordings(_place(workspace), recordings or [], name, parent, base, settings, promote, dry_run)

    _finish(as_json, work)


app.command("improve")(improve)


@app.command("evaluate")
def evaluate(
    adapter: Annotated[
        list[str] | None,
        typer.Option(
            "--adapter", metavar="NAME", help="Adapter, or none, random, still; repeatable. Else the active one."
        ),
    ] = None,
    episodes: Annotated[
        int, typer.Option("--episodes", min=1, max=options.MANY, help="Held-out starts and goals.")
    ] = 100,
    shift: options.Shift = None,
    scene: options.Scene = None,
    robot: options.Robot = None,
    base: options.Base = None,
    steps: options.Steps = None,
    seed: options.Seed = 0,
    execute: options.Execute = None,
    ahead: options.Ahead = None,
    action_steps: options.ActionSteps = None,
    safety: options.Safety = None,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Hold adapters side by side on the same held-out starts and goals. Nothing is recorded."""

    def work() -> "Report":
        from a2g_cli.cli.commands.evaluate import evaluate_adapters
        from a2g_cli.cli.commands.safety import limits_from
        from a2g_cli.policies.act2goal import acting_from

        place = _place(workspace)
        deployment = _deployment(place, robot, scene=scene, shift=shift)
        acting = acting_from(execute=execute, ahead=ahead, action_steps=action_steps)
        limits = limits_from(deployment.safety, safety or [], None)
        return evaluate_adapters(place, deployment, adapter or [], base, episodes, steps, seed, acting, limits)

    _finish(as_json, work)


app.command("pretrain")(pretrain)


@app.command("demo")
def demo(
    shift: Annotated[
        str, typer.Option("--shift", metavar="NAME[:STRENGTH]", help="What goes wrong.")
    ] = "remounted:0.8",
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

        return show(_given(workspace), shift, rounds, evaluation, seed)

    _finish(as_json, work)


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

        return play(_place(workspace), recording, video, speed, quiet=as_json)

    _finish(as_json, work)


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
        return write(_place(workspace), robot, settings or [], camera or [], goal or [], overwrite, dry_run, ask)

    _finish(as_json, work)


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

        return examine(_place(workspace), robot, camera or [])

    _finish(as_json, work)


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
