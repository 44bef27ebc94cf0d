"""``a2g recordings export`` and ``import`` as they are typed: parse, call one function, print."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from a2g_cli.cli import options
from a2g_cli.cli.runner import finish, place

if TYPE_CHECKING:
    from a2g_cli.cli.commands.report import Report


def export_recordings(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="RECORDING...", help="SESSION, SESSION/episode-0000, latest (the newest session), or a path."
        ),
    ],
    form: Annotated[str, typer.Option("--format", metavar="NAME", help="robomimic, lerobot, aloha or rerun.")],
    out: Annotated[
        Path, typer.Option("--out", metavar="PATH", help="New file or folder; an existing one is never overwritten.")
    ],
    lossless: Annotated[
        bool,
        typer.Option(
            "--lossless", help="Compress the videos of the lerobot format without loss; the files are larger."
        ),
    ] = False,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Write recordings in another program's format, and list what it cannot store. See docs/formats.md."""

    def work() -> "Report":
        from a2g_cli.cli.commands.exchange import export_recordings

        return export_recordings(place(workspace), names, form, out, lossless)

    finish(as_json, work)


def import_recordings(
    source: Annotated[Path, typer.Argument(metavar="PATH", help="File or folder of another program's recordings.")],
    form: Annotated[
        str | None,
        typer.Option(
            "--format", metavar="NAME", help="robomimic, lerobot, aloha or rerun.  [default: recognised from the data]"
        ),
    ] = None,
    session: Annotated[
        str | None, typer.Option("--session", metavar="NAME", help="Name of the new session.  [default: imported-PATH]")
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option("--rate", metavar="HZ", min=0.01, help="Control rate, if the data do not contain it."),
    ] = None,
    resize: Annotated[
        str | None,
        typer.Option("--resize", metavar="WxH", help="Crop and resize every frame, for example to 64x64."),
    ] = None,
    episodes: Annotated[
        int | None, typer.Option("--episodes", metavar="N", min=1, help="Import only the first N episodes.")
    ] = None,
    cameras: Annotated[
        str | None,
        typer.Option("--cameras", metavar="NAME,...", help="Import only these cameras.  [default: all]"),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            "--columns", metavar="NAME,...", help="Import only these columns as proprioception.  [default: all]"
        ),
    ] = None,
    rename: Annotated[
        list[str] | None,
        typer.Option(
            "--rename",
            metavar="OLD=NEW[:UNIT]",
            help="Another name, and unit, for an action or a measured value; repeatable. Calibration looks for x, y, z "
            "and dx, dy, dz: docs/worlds.md.",
        ),
    ] = None,
    colour_order: Annotated[
        str,
        typer.Option(
            "--colour-order",
            metavar="ORDER",
            help="Colour order of the decoded images: rgb, bgr (red and blue are "
            "swapped), or auto (recognised from the file).",
        ),
    ] = "auto",
    flip: Annotated[
        str | None,
        typer.Option(
            "--flip",
            metavar="HOW",
            help="Flip every frame: rows (upside down), columns (mirrored), turn (both: 180 degrees).",
        ),
    ] = None,
    skip_bad: Annotated[
        bool,
        typer.Option(
            "--skip-bad", help="Leave out damaged or unusable episodes, and list them; without it they are an error."
        ),
    ] = False,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Make a session from another program's recordings, for `a2g pretrain`. Lists what could not be imported."""

    def work() -> "Report":
        from a2g_cli.cli.commands.exchange import import_options, import_recordings

        chosen = import_options(
            rate, resize, episodes, cameras, columns, colour_order, flip, skip_bad=skip_bad, renames=rename or []
        )
        return import_recordings(place(workspace), source, form, session, chosen)

    finish(as_json, work)
