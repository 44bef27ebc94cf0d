"""The start and end of every command: options are checked, the report goes to stdout, an error becomes one line."""

import io
import json
import math
import os
import re
import shlex
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup

from a2g_cli.cli.renamed import renamed_option, renamed_value
from a2g_cli.core.standard_output import printing_aside

if TYPE_CHECKING:
    from rich.console import RenderableType

    from a2g_cli.cli.commands.report import Report
    from a2g_cli.core.workspace import Workspace

TRACEBACK = "A2G_TRACEBACK"
"""Environment variable; if it is set, an error's stack trace is printed to stderr before its line."""

_AS_JSON = "a2g.as_json"
_Function = TypeVar("_Function", bound=Callable[..., Any])
_TAG = re.compile(r"(\\*)(\[[a-z#/@][^\[]*?\])")
"""Rich's markup and the backslashes before it, as in ``rich.markup.escape``, which takes time to import."""


_BEFORE: ContextVar[Path | None] = ContextVar("the workspace that stood before the command", default=None)
_TYPED: ContextVar[tuple[str, ...]] = ContextVar("what was typed behind the program's name", default=())
_PLACE: ContextVar["Workspace | None"] = ContextVar("the workspace of the command", default=None)
_ADVICE = re.compile(r"`(a2g (?:doctor|[a-z-]+ [^`]+))`")
"""A command to type, in a message; two words alone, as in `a2g improve`, are only its name."""


class Commands(TyperGroup):
    """All commands. With ``--json``, usage errors are JSON documents too."""

    def __init__(self, **settings: Any) -> None:
        """Create it from what Typer gives. Brackets in help texts are shown, not read as markup."""
        super().__init__(**settings)
        if self.rich_markup_mode == "rich":
            _keep_brackets(self)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Look for ``--json`` before parsing: an error may stand in front of it."""
        ctx.meta[_AS_JSON] = "--json" in args
        _TYPED.set(tuple(args))  # parsing empties the list
        parsed: list[str] = super().parse_args(ctx, args)
        return parsed

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            # Usage errors have no public name in Typer; they have format_message. Typer prints them to stderr.
            message = getattr(error, "format_message", None)
            if ctx.meta[_AS_JSON] and message is not None:
                code = getattr(error, "exit_code", 2)
                typer.echo(_document({"error": {"message": message(), "exit_code": code}}))
            raise


MOST = 2**53 - 1
"""Largest number on the command line, seeds included: up to here JSON keeps every digit."""


class Command(TyperCommand):
    """One command, whose numbers and paths are looked at before it does anything."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse; refuse old names, NaN, infinity and too large numbers; replace ``~`` in paths."""
        from a2g_cli.core.errors import UsageError
        from a2g_cli.core.workspace import expanded

        typed = list(args)  # parsing empties the list
        try:
            rest: list[str] = super().parse_args(ctx, args)
        except Exception as error:
            # The error of an unknown option has no public name in Typer; it alone says which option that is.
            if answer := renamed_option(getattr(error, "option_name", ""), _options(self), _others(ctx)):
                _refuse(ctx, answer)
            raise
        if twice := self._twice(ctx, typed):
            _refuse(ctx, f"{twice} is given more than once: give it once.{_ONCE[twice]}")
        option: Any  # has no public type in Typer
        for option in self.params:
            value = ctx.params.get(option.name)
            if answer := renamed_value(option.opts[0] if option.opts[0].startswith("--") else option.metavar, value):
                _refuse(ctx, answer)
            try:
                if isinstance(value, Path):
                    ctx.params[option.name] = expanded(value)
                elif isinstance(value, int | float):
                    _check_number(value)
            except UsageError as error:
                raise typer.BadParameter(str(error), ctx, option) from error
        return rest

    def _twice(self, ctx: Any, args: list[str]) -> str | None:
        """Return an option of ``_ONCE`` that was typed more than once, though only its last value would count."""
        _, _, order = self.make_parser(ctx).parse_args(args=args)
        option: Any  # has no public type in Typer
        for option in order:
            if option.opts[0] in _ONCE and not option.multiple and order.count(option) > 1:
                return str(option.opts[0])
        return None


_ONCE = {
    "--adapter": "",
    "--fault": "",
    "--robot": "",
    "--scene": "",
    "--shift": " combined is several shifts at once.",
}
"""Options that could be taken for repeatable where they are not -> what to do instead. Of others the last value counts, as
usual, so that a suggested command can be changed at its end."""


def _options(command: Any) -> list[str]:
    return [name for option in command.params for name in option.opts]


def _others(ctx: Any) -> dict[str, list[str]]:
    """Return the options of the commands beside that of ``ctx``, by the command's name."""
    group = getattr(ctx.parent, "command", None)
    return {name: _options(command) for name, command in getattr(group, "commands", {}).items()}


def _refuse(ctx: Any, message: str) -> NoReturn:
    """End with exit code 2 and ``message`` alone, on one line."""
    from a2g_cli.core.errors import UsageError

    _fail(bool(ctx.meta.get(_AS_JSON)), message, UsageError.exit_code, UsageError(message), sys.stdout)


def _check_number(value: float) -> None:
    """Raise UsageError for NaN, infinity, and numbers that are too large."""
    from a2g_cli.core.errors import UsageError

    if isinstance(value, float) and not math.isfinite(value):
        raise UsageError(f"{value} is not a finite number.")
    if abs(value) > MOST:
        raise UsageError(f"{str(value)[:30]} is too large: expected at most {MOST}.")


class Program(typer.Typer):
    """A group of commands, each a ``Command``."""

    def command(self, name: str | None = None, **settings: Any) -> Callable[[_Function], _Function]:
        """Return the decorator that adds a command."""
        return super().command(name, **{"cls": Command, **settings})


def show_what_can_be_shown() -> None:
    """Let stdout print a question mark for letters that its encoding does not have, instead of raising an error."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


@contextmanager
def output_that_fails_in_a_line() -> Iterator[None]:
    """Leave with one line and exit code 1 where standard output cannot be written to, as on a full disk.

    What a command's own work raises has become a line before (``finish``), so what is left is help, usage and results.
    """
    try:
        yield
    except OSError as error:
        if os.environ.get(TRACEBACK):
            traceback.print_exception(error)
        with suppress(OSError):  # standard error may be the same disk
            typer.echo(f"error: standard output cannot be written to: {error.strerror or error}", err=True)
        raise SystemExit(1) from error


def _keep_brackets(command: Any) -> None:
    """Let Rich print the help texts of ``command`` and its subcommands as they are: ``[robot]`` is not a style.

    The lines of a docstring are joined: the terminal's width decides where a paragraph is broken.
    """
    if command.help:
        command.help = "\n\n".join(" ".join(part.split()) for part in command.help.split("\n\n"))
    for holder in (command, *command.params):
        for name in ("help", "short_help", "epilog"):
            text = getattr(holder, name, None)
            if text:
                setattr(holder, name, _TAG.sub(r"\1\1\\\2", text))
    for below in getattr(command, "commands", {}).values():
        _keep_brackets(below)


def typed_command() -> str:
    """Return the command line that runs now, for a shell."""
    return shlex.join(["a2g", *_TYPED.get()])


def stood_before(workspace: Path | None) -> None:
    """Store the ``--workspace`` in front of the command; one behind the command wins."""
    _BEFORE.set(workspace)
    _PLACE.set(None)


def given(workspace: Path | None) -> Path | None:
    """Return the ``--workspace`` that was typed; ``workspace`` is the one behind the command."""
    return workspace or _BEFORE.get()


def place(workspace: Path | None) -> "Workspace":
    """Return the workspace of a command; ``workspace`` is the option behind the command. Raises UsageError."""
    from a2g_cli.core.workspace import Workspace

    found = Workspace.find(given(workspace))
    _PLACE.set(found)
    return found


def finish(as_json: bool, work: Callable[[], "Report"]) -> None:
    """Do the work, print its report, and exit with its code; an error becomes one line and its exit code.

    Only the report goes to standard output: what drivers and libraries print goes to standard error.
    """
    from a2g_cli.display.streams import streams_that_may_go_away

    with streams_that_may_go_away(), printing_aside() as data:
        _finish(as_json, work, data)


def _finish(as_json: bool, work: Callable[[], "Report"], data: TextIO) -> None:
    from a2g_cli.core.errors import A2GError
    from a2g_cli.display.starting import over
    from a2g_cli.runtime.interrupt import Ending

    try:
        with Ending():
            report = work()
        over()
    except A2GError as error:
        _fail(as_json, _told(error, str(error)), error.exit_code, error, data)
    except BrokenPipeError:
        raise  # the reader of the output has closed it
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        _fail(as_json, _told(error, f"{error.strerror or error}{where}"), A2GError.exit_code, error, data)
    except (KeyboardInterrupt, typer.Abort) as stop:
        if as_json:
            typer.echo(_document({"error": {"message": _told(stop, "interrupted"), "exit_code": 130}}), file=data)
        typer.echo(_told(stop, "interrupted."), err=True)
        # CPython remembers an interrupted exec(), such as that of a dataclass in an import, until the next exec(), and
        # would end by SIGINT instead of with the exit code.
        exec("")  # noqa: S102
        raise typer.Exit(130) from stop
    if as_json:
        typer.echo(_document(report.document), file=data)
    else:
        _print(report.lines, data)
    if report.exit_code:
        raise typer.Exit(report.exit_code)


def _print(lines: "Sequence[RenderableType]", data: TextIO) -> None:
    if not lines:
        return
    from rich.console import Console

    console = Console(file=data, highlight=False, soft_wrap=True, markup=False, emoji=False)
    for line in lines:
        console.print(line)


def _fail(as_json: bool, message: str, exit_code: int, error: Exception, data: TextIO) -> NoReturn:
    message = _ADVICE.sub(_here, message)
    if as_json:
        document = dict(getattr(error, "document", {}))
        typer.echo(_document({**document, "error": {"message": message, "exit_code": exit_code}}), file=data)
    else:
        _print(getattr(error, "lines", ()), data)
    if os.environ.get(TRACEBACK):
        traceback.print_exception(error)
    typer.secho("error: ", fg="red", bold=True, nl=False, err=True)
    typer.echo(message, err=True)
    raise typer.Exit(exit_code) from error


def _here(advice: re.Match[str]) -> str:
    """Return a suggested command with the ``--workspace`` that it needs here."""
    from a2g_cli.cli.commands.prompts import elsewhere, program

    options = "" if (workspace := _PLACE.get()) is None or "--workspace" in advice[1] else elsewhere(workspace)
    return f"`{program()}{advice[1].removeprefix('a2g')}{options}`"


def _told(error: BaseException, message: str) -> str:
    """Return ``message`` with the error's notes, e.g. that a robot could not be brought to rest."""
    return " ".join([message, *getattr(error, "__notes__", [])])


def _document(value: dict[str, Any]) -> str:
    return json.dumps(_finite(value), indent=2, allow_nan=False)


def _finite(value: Any) -> Any:
    """Return ``value`` with null for NaN and infinity, which JSON does not have."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return value
