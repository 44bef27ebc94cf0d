"""``a2g capture-goal`` as it is typed: parse, call one function, print."""

from typing import TYPE_CHECKING, Annotated

import typer

from a2g_cli.cli import options
from a2g_cli.cli.runner import finish, place

if TYPE_CHECKING:
    from a2g_cli.cli.commands.report import Report


def capture_goal(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the new goal: letters, digits, '.', '_', '-'.")],
    state: Annotated[
        list[str] | None,
        typer.Option(
            "--state",
            metavar="KEY=VALUE",
            help="Set the simulated state of the goal; repeatable. Scene place: block=X,Y[,YAW], also can, brick, plate; "
            "plug: socket=X,Y; write: word=HI, or line=X,Y,X,Y,… In metres and radians; the origin is the middle of the mat, "
            "x points away from the arm, y to its left.",
        ),
    ] = None,
    from_image: Annotated[
        list[str] | None,
        typer.Option(
            "--from-image",
            metavar="[CAMERA=]FILE",
            help="Use a photo, one per camera; it is cropped around its centre and resized. For real robots: the simulator "
            "does not know the state that a photo shows.",
        ),
    ] = None,
    from_recording: Annotated[
        str | None,
        typer.Option(
            "--from-recording",
            metavar="RECORDING",
            help="Use a frame of a recording: SESSION/episode-0000, latest, or a path.",
        ),
    ] = None,
    frame: Annotated[
        int | None, typer.Option("--frame", metavar="N", help="Number of this frame, from 0.  [default: the last]")
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option("--seed", min=0, help="Random seed of the goal, if it is drawn.  [default: a random one]"),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing goal of this name.")] = False,
    camera: options.Camera = None,
    over: Annotated[
        str | None,
        typer.Option(
            "--over",
            metavar="GOAL",
            help="Blend this goal into the live preview.  [default: the goal that is replaced]",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Accept a blurred or badly exposed image.")] = False,
    shift: options.Shift = None,
    scene: options.Scene = None,
    robot: options.Robot = None,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Take a photo of the goal, or import one.

    Without options, the simulator draws a random goal of its scene. On a real robot, or with cameras, a live preview is shown
    in the terminal; press Enter to take the image.
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
