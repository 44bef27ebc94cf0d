"""``a2g goals``, ``recordings`` and ``adapters``: what a workspace holds. Parse, call one function, print."""

from typing import TYPE_CHECKING, Annotated

import typer

from a2g_cli.cli import options
from a2g_cli.cli.exchange import export_recordings, import_recordings
from a2g_cli.cli.runner import Program, finish, place

if TYPE_CHECKING:
    from a2g_cli.cli.commands.report import Report

goals = Program(name="goals", no_args_is_help=True, help="List, show and remove goals.")
recordings = Program(
    name="recordings",
    no_args_is_help=True,
    help="List, show, verify, repair, remove, export and import what was recorded.",
)
adapters = Program(name="adapters", no_args_is_help=True, help="List, show, promote, roll back and remove adapters.")

Goal = Annotated[str, typer.Argument(metavar="GOAL", help="Name given to `a2g capture-goal`.")]
Adapter = Annotated[str, typer.Argument(metavar="ADAPTER", help="Name of an adapter; `a2g adapters list` knows them.")]
_RECORDING = "SESSION, SESSION/episode-0000, latest (the newest session), or a path."


@goals.command("list")
def list_goals(workspace: options.Workspace = None, as_json: options.Json = False) -> None:
    """List the goals of the workspace."""

    def work() -> "Report":
        from a2g_cli.cli.commands.goals import list_goals

        return list_goals(place(workspace))

    finish(as_json, work)


@goals.command("show")
def show_goal(goal: Goal, workspace: options.Workspace = None, as_json: options.Json = False) -> None:
    """Show a goal: its pictures, where things are in it, and how it was taken."""

    def work() -> "Report":
        from a2g_cli.cli.commands.goals import show_goal

        return show_goal(place(workspace), goal)

    finish(as_json, work)


@goals.command("rm")
def remove_goals(
    names: Annotated[list[str], typer.Argument(metavar="GOAL...", help="Names given to `a2g capture-goal`.")],
    yes: options.Yes = False,
    dry_run: options.DryRun = False,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Remove goals. Recordings keep the goal that they were made for."""

    def work() -> "Report":
        from a2g_cli.cli.commands.goals import remove_goals

        return remove_goals(place(workspace), names, yes, dry_run)

    finish(as_json, work)


@recordings.command("list")
def list_recordings(
    session: Annotated[
        str | None,
        typer.Argument(metavar="[SESSION]", help="List its recordings; else the sessions. latest: the newest."),
    ] = None,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """List the sessions of the workspace, or the recordings of one."""

    def work() -> "Report":
        from a2g_cli.cli.commands.recordings import list_recordings

        return list_recordings(place(workspace), session)

    finish(as_json, work)


@recordings.command("show")
def show_recording(
    recording: Annotated[str, typer.Argument(metavar="RECORDING", help=_RECORDING)],
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Show how a recording was made and how it ended. `a2g replay` plays it."""

    def work() -> "Report":
        from a2g_cli.cli.commands.recordings import show_recording

        return show_recording(place(workspace), recording)

    finish(as_json, work)


@recordings.command("verify")
def verify_recordings(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[RECORDING...]", help=f"{_RECORDING} Else everything.")
    ] = None,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Read recordings to the last byte and say what is wrong with them. Exit code 1 when anything is.

    Schema, lengths, checksums, order of time, control rate, age of frames, pictures that stand still, duplicates, session
    files.
    """

    def work() -> "Report":
        from a2g_cli.cli.commands.recordings import verify_recordings

        return verify_recordings(place(workspace), names or [])

    finish(as_json, work)


@recordings.command("repair")
def repair_recordings(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RECORDING...]", help="A .partial file, or a session. Else all that is unfinished."),
    ] = None,
    dry_run: options.DryRun = False,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Make recordings of episodes that were cut off, and session files that list what is there. No original is touched."""

    def work() -> "Report":
        from a2g_cli.cli.commands.recordings_maintenance import repair_recordings

        return repair_recordings(place(workspace), names or [], dry_run)

    finish(as_json, work)


@recordings.command("rm")
def remove_recordings(
    names: Annotated[
        list[str], typer.Argument(metavar="RECORDING...", help="SESSION (all of it) or SESSION/episode-0000.")
    ],
    force: Annotated[bool, typer.Option("--force", help="Remove what an adapter learned from, too.")] = False,
    yes: options.Yes = False,
    dry_run: options.DryRun = False,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Remove recordings or whole sessions, for good. Asks first."""

    def work() -> "Report":
        from a2g_cli.cli.commands.recordings_maintenance import remove_recordings

        return remove_recordings(place(workspace), names, yes, force, dry_run)

    finish(as_json, work)


recordings.command("export")(export_recordings)
recordings.command("import")(import_recordings)


@adapters.command("list")
def list_adapters(workspace: options.Workspace = None, as_json: options.Json = False) -> None:
    """List the adapters of the workspace; * marks the active one."""

    def work() -> "Report":
        from a2g_cli.cli.commands.adapters import list_adapters

        return list_adapters(place(workspace))

    finish(as_json, work)


@adapters.command("show")
def show_adapter(name: Adapter, workspace: options.Workspace = None, as_json: options.Json = False) -> None:
    """Show where an adapter comes from: its parent, its base, its recordings, what the gate measured."""

    def work() -> "Report":
        from a2g_cli.cli.commands.adapters import show_adapter

        return show_adapter(place(workspace), name)

    finish(as_json, work)


@adapters.command("promote")
def promote_adapter(
    name: Annotated[str, typer.Argument(metavar="ADAPTER", help="Name of an adapter; base: use no adapter.")],
    force: Annotated[bool, typer.Option("--force", help="Promote an adapter that the gate refused, too.")] = False,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Make an adapter the active one: what `a2g run` uses unless told otherwise."""

    def work() -> "Report":
        from a2g_cli.cli.commands.adapters import promote_adapter

        return promote_adapter(place(workspace), name, force)

    finish(as_json, work)


@adapters.command("rollback")
def roll_back_adapter(workspace: options.Workspace = None, as_json: options.Json = False) -> None:
    """Go back to what was active before the last promotion. Nothing is removed."""

    def work() -> "Report":
        from a2g_cli.cli.commands.adapters import roll_back_adapter

        return roll_back_adapter(place(workspace))

    finish(as_json, work)


@adapters.command("rm")
def remove_adapters(
    names: Annotated[list[str], typer.Argument(metavar="ADAPTER...", help="Names of adapters.")],
    force: Annotated[
        bool, typer.Option("--force", help="Remove the active one too: the one before is active then.")
    ] = False,
    yes: options.Yes = False,
    dry_run: options.DryRun = False,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Remove adapters, for good. Asks first."""

    def work() -> "Report":
        from a2g_cli.cli.commands.adapters import remove_adapters

        return remove_adapters(place(workspace), names, yes, force, dry_run)

    finish(as_json, work)
