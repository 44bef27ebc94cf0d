"""``a2g pretrain`` as it is typed: parse, call one function, print."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from a2g_cli.cli import options
from a2g_cli.cli.from_settings import Given, with_settings
from a2g_cli.cli.runner import finish, place
from a2g_cli.tracking.settings import LogSettings, log_settings_from
from a2g_cli.training.pretrain_settings import PretrainSettings

if TYPE_CHECKING:
    from a2g_cli.cli.commands.report import Report


@with_settings("training", PretrainSettings, first=("preset",))
@with_settings("logging", LogSettings)
def pretrain(
    *,
    data: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[DATA...]",
            help="Sessions or recordings of demonstrations, or files and folders of LeRobot, robomimic or ALOHA data.",
        ),
    ] = None,
    out: Annotated[
        Path,
        typer.Option("--out", metavar="DIR", help="Folder of the training. A training that was stopped is resumed."),
    ] = Path("training/base"),
    scene: Annotated[
        list[str] | None,
        typer.Option("--scene", metavar="NAME", help="Record demonstrations of the simulator's expert; repeatable."),
    ] = None,
    demonstrations: Annotated[
        list[str] | None,
        typer.Option(
            "--demonstrations",
            metavar="N|SCENE=N",
            help="Number of these demonstrations, for each scene or for one; repeatable.  [default: 4000]",
        ),
    ] = None,
    training: Given,
    iterations: Annotated[
        int | None,
        typer.Option(
            "--iterations", metavar="N", min=4, help="Training steps of the policy, both stages.  [default: 7000]"
        ),
    ] = None,
    share: Annotated[
        list[str] | None,
        typer.Option(
            "--share",
            metavar="NAME=X",
            help="Sampling weight of a scene or session (others: 1); repeatable.",
            rich_help_panel="Learning",
        ),
    ] = None,
    autoencoder: Annotated[
        Path | None,
        typer.Option(
            "--autoencoder",
            metavar="DIR",
            help="Use the autoencoder of this checkpoint or training, and do not train one.",
            rich_help_panel="Learning",
        ),
    ] = None,
    resize: Annotated[
        str | None,
        typer.Option(
            "--resize",
            metavar="WxH",
            help="Image size to train at; other images are cropped and resized.  [default: that of the resumed training, "
            "else 64x64]",
            rich_help_panel="Learning",
        ),
    ] = None,
    skip_bad: Annotated[
        bool,
        typer.Option(
            "--skip-bad",
            help="Leave out damaged or unusable episodes, and list them; without it they are an error.",
            rich_help_panel="Learning",
        ),
    ] = False,
    robot: Annotated[
        str | None,
        typer.Option(
            "--robot",
            metavar="NAME",
            help="Simulated robot that knows success, to measure the base with.  [default: the scenes, else that of a2g.toml "
            "if it knows success]",
        ),
    ] = None,
    grow: Annotated[
        bool,
        typer.Option("--grow", help="Go on with the training in --out for more steps or minutes, or on more data."),
    ] = False,
    evaluate_every: Annotated[
        int | None,
        typer.Option(
            "--evaluate-every",
            metavar="N",
            min=0,
            help="Every N training steps, measure success in the scenes or with the robot, and the error on held-out "
            "demonstrations; 0: never.  [default: only at the end]",
            rich_help_panel="Learning",
        ),
    ] = None,
    evaluation: Annotated[
        int,
        typer.Option(
            "--evaluation",
            metavar="N",
            min=1,
            max=options.MANY,
            help="Trials per scene or robot in each of these measurements.",
            rich_help_panel="Learning",
        ),
    ] = 20,
    device: Annotated[
        str,
        typer.Option("--device", metavar="NAME", help="auto, cpu or cuda.", rich_help_panel="Hardware"),
    ] = "auto",
    precision: Annotated[
        str,
        typer.Option(
            "--precision",
            metavar="NAME",
            help="fp32, bf16, or auto: bf16 where the hardware is faster in it (on a CPU only together with --compile).",
            rich_help_panel="Hardware",
        ),
    ] = "auto",
    accumulate: Annotated[
        int,
        typer.Option(
            "--accumulate",
            metavar="N",
            min=1,
            help="Compute each batch in N parts, to use less memory.",
            rich_help_panel="Hardware",
        ),
    ] = 1,
    compiled: Annotated[
        bool,
        typer.Option(
            "--compile",
            help="Compile the networks: takes a minute, long trainings get faster. Needs a C++ compiler.",
            rich_help_panel="Hardware",
        ),
    ] = False,
    proximal: Annotated[
        int | None,
        typer.Option(
            "--proximal",
            metavar="STEPS",
            min=1,
            help="Length of the dense, near part of a plan.  [default: the preset's]",
            rich_help_panel="Experiments",
        ),
    ] = None,
    stride: Annotated[
        int | None,
        typer.Option(
            "--stride",
            metavar="STEPS",
            min=1,
            help="Steps between two near frames.  [default: the preset's]",
            rich_help_panel="Experiments",
        ),
    ] = None,
    distal: Annotated[
        int | None,
        typer.Option(
            "--distal",
            metavar="N",
            min=0,
            help="Number of sparse, far frames up to the goal.  [default: the preset's]",
            rich_help_panel="Experiments",
        ),
    ] = None,
    spacing: Annotated[
        str | None,
        typer.Option(
            "--spacing",
            metavar="RULE",
            help="Spacing of the far frames: printed (the paper's formula; gaps shrink towards the goal) or mirrored (gaps "
            "grow towards the goal).  [default: the preset's]",
            rich_help_panel="Experiments",
        ),
    ] = None,
    distal_actions: Annotated[
        bool | None,
        typer.Option(
            "--distal-actions/--no-distal-actions",
            help="Plan actions at the far frames too.  [default: the preset's]",
            rich_help_panel="Experiments",
        ),
    ] = None,
    logging: Given,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Train a base policy from demonstrations. If it is stopped, the same command resumes it."""

    def work() -> "Report":
        from a2g_cli.cli.commands.exchange import parse_size
        from a2g_cli.cli.commands.pretrain import counts, shares, size_of_run
        from a2g_cli.cli.commands.pretrain import pretrain as train
        from a2g_cli.training.device import choose_device
        from a2g_cli.training.pretrain_settings import settings_for

        plan = {"proximal": proximal, "stride": stride, "distal": distal, "spacing": spacing}
        settings = settings_for(
            iterations=iterations,
            hashing={**plan, "distal_actions": distal_actions},
            **training,
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
            robot=robot,
            grow=grow,
            skip_bad=skip_bad,
            tracker=log_settings_from(logging).log,
        )
        if not joined.first:
            raise typer.Exit  # the first process says what there is to say
        return report

    finish(as_json, work)
