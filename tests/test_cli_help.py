"""What is printed is what was written: square brackets in help texts, messages and names are no markup of Rich."""

import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
import typer
from rich.console import Console
from typer import rich_utils
from typer.testing import CliRunner

from a2g_cli.cli.app import app, every
from a2g_cli.cli.commands.report import Report
from a2g_cli.cli.runner import finish
from a2g_cli.display.console import stderr_console


def every_command(
    group: typer.Typer, above: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Callable[..., Any]]]:
    """Yield the words of each command of ``group``, and the function that Typer made it of."""
    if group.registered_callback is not None and group.registered_callback.callback is not None:
        yield above, group.registered_callback.callback
    for command in group.registered_commands:
        assert command.name is not None
        assert command.callback is not None
        yield (*above, command.name), command.callback
    for below in group.registered_groups:
        assert below.typer_instance is not None
        name = below.name if isinstance(below.name, str) else below.typer_instance.info.name
        assert isinstance(name, str)
        yield from every_command(below.typer_instance, (*above, name))


def written(function: Callable[..., Any]) -> Iterator[str]:
    """Yield the help texts of a command as its author wrote them."""
    if function is not every:  # the whole program's help says something else
        yield inspect.cleandoc(function.__doc__ or "")
    for hint in get_type_hints(function, include_extras=True).values():
        yield from (told.help for told in get_args(hint)[1:] if getattr(told, "help", None))


def squeezed(text: str) -> str:
    """Return ``text`` without spaces and the frames around it: where a line ends depends on the terminal."""
    return re.sub(r"[\s│]+", "", text)


@pytest.mark.parametrize(
    ("words", "function"),
    list(every_command(app)),
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_no_help_text_loses_a_word(
    words: tuple[str, ...], function: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rich_utils, "MAX_WIDTH", 400)  # so that no line of one column ends between those of another
    result = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "400"})
    assert result.exit_code == 0
    shown = squeezed(result.stdout)
    for text in written(function):
        assert squeezed(text) in shown


def test_some_help_has_brackets() -> None:
    """Else the test above would show nothing."""
    texts = [text for _, function in every_command(app) for text in written(function)]
    assert any("[cameras.NAME]" in text for text in texts)
    assert any("[default: lora]" in text for text in texts)


@pytest.mark.parametrize(
    "text", ["the file [x].png", "[bold]no style[/bold]", "[/]", "[robot] of :cat: a2g.toml", "a\\[b]"]
)
def test_brackets_of_names_reach_the_terminal(capsys: pytest.CaptureFixture[str], text: str) -> None:
    finish(False, lambda: Report({}, [text]))
    assert capsys.readouterr().out == f"{text}\n"
    stderr_console().print(text)
    assert capsys.readouterr().err == f"{text}\n"


def test_an_error_and_a_usage_error_keep_brackets(tmp_path: Path) -> None:
    folder = tmp_path / "[bold]"
    folder.write_text("")
    failed = CliRunner().invoke(app, ["goals", "list", "--workspace", str(folder)])
    assert str(folder) in failed.stderr
    wrong = CliRunner().invoke(app, ["replay", "latest", "[red]"])
    assert "[red]" in wrong.stderr


def test_the_progress_of_a_video_shows_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cli_examples import a2g, record

    from a2g_cli.cli.commands import replay

    record(tmp_path)
    monkeypatch.setattr(
        replay, "stderr_console", lambda: Console(stderr=True, force_terminal=True, force_interactive=True)
    )
    made = a2g(tmp_path, "replay", "monday", "--video", tmp_path / "[red]x.gif")
    assert made.exit_code == 0, made.stderr
    assert "[red]x.gif" in made.stderr
    assert (tmp_path / "[red]x.gif").exists()
