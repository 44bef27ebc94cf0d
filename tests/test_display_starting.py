"""A command that takes long to start says so on a terminal, and the line is gone before anything else is written."""

import io
import sys
import time
from collections.abc import Callable

import pytest

from a2g_cli.display import starting
from a2g_cli.display.starting import StartingLine, over, starting_line
from a2g_cli.display.streams import streams_that_may_go_away


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def wait_for(there: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not there():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starting, "_PATIENCE", 0.02)
    monkeypatch.setenv("TERM", "xterm")


def test_it_counts_until_something_is_said_and_erases_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    errors, output = Terminal(), io.StringIO()
    monkeypatch.setattr(sys, "stderr", errors)
    monkeypatch.setattr(sys, "stdout", output)
    with streams_that_may_go_away():
        wait_for(lambda: errors.getvalue().count("starting …") >= 2)
        print("goals", file=sys.stderr)  # noqa: T201
        assert errors.getvalue().endswith("s\r\x1b[Kgoals\n")
        said = errors.getvalue()
        time.sleep(0.1)
        over()
        assert errors.getvalue() == said
    assert output.getvalue() == ""


def test_the_report_on_standard_output_removes_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    errors, output = Terminal(), io.StringIO()
    monkeypatch.setattr(sys, "stderr", errors)
    monkeypatch.setattr(sys, "stdout", output)
    with streams_that_may_go_away():
        wait_for(lambda: "starting" in errors.getvalue())
        print("result")  # noqa: T201
        assert errors.getvalue().endswith("\r\x1b[K")
    assert output.getvalue() == "result\n"


def test_a_command_that_is_fast_or_fails_leaves_no_trace() -> None:
    stream = Terminal()
    with starting_line(stream), pytest.raises(KeyError):
        raise KeyError
    line = StartingLine(stream, patience=60.0)
    line.over()
    line.over()
    line._thread.join(60)
    assert "starting" not in stream.getvalue()


def test_a_pipe_and_a_dumb_terminal_get_none(monkeypatch: pytest.MonkeyPatch) -> None:
    with starting_line(io.StringIO()) as line:
        assert line is None
    monkeypatch.setenv("TERM", "dumb")
    with starting_line(Terminal()) as line:
        assert line is None


def test_a_terminal_that_closes_ends_nothing() -> None:
    stream = Terminal()
    line = StartingLine(stream, patience=0.02)
    wait_for(lambda: bool(stream.getvalue()))
    stream.close()
    line.over()
