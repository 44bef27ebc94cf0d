"""``a2g run`` as it is typed: parse, call one function, print."""

from typing import TYPE_CHECKING, Annotated

import typer

from a2g_cli.cli import options
from a2g_cli.cli.from_settings import Given, with_settings
from a2g_cli.cli.runner import finish, place
from a2g_cli.policies.acting import ActingSettings

if TYPE_CHECKING:
    from a2g_cli.cli.commands.report import Report


@with_settings("acting", ActingSettings)
def run(
    *,
    goals: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[GOAL...]", help="Goals, by the names given to `a2g capture-goal`.  [default: those of a2g.toml]"
        ),
    ] = None,
    episodes: Annotated[
        int, typer.Option("--episodes", metavar="N", min=1, max=options.MANY, help="Episodes per goal.")
    ] = 1,
    adapter: options.Adapter = None,
    robot: options.Robot = None,
    scene: options.Scene = None,
    shift: options.Shift = None,
    imagine: Annotated[bool, typer.Option(help="Show the imagined plan in the live view.")] = True,
    session: options.Session = None,
    judge: options.Judge = "auto",
    steps: options.Steps = None,
    reset: Annotated[
        str,
        typer.Option(
            "--reset",
            metavar="WAY",
            help="Between episodes: own (the driver's reset; a simulator draws a new start), rest-pose (drive the arm to its "
            "rest pose), cycle (no reset: go on to the next goal), prompt (ask a person).",
            rich_help_panel=options.PRACTICE,
        ),
    ] = "own",
    reset_timeout: Annotated[
        float,
        typer.Option(
            "--reset-timeout",
            metavar="SECONDS",
            min=0.0,
            help="Longest time that --reset prompt waits for the person.",
            rich_help_panel=options.PRACTICE,
        ),
    ] = 300.0,
    safety: options.Safety = None,
    deadman_key: options.DeadmanKey = None,
    fault: Annotated[
        str | None,
        typer.Option(
            "--fault",
            metavar="KIND[:AMOUNT][@STEP]",
            help="Cause a fault on purpose, to test a safety guard; docs/safety.md lists the kinds.",
            rich_help_panel=options.SAFETY,
        ),
    ] = None,
    camera: options.Camera = None,
    base: options.Base = None,
    seed: options.NewSeed = None,
    acting: Given,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Let the policy try to reach each GOAL. Every episode is recorded."""

    def work() -> "Report":
        from a2g_cli.cli.commands.deployment import Deployment
        from a2g_cli.cli.commands.run import SafetyOptions
        from a2g_cli.cli.commands.run import run as roll
        from a2g_cli.cli.commands.safety import limits_from
        from a2g_cli.data.recording.seeds import unused_seed
        from a2g_cli.policies.acting import acting_from

        where = place(workspace)
        deployment = Deployment.choose(where, robot, camera or [], scene=scene, shift=shift)
        limits = limits_from(deployment.safety, safety or [], deadman_key)
        care = SafetyOptions(limits, reset, reset_timeout, fault, judge)
        settings = acting_from(**acting)
        chosen = unused_seed(where) if seed is None else seed
        return roll(
            where, deployment, goals or [], episodes, adapter, base, steps, chosen, session, imagine, settings, care
        )

    finish(as_json, work)
