"""``a2g view`` as it is typed: parse, call one function, print."""

from typing import TYPE_CHECKING

from a2g_cli.cli import options
from a2g_cli.cli.from_settings import Given, with_settings
from a2g_cli.cli.runner import finish, place
from a2g_cli.view.settings import ViewSettings

if TYPE_CHECKING:
    from a2g_cli.cli.commands.report import Report


@with_settings("viewing", ViewSettings)
def view(
    *,
    viewing: Given,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Serve a local page over the workspace: what happens now, sessions, episodes and adapters. It reads; Ctrl-C ends it."""

    def work() -> "Report":
        from a2g_cli.cli.commands.view import serve
        from a2g_cli.view.settings import view_settings_from

        return serve(place(workspace), view_settings_from(viewing))

    finish(as_json, work)
