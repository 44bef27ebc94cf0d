"""The command line: parse, call one function, print. Nothing heavy is imported before a command needs it.

Exit codes: 0 done, 1 failed, 2 usage, 3 hardware, 4 safety stop, 5 goal not reached, 130 interrupted.
"""

from typing import Annotated

import typer

from a2g_cli.cli import catalogue, options
from a2g_cli.cli.adapt import adapt
from a2g_cli.cli.capture_goal import capture_goal
from a2g_cli.cli.demo import demo
from a2g_cli.cli.demonstrate import demonstrate
from a2g_cli.cli.doctor import doctor
from a2g_cli.cli.evaluate import evaluate
from a2g_cli.cli.improve import improve
from a2g_cli.cli.init import init
from a2g_cli.cli.pretrain import pretrain
from a2g_cli.cli.replay import replay
from a2g_cli.cli.report import report
from a2g_cli.cli.run import run
from a2g_cli.cli.runner import (
    Commands,
    Program,
    output_that_fails_in_a_line,
    show_what_can_be_shown,
    stood_before,
)
from a2g_cli.cli.view import view
from a2g_cli.core.standard_output import kept_for_data

app = Program(
    name="a2g",
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Give a robot a photo of the goal; it practises until it can make the scene look like the photo.",
    epilog="Exit codes: 0 done, 1 failed, 2 usage, 3 hardware, 4 safety stop, 5 goal not reached, 130 interrupted.",
)


def _print_version(asked: bool) -> None:
    """A callback of the option, as the body of ``every`` runs only where a command follows."""
    if asked:
        from a2g_cli import __version__

        typer.echo(f"a2g {__version__}")
        raise typer.Exit


@app.callback()
def every(
    workspace: options.Workspace = None,
    _version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version),
    ] = False,
) -> None:
    """Settings that stand before a command."""
    stood_before(workspace)


EVERY_DAY, MORE, WORKSPACE = "Every day", "More", "Workspace"
"""Panels of commands in ``a2g --help``, whose order is that of the lines below."""
app.command("capture-goal", rich_help_panel=EVERY_DAY)(capture_goal)
app.command("run", rich_help_panel=EVERY_DAY)(run)
app.command("adapt", rich_help_panel=EVERY_DAY)(adapt)
app.command("replay", rich_help_panel=EVERY_DAY)(replay)
app.command("improve", rich_help_panel=MORE)(improve)
app.command("report", rich_help_panel=MORE)(report)
app.command("view", rich_help_panel=MORE)(view)
app.command("demo", rich_help_panel=MORE)(demo)
app.command("evaluate", rich_help_panel=MORE)(evaluate)
app.command("demonstrate", rich_help_panel=MORE)(demonstrate)
app.command("pretrain", rich_help_panel=MORE)(pretrain)
app.command("init", rich_help_panel=MORE)(init)
app.command("doctor", rich_help_panel=MORE)(doctor)
app.add_typer(catalogue.goals, rich_help_panel=WORKSPACE)
app.add_typer(catalogue.recordings, rich_help_panel=WORKSPACE)
app.add_typer(catalogue.adapters, rich_help_panel=WORKSPACE)


def main() -> None:
    """Run the command line, in a process of its own."""
    show_what_can_be_shown()
    with kept_for_data(), output_that_fails_in_a_line():
        app()


if __name__ == "__main__":
    main()
