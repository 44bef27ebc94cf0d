"""``a2g adapt`` as it is typed: parse, call one function, print."""

from typing import TYPE_CHECKING, Annotated

import typer

from a2g_cli.cli import options
from a2g_cli.cli.from_settings import Given, with_settings
from a2g_cli.cli.runner import finish, place, typed_command
from a2g_cli.tracking.settings import LogSettings, log_settings_from
from a2g_cli.training.finetune_settings import FinetuneSettings

if TYPE_CHECKING:
    from a2g_cli.cli.commands.report import Report


@with_settings("learning", FinetuneSettings, first=("keep", "iterations"))
@with_settings("logging", LogSettings)
def adapt(
    *,
    recordings: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RECORDING...]",
            help="Sessions or recordings to learn from.  [default: the newest session of run or improve with complete "
            "recordings]",
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Name of the new adapter.  [default: adapter-NNN]")
    ] = None,
    parent: Annotated[
        str | None,
        typer.Option(
            "--parent", metavar="NAME", help="Adapter to start from; base: none.  [default: the active adapter]"
        ),
    ] = None,
    learning: Given,
    promote: Annotated[bool, typer.Option(help="Make the adapter active when it passes the gate.")] = True,
    dry_run: options.DryRun = False,
    base: options.Base = None,
    logging: Given,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Learn from recordings in hindsight: what an episode achieved counts as its goal. Makes a new LoRA adapter."""

    def work() -> "Report":
        from a2g_cli.cli.commands.adapt import adapt_recordings
        from a2g_cli.training.finetune_settings import settings_from

        settings = settings_from(**learning)
        where, tracker = place(workspace), log_settings_from(logging).log
        return adapt_recordings(
            where, recordings or [], name, parent, base, settings, promote, dry_run, tracker, typed_command()
        )

    finish(as_json, work)
