"""``a2g run`` as it is typed: parse, call one function, print."""

from typing import TYPE_CHECKING, Annotated

import typer

from a2g_cli.cli import options
from a2g_cli.cli.runner import finish, place

if TYPE_CHECKING:
    from a2g_cli.cli.commands.report import Report


def run(
    goals: Annotated[
        list[str] | None,
        typer.Argument(metavar="[GOAL...]", help="Names given to `a2g capture-goal`; else those of a2g.toml."),
    ] = None,
    episodes: Annotated[int, typer.Option("--episodes", min=1, max=options.MANY, help="Episodes for each goal.")] = 1,
    adapter: options.Adapter = None,
    shift: options.Shift = None,
    scene: options.Scene = None,
    robot: options.Robot = None,
    camera: options.Camera = None,
    judge: options.Judge = "auto",
    base: options.Base = None,
    steps: options.Steps = None,
    seed: options.Seed = 0,
    session: Annotated[str | None, typer.Option("--session", metavar="NAME", help="Name of the session.")] = None,
    imagine: Annotated[bool, typer.Option(help="Show the imagined plan in the live view.")] = True,
    execute: options.Execute = None,
    ahead: options.Ahead = None,
    action_steps: options.ActionSteps = None,
    reset: Annotated[
        str,
        typer.Option(
            "--reset",
            metavar="WAY",
            help="Between episodes: own (the driver's), home (drive to the rest pose), cycle (go on to the next goal), "
            "prompt (ask a person).",
        ),
    ] = "own",
    reset_timeout: Annotated[
        float,
        typer.Option("--reset-timeout", min=0.0, help="How long a person may take to answer a prompt, in seconds."),
    ] = 300.0,
    safety: options.Safety = None,
    hold: options.Hold = None,
    fault: Annotated[
        str | None,
        typer.Option(
            "--fault",
            metavar="KIND[:AMOUNT][@STEP]",
            help="Let something go wrong on purpose, to see the guard that meets it; docs/safety.md lists the kinds.",
        ),
    ] = None,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Try to make the world look like GOAL; every episode is recorded."""

    def work() -> "Report":
        from a2g_cli.cli.commands.deployment import Deployment
        from a2g_cli.cli.commands.run import SafetyOptions
        from a2g_cli.cli.commands.run import run as roll
        from a2g_cli.cli.commands.safety import limits_from
        from a2g_cli.policies.act2goal import acting_from

        where = place(workspace)
        deployment = Deployment.choose(where, robot, camera or [], scene=scene, shift=shift)
        acting = acting_from(execute=execute, ahead=ahead, action_steps=action_steps)
        care = SafetyOptions(limits_from(deployment.safety, safety or [], hold), reset, reset_timeout, fault, judge)
        return roll(
            where, deployment, goals or [], episodes, adapter, base, steps, seed, session, imagine, acting, care
        )

    finish(as_json, work)
