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
    out: Annotated[Path, typer.Option("--out", metavar="PATH", help="The file or folder to make. Never overwritten.")],
    lossless: Annotated[
        bool, typer.Option("--lossless", help="Lose no bit of a pixel in lerobot's videos either: larger files.")
    ] = False,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Write recordings in another program's format; says what that format cannot carry. docs/formats.md has the table."""

    def work() -> "Report":
        from a2g_cli.cli.commands.exchange import export_recordings

        return export_recordings(place(workspace), names, form, out, lossless)

    finish(as_json, work)


def import_recordings(
    source: Annotated[Path, typer.Argument(metavar="PATH", help="A file or folder of another program's recordings.")],
    form: Annotated[
        str | None,
        typer.Option("--format", metavar="NAME", help="robomimic, lerobot, aloha or rerun; else as it looks."),
    ] = None,
    session: Annotated[
        str | None, typer.Option("--session", metavar="NAME", help="The session to make; else imported-PATH.")
    ] = None,
    rate: Annotated[
        float | None, typer.Option("--rate", metavar="HZ", min=0.01, help="Control rate where the source does not say.")
    ] = None,
    resize: Annotated[
        str | None,
        typer.Option("--resize", metavar="WxH", help="Crop and resize every frame, e.g. 64x64 to learn from."),
    ] = None,
    episodes: Annotated[int | None, typer.Option("--episodes", metavar="N", min=1, help="The first N alone.")] = None,
    cameras: Annotated[
        str | None,
        typer.Option("--cameras", metavar="NAME,...", help="Read only these cameras; else all that can be stored."),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option("--columns", metavar="NAME,...", help="Read only these numbers as proprioception."),
    ] = None,
    colour_order: Annotated[
        str,
        typer.Option(
            "--colour-order",
            metavar="ORDER",
            help="What a decoder makes of compressed pictures: rgb, bgr (red and blue swapped) or auto (as the file shows).",
        ),
    ] = "auto",
    flip: Annotated[
        str | None,
        typer.Option(
            "--flip",
            metavar="HOW",
            help="Turn every frame: rows (it stands on its head), columns (it is mirrored), turn (both, 180 degrees).",
        ),
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out episodes that cannot be used, and name them.")
    ] = False,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Make a session of another program's recordings: `a2g pretrain` learns from it. Says what was not known."""

    def work() -> "Report":
        from a2g_cli.cli.commands.exchange import import_options, import_recordings

        chosen = import_options(rate, resize, episodes, cameras, columns, colour_order, flip, skip_bad=skip_bad)
        return import_recordings(place(workspace), source, form, session, chosen)

    finish(as_json, work)
