"""What commands ask a person: whether things may go, and whether a goal is reached. And what they say to type next."""

import os
import select
import shlex
import shutil
import sys
import termios
import tty
from collections.abc import Callable, Sequence
from pathlib import Path

import typer

from a2g_cli.core.errors import A2GError, UsageError
from a2g_cli.core.workspace import Workspace


def somebody_is_there() -> bool:
    """Whether a person can answer a question."""
    return sys.stdin.isatty()


def line_typed() -> str:
    """Return the next line of standard input with its end; empty where nobody types any more, or the terminal hung up."""
    try:
        return sys.stdin.readline()
    except OSError:
        return ""


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
    if line_typed().strip().lower() not in {"y", "yes"}:
        raise A2GError("nothing was removed.")


def answers(yes: bool) -> Callable[[str, str], str] | None:
    """Return how to ask for a line, given its usual answer; None with ``yes``, where nothing is to be asked.

    Raises:
        UsageError: nobody is there to be asked, and ``yes`` is false.
    """
    if yes:
        return None
    if not somebody_is_there():
        raise UsageError("there is no terminal to ask at: give everything by options, and add --yes.")

    def ask(question: str, usual: str) -> str:
        typer.echo(f"{question}{f' [{usual}]' if usual else ''}: ", nl=False, err=True)
        return line_typed().strip() or usual

    return ask


_ANSWERS = {b"y": True, b"n": False, b" ": None}


def asks_for_a_key(
    told: Callable[[str], None], interrupted: Callable[[], bool], descriptor: int | None = None
) -> Callable[[str], bool | None]:
    """Return a question whether the goal of a name is reached: answered by one key, yes, no, or None for neither.

    Args:
        told: says the question to the person.
        interrupted: asked meanwhile; an ending that is asked for leaves the question unanswered.
        descriptor: of the terminal; standard input's, if not given.
    """
    terminal = sys.stdin.fileno() if descriptor is None else descriptor

    def ask(goal: str) -> bool | None:
        told(f"is {goal} reached? y: yes, n: no, space: cannot tell")
        try:
            return _key(terminal, interrupted)
        except (OSError, termios.error):  # the terminal hung up: nobody is left to answer
            return None

    return ask


def _key(terminal: int, interrupted: Callable[[], bool]) -> bool | None:
    before = termios.tcgetattr(terminal)
    tty.setcbreak(terminal)  # Ctrl-C still asks for a good ending
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
    """Return the command line ``a2g words...`` for a shell, with ``--workspace`` where it would not be found without."""
    return f"{program()} {shlex.join(words)}{elsewhere(workspace)}"


def elsewhere(workspace: Workspace) -> str:
    """Return `` --workspace DIR``, or nothing where a command that is typed here works in ``workspace`` without.

    What ``$A2G_WORKSPACE`` says now, the next command may not be told: it may have been set for one command alone.
    """
    here = Path.cwd() == workspace.root and Workspace.find() == workspace
    return "" if here else f" --workspace {shlex.quote(str(workspace.root))}"


def program() -> str:
    """Return what to type for ``a2g``: itself, or, where the shell would not find that, what was typed to start it."""
    typed = Path(sys.argv[0])
    if typed.name != "a2g" or not typed.is_file():
        return "a2g"
    found = shutil.which("a2g")
    return "a2g" if found is not None and Path(found).samefile(typed) else shlex.quote(str(typed))
