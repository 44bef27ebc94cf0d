"""Questions to a person, and the command lines that messages suggest."""

import os
import select
import shlex
import shutil
import stat
import sys
import termios
import tty
from collections.abc import Callable, Sequence
from pathlib import Path

import typer

from a2g_cli.core.errors import A2GError, UsageError
from a2g_cli.core.workspace import Workspace


def somebody_is_there() -> bool:
    """Return whether standard input is a terminal, so that a person can answer."""
    return sys.stdin.isatty()


def check_answerable(option: str) -> None:
    """Raise UsageError if nobody can answer what ``option`` asks: standard input is closed, or the null device."""
    try:
        kind = os.fstat(sys.stdin.fileno()).st_mode
        nobody = stat.S_ISCHR(kind) and not somebody_is_there()
    except (OSError, ValueError):  # closed; or not a file, which a program gives that answers itself
        nobody = sys.stdin.closed
    if nobody:
        raise UsageError(
            f"{option} asks a person, and standard input is not a terminal: use a terminal, or another --reset."
        )


def line_typed() -> str:
    """Return the next line of standard input with its line end; empty at the end of the input, or if the terminal closed."""
    try:
        return sys.stdin.readline()
    except OSError:
        return ""


def confirm_removal(what: Sequence[str], yes: bool) -> None:
    """Ask on a terminal whether ``what`` may be removed for good.

    Raises:
        UsageError: there is no terminal, and ``yes`` is false.
        A2GError: the answer is no.
    """
    if yes:
        return
    listed = ", ".join(what[:5]) + (f" and {len(what) - 5} more" if len(what) > 5 else "")
    if not somebody_is_there():
        raise UsageError(f"this removes {listed} for good: add --yes, or see what it would remove with --dry-run.")
    # Not input(): it writes to stdout, which is for data.
    typer.echo(f"Remove {listed} for good? [y/N] ", nl=False, err=True)
    if line_typed().strip().lower() not in {"y", "yes"}:
        raise A2GError("nothing was removed.")


def answers(yes: bool) -> Callable[[str, str], str] | None:
    """Return a function that asks for a line, with a default answer; None with ``yes``: nothing is asked.

    Raises:
        UsageError: there is no terminal, and ``yes`` is false.
    """
    if yes:
        return None
    if not somebody_is_there():
        raise UsageError("there is no terminal for questions: give every answer as an option, and add --yes.")

    def ask(question: str, usual: str) -> str:
        typer.echo(f"{question}{f' [{usual}]' if usual else ''}: ", nl=False, err=True)
        return line_typed().strip() or usual

    return ask


_ANSWERS = {b"y": True, b"n": False, b" ": None}


def asks_for_a_key(
    told: Callable[[str], None], interrupted: Callable[[], bool], descriptor: int | None = None
) -> Callable[[str], bool | None]:
    """Return a function that asks whether a goal is reached: one key answers yes, no, or None for neither.

    Args:
        told: shows the question.
        interrupted: checked meanwhile; an interruption ends the question without an answer.
        descriptor: of the terminal; None: standard input.
    """
    terminal = sys.stdin.fileno() if descriptor is None else descriptor

    def ask(goal: str) -> bool | None:
        told(f"is {goal} reached? y: yes, n: no, space: cannot tell")
        try:
            return _key(terminal, interrupted)
        except (OSError, termios.error):  # the terminal closed
            return None

    return ask


def first_answers(ask: Callable[[str], bool | None], count: int) -> Callable[[str], bool | None]:
    """Return ``ask``, until it has answered ``count`` times; from then on nobody is asked, and the answer is None."""
    given = 0

    def limited(goal: str) -> bool | None:
        nonlocal given
        answer = ask(goal) if given < count else None
        given += answer is not None
        return answer

    return limited


def _key(terminal: int, interrupted: Callable[[], bool]) -> bool | None:
    before = termios.tcgetattr(terminal)
    tty.setcbreak(terminal)  # Ctrl-C still works
    try:
        while not interrupted():
            if select.select([terminal], [], [], 0.05)[0]:
                key = os.read(terminal, 1).lower()
                if key in _ANSWERS or not key:
                    return _ANSWERS.get(key)
        return None
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def to_type(workspace: Workspace, *words: str) -> str:
    """Return the command line ``a2g words...`` for a shell, with ``--workspace`` if it is needed."""
    return f"{program()} {shlex.join(words)}{elsewhere(workspace)}"


def elsewhere(workspace: Workspace) -> str:
    """Return `` --workspace DIR``, or nothing if a command finds ``workspace`` from the current folder.

    ``$A2G_WORKSPACE`` does not count: it may have been set for one command only.
    """
    here = Path.cwd() == workspace.root and Workspace.find() == workspace
    return "" if here else f" --workspace {shlex.quote(str(workspace.root))}"


def program() -> str:
    """Return what to type for ``a2g``: that, or the path that was typed if the shell would not find it."""
    typed = Path(sys.argv[0])
    if typed.name != "a2g" or not typed.is_file():
        return "a2g"
    found = shutil.which("a2g")
    return "a2g" if found is not None and Path(found).samefile(typed) else shlex.quote(str(typed))
