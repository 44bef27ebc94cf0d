"""The console on stderr, for people. stdout is for data."""

from rich.console import Console


def stderr_console() -> Console:
    """Return a console on stderr. Text is printed as it is: brackets and colons have no special meaning."""
    return Console(stderr=True, highlight=False, markup=False, emoji=False)


def draws_images(console: Console) -> bool:
    """Return whether images can be drawn: on a terminal with colours, without NO_COLOR."""
    return console.is_terminal and console.color_system is not None and not console.no_color
