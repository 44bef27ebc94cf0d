"""``a2g demonstrate`` as it is typed: parse, call one function, print."""

from typing import TYPE_CHECKING, Annotated

import typer

from a2g_cli.cli import options
from a2g_cli.cli.runner import finish, place
from a2g_cli.core.errors import UsageError

if TYPE_CHECKING:
    from a2g_cli.cli.commands.report import Report


def demonstrate(
    expert: Annotated[
        str,
        typer.Option(
            "--expert",
            metavar="NAME",
            help="Who demonstrates: own (the simulator's or the world's own expert), an entry point of a2g.experts, "
            "or MODULE:FUNCTION (the environment's observation -> action).",
        ),
    ] = "own",
    teleop: Annotated[
        str | None,
        typer.Option(
            "--teleop",
            metavar="NAME",
            help="A person demonstrates on a real robot, with this device: lerobot:TYPE, such as lerobot:so101_leader, or a "
            "plugin's. [teleoperator] in a2g.toml has its settings.",
        ),
    ] = None,
    episodes: Annotated[
        int, typer.Option("--episodes", metavar="N", min=1, max=options.MANY, help="Demonstrations to record.")
    ] = 50,
    robot: options.Robot = None,
    scene: options.Scene = None,
    shift: options.Shift = None,
    disturb: Annotated[
        float,
        typer.Option(
            "--disturb",
            metavar="SHARE",
            min=0.0,
            max=2.0,
            help="Push the robot now and then, so that the demonstrations show how to recover: 1 as strongly as in a2g's own "
            "demonstrations, 0 never. The recorded actions are the expert's.",
        ),
    ] = 0.0,
    to_the_end: Annotated[
        bool,
        typer.Option("--to-the-end", help="Go on after success, until the expert has nothing left to do or --steps."),
    ] = False,
    session: Annotated[
        str | None,
        typer.Option("--session", metavar="NAME", help="Session to record into.  [default: demonstrations-ROBOT-SEED]"),
    ] = None,
    steps: options.Steps = None,
    keep_failures: Annotated[
        bool, typer.Option("--keep-failures", help="Record failed demonstrations too, marked as such.")
    ] = False,
    seed: options.Seed = 0,
    safety: options.Safety = None,
    camera: options.Camera = None,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Record demonstrations for `a2g pretrain`: an expert's in a simulated world, or a person's.

    Started again, it goes on.
    """

    def work() -> "Report":
        from a2g_cli.cli.commands.demonstrate import Manner, demonstrate_into
        from a2g_cli.cli.commands.deployment import Deployment

        where = place(workspace)
        deployment = Deployment.choose(where, robot, camera or (), scene=scene, shift=shift)
        if teleop is not None:
            from a2g_cli.cli.commands.safety import limits_from
            from a2g_cli.cli.commands.teleoperate import teleoperate_into

            if expert != "own" or disturb or to_the_end:
                raise UsageError("with --teleop a person demonstrates: leave --expert, --disturb and --to-the-end out.")
            limits = limits_from(deployment.safety, safety or (), None)
            return teleoperate_into(where, deployment, teleop, episodes, session, steps, keep_failures, limits)
        manner = Manner(seed, disturb, steps, to_the_end)
        return demonstrate_into(where, deployment, expert, episodes, manner, session, keep_failures)

    finish(as_json, work)
