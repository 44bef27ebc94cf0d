"""What is printed is what was written: square brackets in help texts, messages and names are no markup of Rich."""

import inspect
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
import typer
from rich.console import Console
from typer import rich_utils
from typer.main import get_command
from typer.testing import CliRunner

from a2g_cli.cli.app import app, every
from a2g_cli.cli.commands.report import Report
from a2g_cli.cli.runner import finish
from a2g_cli.core.settings import PANELS, settings_of
from a2g_cli.display.console import stderr_console
from a2g_cli.training.finetune_settings import FinetuneSettings


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


FIRST = ("run", "adapt", "improve", "evaluate", "pretrain", "capture-goal")


@pytest.mark.parametrize("name", FIRST[:4])
def test_the_help_begins_with_at_most_six_options(name: str) -> None:
    command = next(one for one in get_command(app).commands.values() if one.name == name)  # type: ignore[attr-defined]
    shown = [one for one in command.params if one.param_type_name == "option" and not one.hidden]
    first = [one.opts[0] for one in shown if one.rich_help_panel is None]
    assert 1 <= len(first) <= 6, first
    assert {one.rich_help_panel for one in shown} <= {None, *PANELS}


def test_improve_takes_every_setting_of_adapt() -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    adapt, improve = ({one.opts[0]: one for one in commands[name].params} for name in ("adapt", "improve"))
    for one in settings_of(FinetuneSettings):
        if one.name != "seed":  # improve has one of its own, for starts and goals too
            assert adapt[one.option].help == improve[one.option].help


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (("adapt", "--patience", "3"), "--patience is now called --slowness-tau."),
        (("improve", "--explore=8"), "--explore is now called --pose-search."),
        (("run", "cup", "--reset", "home"), "--reset home is now called --reset rest-pose."),
    ],
    ids=str,
)
def test_an_old_word_is_answered_by_the_new_one(words: tuple[str, ...], answer: str, as_json: bool) -> None:
    result = CliRunner().invoke(app, [*words, *(["--json"] if as_json else [])])
    assert result.exit_code == 2
    assert result.stderr == f"error: {answer}\n"
    assert not as_json or json.loads(result.stdout) == {"error": {"message": answer, "exit_code": 2}}
