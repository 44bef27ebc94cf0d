"""``a2g doctor``: check the installation and the hardware."""

from collections.abc import Sequence
from contextlib import nullcontext

from rich.text import Text

from a2g_cli.cli.commands.check import Check
from a2g_cli.cli.commands.checkup import every_check
from a2g_cli.cli.commands.report import Report
from a2g_cli.core.errors import HardwareError
from a2g_cli.core.workspace import Workspace
from a2g_cli.display.console import stderr_console
from a2g_cli.display.lines import printable

_MARKS = {"ok": ("ok  ", "green"), "note": ("note", "yellow"), "fail": ("FAIL", "bold red")}


def examine(workspace: Workspace, robot: str | None = None, cameras: Sequence[str] = ()) -> Report:
    """Check everything that a2g needs, the cameras of ``a2g.toml`` and ``cameras``, and ``robot`` if it is given.

    The document: ``{"ok", "checks": [{"name", "state": "ok" | "note" | "fail", "detail", "advice"}]}``. Exit code 0 when
    nothing failed, else 3; notes are not failures.
    """
    console = stderr_console()
    with console.status("checking …") if console.is_interactive else nullcontext():
        checks = list(every_check(workspace, robot, cameras))
    failed = [check for check in checks if check.state == "fail"]
    code = HardwareError.exit_code if failed else 0
    width = max(len(check.name) for check in checks)
    lines = [line for check in checks for line in _lines(check, width)]
    summary = f"{len(failed)} of {len(checks)} checks failed." if failed else "Everything that is necessary works."
    document = {"ok": not failed, "checks": [check.to_json() for check in checks]}
    return Report(document, [*lines, Text(summary)], code)


def _lines(check: Check, width: int) -> list[Text]:
    """Return what was found and, below, what to do about it."""
    word, style = _MARKS[check.state]
    lines = [Text.assemble((word, style), f"  {check.name:<{width}}  {printable(check.detail)}")]
    if check.advice:
        lines.append(Text(f"      -> {printable(check.advice)}", "bold"))
    return lines
