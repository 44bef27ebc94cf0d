"""``a2g doctor``: what works here and what does not."""

from rich.text import Text

from a2g_cli.commands.checkup import Check, every_check
from a2g_cli.commands.report import Report
from a2g_cli.display.lines import printable
from a2g_cli.errors import A2GError, HardwareError
from a2g_cli.workspace import Workspace

_MARKS = {"ok": ("ok  ", "green"), "note": ("note", "yellow"), "fail": ("FAIL", "bold red")}


def examine(workspace: Workspace) -> Report:
    """Look at everything that a2g needs.

    The document: ``{"ok", "checks": [{"name", "state": "ok" | "note" | "fail", "detail", "advice", "hardware"}]}``. Exit
    code 0 when nothing failed, 3 when OpenGL is missing, 1 for anything else; notes are not failures.
    """
    checks = list(every_check(workspace))
    failed = [check for check in checks if check.state == "fail"]
    code = 0
    if failed:
        code = HardwareError.exit_code if any(check.hardware for check in failed) else A2GError.exit_code
    width = max(len(check.name) for check in checks)
    lines = [_line(check, width) for check in checks]
    summary = (
        f"{len(failed)} of {len(checks)} checks failed." if failed else "everything that the simulator needs works."
    )
    document = {"ok": not failed, "checks": [check.to_json() for check in checks]}
    return Report(document, [*lines, Text(summary)], code)


def _line(check: Check, width: int) -> Text:
    word, style = _MARKS[check.state]
    advice = f" -> {check.advice}" if check.advice else ""
    return Text.assemble(
        (word, style), f"  {check.name:<{width}}  {printable(check.detail)}", (printable(advice), "bold")
    )
