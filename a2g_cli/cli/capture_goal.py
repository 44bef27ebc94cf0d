"""``a2g capture-goal`` as it is typed: parse, call one function, print."""

from typing import TYPE_CHECKING, Annotated

import typer

from a2g_cli.cli import options
from a2g_cli.cli.runner import finish, place

if TYPE_CHECKING:
    from a2g_cli.cli.commands.report import Report


def capture_goal(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What to call it: letters, digits, '.', '_', '-'.")],
    state: Annotated[
        list[str] | None,
        typer.Option(
            "--state",
            metavar="KEY=VALUE",
            help="The state of your choosing, repeatable. Scene place: block=X,Y[,YAW], also can, brick, plate; "
            "plug: socket=X,Y; write: word=HI, or line=X,Y,X,Y,… Metres and radians, origin in the middle of the mat, "
            "x away from the arm, y to its left.",
        ),
    ] = None,
    from_image: Annotated[
        list[str] | None,
        typer.Option(
            "--from-image",
            metavar="[CAMERA=]FILE",
            help="A photo, one for each camera; cropped about its centre and resized. For real robots: a simulator does not "
            "know the state that a photo shows.",
        ),
    ] = None,
    from_recording: Annotated[
        str | None,
        typer.Option(
            "--from-recording",
            metavar="RECORDING",
            help="What a recording ended with: SESSION/episode-0000, latest, or a path.",
        ),
    ] = None,
    frame: Annotated[
        int | None, typer.Option("--frame", metavar="N", help="Observation of the recording, from 0; else its last.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Draw this goal from the scene; else a fresh one.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the goal of that name.")] = False,
    camera: options.Camera = None,
    over: Annotated[
        str | None,
        typer.Option("--over", metavar="GOAL", help="Blend the live preview over this goal; else the one replaced."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Take a blurred or badly exposed picture all the same.")
    ] = False,
    shift: options.Shift = None,
    scene: options.Scene = None,
    robot: options.Robot = None,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Show what should be true: take a goal image, or import one.

    With no options: a fresh goal, drawn from the simulator's scene; with cameras, or on a real robot, what they see now,
    previewed in the terminal until Enter is pressed.
    """

    def work() -> "Report":
        from a2g_cli.cli.commands.capture_goal import GoalImageSource
        from a2g_cli.cli.commands.capture_goal import capture_goal as capture
        from a2g_cli.cli.commands.deployment import Deployment

        where = place(workspace)
        deployment = Deployment.choose(where, robot, camera or [], scene=scene, shift=shift)
        cameras = deployment.cameras
        source = GoalImageSource(
            state or [], from_image or [], from_recording, frame, seed, camera or [], cameras, over, force, as_json
        )
        return capture(where, deployment, name, source, overwrite)

    finish(as_json, work)
