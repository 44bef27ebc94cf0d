"""Consoles that write into memory: a terminal's, and a pipe's."""

import io

from rich.console import Console


def terminal(width: int = 100, height: int = 40, **environment: str) -> Console:
    """A console that takes its StringIO for a terminal with colours."""
    return Console(
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
        width=width,
        height=height,
        highlight=False,
        _environ={"TERM": "xterm-256color", **environment},
    )


def pipe() -> Console:
    return Console(file=io.StringIO(), highlight=False, _environ={})


def output(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()
