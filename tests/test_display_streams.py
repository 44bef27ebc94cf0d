"""Streams that go away while they are written to."""

import errno
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import typer
from rich.console import Console

from a2g_cli.display.rollout_view import rollout_view
from a2g_cli.display.streams import streams_that_may_go_away
from a2g_cli.display.training_view import training_view


@contextmanager
def streams(monkeypatch: pytest.MonkeyPatch, descriptor: int) -> Iterator[int]:
    """Lead standard output and error to ``descriptor``; gives the descriptor of error."""
    out, err = (os.fdopen(os.dup(descriptor), "w", buffering=1, encoding="utf-8") for _ in range(2))
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        try:
            yield err.fileno()
        finally:
            for stream in (out, err):
                with suppress(OSError):
                    stream.close()


@contextmanager
def dead_terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Lead standard output and error to a terminal that was closed; gives the descriptor of error."""
    ours, theirs = pty.openpty()
    with streams(monkeypatch, theirs) as err:
        os.close(theirs)
        os.close(ours)
        yield err


def test_a_dead_terminal_fails_whoever_writes_to_it_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    with dead_terminal(monkeypatch) as err, pytest.raises(OSError, match="Input/output") as caught:
        os.write(err, b"x")
    assert caught.value.errno == errno.EIO


def test_whatever_is_told_to_a_dead_terminal_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with dead_terminal(monkeypatch) as err:
        with streams_that_may_go_away():
            for stream in (sys.stdout, sys.stderr):
                stream.write("a note\n")
                stream.writelines(["a\n", "b\n"])
                stream.flush()
            typer.echo("a line", err=True)
        # Who writes past us, such as a C library, is not failed by it either.
        os.write(err, b"x")
        sys.stderr.write("x")
        sys.stderr.flush()


@pytest.mark.parametrize("live", [False, True])
def test_views_go_on_without_a_terminal(monkeypatch: pytest.MonkeyPatch, live: bool) -> None:
    with dead_terminal(monkeypatch), streams_that_may_go_away():
        console = Console(stderr=True, force_terminal=live, force_interactive=live)
        with rollout_view(console) as view:
            view.note("finishing the step, saving …")
        with training_view(console) as progress:
            progress.started("adapting", 3)
            progress.advanced(1, {"loss": 0.5})
            progress.finished()


def test_a_log_on_a_full_disk_stops_nothing_and_data_that_cannot_be_delivered_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    with streams(monkeypatch, full), streams_that_may_go_away():
        sys.stderr.write("a log on a full disk\n")
        with pytest.raises(OSError, match="No space left"):
            sys.stdout.write("{}\n")
    os.close(full)


def test_a_command_whose_errors_nobody_reads_ends_as_ever(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "a2g_cli", "run", "nothing", "--workspace", str(tmp_path), "--json"]
    ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=writer, text=True, check=False, timeout=120)
    os.close(writer)
    assert ended.returncode == 2
    assert "unknown goal" in ended.stdout


def test_a_command_without_standard_streams_ends_as_ever(tmp_path: Path) -> None:
    words = f"{sys.executable} -m a2g_cli run nothing --workspace {tmp_path} >&- 2>&- <&-"
    assert subprocess.run(["sh", "-c", words], check=False, timeout=120).returncode == 2
