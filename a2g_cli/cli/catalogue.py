"""``a2g goals``, ``recordings`` and ``adapters``: what a workspace holds. Parse, call one function, print.

``remove`` is another name of ``rm``, which the help does not list.
"""

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
    help="List, show, verify, repair, remove, export and import recordings.",
)
adapters = Program(name="adapters", no_args_is_help=True, help="List, show, promote, roll back and remove adapters.")

Goal = Annotated[str, typer.Argument(metavar="GOAL", help="Name of a goal; see `a2g goals list`.")]
Adapter = Annotated[str, typer.Argument(metavar="ADAPTER", help="Name of an adapter; see `a2g adapters list`.")]
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
    """Show a goal: its images, its state, and how it was taken."""

    def work() -> "Report":
        from a2g_cli.cli.commands.goals import show_goal

        return show_goal(place(workspace), goal)

    finish(as_json, work)


@goals.command("remove", hidden=True)
@goals.command("rm")
def remove_goals(
    names: Annotated[list[str], typer.Argument(metavar="GOAL...", help="Names of goals.")],
    yes: options.Yes = False,
    dry_run: options.DryRun = False,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Remove goals. Recordings keep their own copy of the goal."""

    def work() -> "Report":
        from a2g_cli.cli.commands.goals import remove_goals

        return remove_goals(place(workspace), names, yes, dry_run)

    finish(as_json, work)


@recordings.command("list")
def list_recordings(
    session: Annotated[
        str | None,
        typer.Argument(
            metavar="[SESSION]",
            help="List the recordings of this session; latest: the newest.  [default: list the sessions]",
        ),
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
        list[str] | None, typer.Argument(metavar="[RECORDING...]", help=f"{_RECORDING}  [default: all]")
    ] = None,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Read recordings completely and report damage. The exit code is 1 if there is any.

    Checks the schema, lengths, checksums, the order of time stamps, the control rate, the age of frames, frozen frames,
    duplicates and session files.
    """

    def work() -> "Report":
        from a2g_cli.cli.commands.recordings import verify_recordings

        return verify_recordings(place(workspace), names or [])

    finish(as_json, work)


@recordings.command("repair")
def repair_recordings(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RECORDING...]", help="A .partial file, or a session.  [default: all unfinished ones]"),
    ] = None,
    dry_run: options.DryRun = False,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Make complete recordings from episodes that were cut off, and repair session files. Originals are not changed."""

    def work() -> "Report":
        from a2g_cli.cli.commands.recordings_maintenance import repair_recordings

        return repair_recordings(place(workspace), names or [], dry_run)

    finish(as_json, work)


@recordings.command("remove", hidden=True)
@recordings.command("rm")
def remove_recordings(
    names: Annotated[
        list[str], typer.Argument(metavar="RECORDING...", help="SESSION (all its recordings) or SESSION/episode-0000.")
    ],
    force: Annotated[
        bool, typer.Option("--force", help="Also remove recordings that an adapter learned from.")
    ] = False,
    yes: options.Yes = False,
    dry_run: options.DryRun = False,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Delete recordings or whole sessions. Asks for confirmation."""

    def work() -> "Report":
        from a2g_cli.cli.commands.recordings_maintenance import remove_recordings

        return remove_recordings(place(workspace), names, yes, force, dry_run)

    finish(as_json, work)


recordings.command("export")(export_recordings)
recordings.command("import")(import_recordings)


@adapters.command("list")
def list_adapters(workspace: options.Workspace = None, as_json: options.Json = False) -> None:
    """List the adapters of the workspace. * marks the active one."""

    def work() -> "Report":
        from a2g_cli.cli.commands.adapters import list_adapters

        return list_adapters(place(workspace))

    finish(as_json, work)


@adapters.command("show")
def show_adapter(name: Adapter, workspace: options.Workspace = None, as_json: options.Json = False) -> None:
    """Show an adapter: its parent, base, recordings, settings, and what the gate measured."""

    def work() -> "Report":
        from a2g_cli.cli.commands.adapters import show_adapter

        return show_adapter(place(workspace), name)

    finish(as_json, work)


@adapters.command("promote")
def promote_adapter(
    name: Annotated[str, typer.Argument(metavar="ADAPTER", help="Name of an adapter; base: use no adapter.")],
    force: Annotated[bool, typer.Option("--force", help="Promote even an adapter that the gate refused.")] = False,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Make an adapter the active one, which `a2g run` uses by default."""

    def work() -> "Report":
        from a2g_cli.cli.commands.adapters import promote_adapter

        return promote_adapter(place(workspace), name, force)

    finish(as_json, work)


@adapters.command("rollback")
def roll_back_adapter(workspace: options.Workspace = None, as_json: options.Json = False) -> None:
    """Undo the last promotion: the adapter before it becomes active again. Nothing is deleted."""

    def work() -> "Report":
        from a2g_cli.cli.commands.adapters import roll_back_adapter

        return roll_back_adapter(place(workspace))

    finish(as_json, work)


@adapters.command("remove", hidden=True)
@adapters.command("rm")
def remove_adapters(
    names: Annotated[list[str], typer.Argument(metavar="ADAPTER...", help="Names of adapters.")],
    force: Annotated[
        bool, typer.Option("--force", help="Remove even the active adapter; the one before it becomes active.")
    ] = False,
    yes: options.Yes = False,
    dry_run: options.DryRun = False,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Delete adapters. Asks for confirmation."""

    def work() -> "Report":
        from a2g_cli.cli.commands.adapters import remove_adapters

        return remove_adapters(place(workspace), names, yes, force, dry_run)

    finish(as_json, work)
