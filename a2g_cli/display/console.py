"""The console that a person reads, and what it can show. Data goes to stdout; everything else goes here."""

from rich.console import Console


def stderr_console() -> Console:
    """Return a console on stderr: stdout is for data only. Text is printed as it is: brackets and colons mean nothing."""
    return Console(stderr=True, highlight=False, markup=False, emoji=False)


def draws_pictures(console: Console) -> bool:
    """Whether coloured half blocks can be seen: a terminal that has colours, and no NO_COLOR."""
    return console.is_terminal and console.color_system is not None and not console.no_color
