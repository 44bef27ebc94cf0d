"""Lines with a bar: what is counted, how far it is, and how long it still takes."""

from rich.console import RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from a2g_cli.display.lines import duration, printable

_LEAST = 6
"""A shorter bar says nothing [columns]."""
_MOST = 40
"""[columns]"""


def bar_line(words: str, done: float, total: float, after: str, width: int) -> RenderableType:
    """Return one line of ``width`` columns; numbers are worth more than the bar, which a narrow line leaves out."""
    left, right = Text(printable(words), no_wrap=True), Text(printable(after), style="cyan", no_wrap=True)
    room = width - left.cell_len - (right.cell_len + 2 if after else 0) - 2
    cells: list[RenderableType] = [left]
    if room >= _LEAST:
        cells.append(ProgressBar(total=max(total, 1e-9), completed=min(max(done, 0), total), width=min(_MOST, room)))
    cells += [right] if after else []
    grid = Table.grid(padding=(0, 2))
    grid.add_row(*cells)
    return grid


def time_left(elapsed: float, done: float, total: float) -> str:
    """Return how long the rest takes at the pace so far, as in ``2:05 left``; empty if that is not known."""
    if done <= 0 or total <= done or elapsed <= 0:
        return ""
    return f"{duration(elapsed / done * (total - done))} left"
