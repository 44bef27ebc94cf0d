"""``a2g report``, and the report that other commands end with."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from a2g_cli.cli.commands.report import Report
from a2g_cli.core.errors import UsageError
from a2g_cli.core.workspace import Workspace, expanded
from a2g_cli.data.recording.sessions import LATEST, Session, open_session
from a2g_cli.display.console import stderr_console
from a2g_cli.display.lines import printable, say
from a2g_cli.display.listing import size
from a2g_cli.report.settings import ReportSettings

SUFFIX = ".html"


@dataclass(frozen=True)
class Reporting:
    """How a command reports: whether it writes a file, and what was typed."""

    settings: ReportSettings = field(default_factory=ReportSettings)
    command: str = ""
    """The command line; the run keeps it."""


def report_session(workspace: Workspace, name: str | None, out: Path | None) -> Report:
    """Write the report of a session, by default of the newest one.

    The document: ``{"report": path, "session", "episodes", "verdict", "bytes", "seconds"}``; ``episodes`` are those shown.

    Raises:
        UnknownNameError: no such session, or it is empty.
        UsageError: ``out`` is not the name of an HTML file.
        A2GError: the file cannot be written, or what the session keeps is damaged.
    """
    from a2g_cli.report.page import write_page
    from a2g_cli.report.session import session_page

    session = open_session(workspace, name or LATEST)
    path = _path(workspace, session.name) if out is None else expanded(out).absolute()
    if path.suffix.lower() != SUFFIX or path.is_dir():
        raise UsageError(f"{path.name!r} is not the name of a report: expected a name that ends in {SUFFIX}.")
    started = time.monotonic()
    say(stderr_console(), "writing the report …", "dim")
    page = session_page(workspace, session)
    written = write_page(page, path)
    seconds = time.monotonic() - started
    document = {
        "report": str(path),
        "session": session.name,
        "episodes": len(page.cards),
        "verdict": page.verdict,
        "bytes": written,
        "seconds": round(seconds, 2),
    }
    lines = [page.verdict, f"report: {path} ({len(page.cards)} episodes, {size(written)}, {seconds:.1f} s)"]
    return Report(document, [printable(line) for line in lines])


def session_report(workspace: Workspace, session: str, tries: Sequence[tuple[Path, Path]] = ()) -> Path:
    """Write the report of the session of that name, and return its path; ``tries`` as of ``session_page``."""
    from a2g_cli.report.page import write_page
    from a2g_cli.report.session import session_page

    path = _path(workspace, session)
    write_page(session_page(workspace, Session(workspace.sessions / session), tries), path)
    return path


def with_report(report: Report, reporting: Reporting | None, write: Callable[[], Path]) -> Report:
    """Return a finished command's report with the path of the HTML file that ``write`` wrote.

    The command's own work is done by now, so nothing that fails here fails the command: it is named in a note. Nothing is
    written if that is switched off, or if the command was interrupted.
    """
    if reporting is None or not reporting.settings.report or report.exit_code == 130:
        return report
    console = stderr_console()
    say(console, "writing the report …", "dim")
    try:
        path = write()
    except (Exception, KeyboardInterrupt) as error:
        said = str(error) or "interrupted"
        say(console, f"note: the report was not written: {type(error).__name__}: {said}", "yellow")
        return replace(report, document={**report.document, "report": None})
    document = {**report.document, "report": str(path)}
    return replace(report, document=document, lines=[*report.lines, printable(f"report: {path}")])


def _path(workspace: Workspace, name: str) -> Path:
    return workspace.reports / f"{name}{SUFFIX}"


def evaluation_path(workspace: Workspace, moment: str) -> Path:
    """Return the path of the report of an evaluation that was made at ``moment``."""
    return _path(workspace, f"evaluation-{moment}")
