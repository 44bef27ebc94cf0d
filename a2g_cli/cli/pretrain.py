"""``a2g pretrain`` as it is typed: parse, call one function, print."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from a2g_cli.cli import options
from a2g_cli.cli.runner import finish, place

if TYPE_CHECKING:
    from a2g_cli.cli.commands.report import Report


def pretrain(
    data: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[DATA...]",
            help="Sessions or recordings of demonstrations, or a file or folder of LeRobot's, robomimic's or ALOHA's.",
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder of the run, from here; an unfinished run goes on.")
    ] = Path("training/base"),
    scene: Annotated[
        list[str] | None,
        typer.Option("--scene", metavar="NAME", help="Let the simulator's expert demonstrate this scene; repeatable."),
    ] = None,
    demonstrations: Annotated[
        list[str] | None,
        typer.Option(
            "--demonstrations",
            metavar="N|SCENE=N",
            help="How many of each scene, or of one; repeatable. [default: 4000]",
        ),
    ] = None,
    share: Annotated[
        list[str] | None,
        typer.Option(
            "--share",
            metavar="NAME=X",
            help="Share of a batch that a scene or session has, relative to the others' 1; repeatable.",
        ),
    ] = None,
    preset: Annotated[
        str,
        typer.Option(
            "--preset",
            metavar="NAME",
            help="Policy: tiny, small (for a GPU), micro (for tests), flat (no world model), cloning (no flow either), "
            "regressing (no flow alone).",
        ),
    ] = "tiny",
    proximal: Annotated[
        int | None, typer.Option("--proximal", min=1, help="Steps that a plan covers densely; else the preset's.")
    ] = None,
    stride: Annotated[
        int | None, typer.Option("--stride", min=1, help="Steps between the dense frames; else the preset's.")
    ] = None,
    distal: Annotated[
        int | None, typer.Option("--distal", min=0, help="Sparse frames on to the goal; else the preset's.")
    ] = None,
    spacing: Annotated[
        str | None, typer.Option("--spacing", metavar="RULE", help="Of the sparse frames: printed or mirrored.")
    ] = None,
    distal_actions: Annotated[
        bool | None, typer.Option("--distal-actions/--no-distal-actions", help="Plan actions at the sparse frames too.")
    ] = None,
    iterations: Annotated[
        int | None, typer.Option("--iterations", min=4, help="Training steps of the policy, both stages together.")
    ] = None,
    autoencoder_iterations: Annotated[
        int | None, typer.Option("--autoencoder-iterations", min=1, help="Training steps of the autoencoder.")
    ] = None,
    autoencoder: Annotated[
        Path | None,
        typer.Option(
            "--autoencoder",
            metavar="DIR",
            help="Take the autoencoder of this checkpoint or run instead of training one.",
        ),
    ] = None,
    stage1_action_weight: Annotated[
        float | None,
        typer.Option(
            "--stage1-action-weight", min=0.0, help="Of the action loss in stage 1; Act2Goal gives 0.1. [default: 1]"
        ),
    ] = None,
    stage1_video_weight: Annotated[
        float | None,
        typer.Option(
            "--stage1-video-weight", min=0.0, help="Of the video loss in stage 1; Act2Goal gives 1. [default: 0.5]"
        ),
    ] = None,
    copies: Annotated[
        int | None,
        typer.Option(
            "--copies",
            metavar="N",
            min=0,
            help="Learn from each demonstration N times more, each time in other colours, light and framing. [default: 0]",
        ),
    ] = None,
    batch: Annotated[int | None, typer.Option("--batch", min=2, help="Segments in a training step.")] = None,
    accumulate: Annotated[
        int, typer.Option("--accumulate", metavar="N", min=1, help="Compute a batch in N slices: less memory.")
    ] = 1,
    evaluate_every: Annotated[
        int,
        typer.Option(
            "--evaluate-every", metavar="N", min=0, help="Try the base in its scenes every N training steps; 0 never."
        ),
    ] = 0,
    evaluation: Annotated[
        int,
        typer.Option(
            "--evaluation", min=1, max=options.MANY, help="Starts and goals of each scene that it is then tried on."
        ),
    ] = 20,
    device: Annotated[str, typer.Option("--device", metavar="NAME", help="auto, cpu or cuda.")] = "auto",
    precision: Annotated[
        str, typer.Option("--precision", metavar="NAME", help="fp32, bf16, or auto: bf16 on a GPU.")
    ] = "auto",
    compiled: Annotated[
        bool,
        typer.Option(
            "--compile", help="Compile the networks first: a minute, won back in long trainings; needs a C++ compiler."
        ),
    ] = False,
    resize: Annotated[
        str | None,
        typer.Option(
            "--resize",
            metavar="WxH",
            help="Size to train at: other images are cropped and resized. [default: the run's own, else 64x64]",
        ),
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out episodes that cannot be learned from, and name them.")
    ] = False,
    seed: options.Seed = 0,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Train a base from demonstrations. Stopped at any moment, the same command goes on."""

    def work() -> "Report":
        from a2g_cli.cli.commands.exchange import parse_size
        from a2g_cli.cli.commands.pretrain import counts, shares, size_of_run
        from a2g_cli.cli.commands.pretrain import pretrain as train
        from a2g_cli.training.device import choose_device
        from a2g_cli.training.pretrain_settings import settings_for

        plan = {"proximal": proximal, "stride": stride, "distal": distal, "spacing": spacing}
        settings = settings_for(
            preset,
            iterations,
            {**plan, "distal_actions": distal_actions},
            autoencoder_iterations=autoencoder_iterations,
            action_weight=stage1_action_weight,
            video_weight=stage1_video_weight,
            copies=copies,
            batch=batch,
            seed=seed,
            shares=shares(share or []),
            size=size_of_run(out) if resize is None else parse_size(resize),
        )
        scenes = counts(scene or [], demonstrations or [])
        joined = choose_device(device, precision, accumulate, compiled=compiled)
        report = train(
            place(workspace),
            data or [],
            out,
            scenes,
            settings,
            joined,
            autoencoder,
            evaluate_every,
            evaluation,
            skip_bad=skip_bad,
        )
        if not joined.first:
            raise typer.Exit  # the first process says what there is to say
        return report

    finish(as_json, work)
