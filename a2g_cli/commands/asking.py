"""What commands that remove things have in common: they ask first, and say what to type next."""

import shlex
import sys
from collections.abc import Sequence

import typer

from a2g_cli.errors import A2GError, UsageError
from a2g_cli.workspace import Workspace


def somebody_is_there() -> bool:
    """Whether a person can answer a question."""
    return sys.stdin.isatty()


def confirm_removal(what: Sequence[str], yes: bool) -> None:
    """Ask, on a terminal, whether ``what`` may be removed for good.

    Raises:
        UsageError: nobody is there to be asked, and ``yes`` is false.
        A2GError: the answer is no.
    """
    if yes:
        return
    listed = ", ".join(what[:5]) + (f" and {len(what) - 5} more" if len(what) > 5 else "")
    if not somebody_is_there():
        raise UsageError(f"this removes {listed} for good: add --yes, or look first with --dry-run.")
    # Not input(): it writes to stdout, which is for data.
    typer.echo(f"Remove {listed} for good? [y/N] ", nl=False, err=True)
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise A2GError("nothing was removed.")


def to_type(workspace: Workspace, *words: str) -> str:
    """Return the command line ``a2g words...``, with ``--workspace`` where it would not be found without."""
    elsewhere = [] if Workspace.find() == workspace else ["--workspace", str(workspace.root)]
    return shlex.join(["a2g", *words, *elsewhere])
