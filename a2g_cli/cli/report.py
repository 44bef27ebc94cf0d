"""``a2g report`` as it is typed: parse, call one function, print."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from a2g_cli.cli import options
from a2g_cli.cli.runner import finish, place

if TYPE_CHECKING:
    from a2g_cli.cli.commands.report import Report


def report(
    session: Annotated[
        str | None,
        typer.Argument(
            metavar="[SESSION]", help="Session of recordings; see `a2g recordings list`.  [default: the newest]"
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="The HTML file to write.  [default: reports/SESSION.html]"),
    ] = None,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Write a report of a session: one HTML file with videos, success, and every adapter's reasons, for any browser."""

    def work() -> "Report":
        from a2g_cli.cli.commands.report_page import report_session

        return report_session(place(workspace), session, out)

    finish(as_json, work)
