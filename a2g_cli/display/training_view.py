"""The view of a training: a progress bar with losses, or a line from time to time."""

import math
import time
from collections.abc import Callable, Mapping
from typing import Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from a2g_cli.display.lines import duration, losses_line, printable, say

_GAP = 2
"""Space between columns [columns]."""
_LEAST_BAR = 10
"""If the bar would be shorter than this, the title gets a line of its own [columns]."""
_INTERVAL = 10.0
"""Least time between two plain lines [s]."""

_REFRESH = 4.0
"""Live view [Hz]."""

_SILENT = 2.0
"""Where nothing is counted, the view says from this time on that it works, and for how long [s]."""

_LEAST_SPAN = 0.05
"""Least time from which a rate is computed [s]."""


class TrainingView(Protocol):
    """Shows the progress of a training."""

    def __enter__(self) -> Self:
        """Begin to show."""

    def __exit__(self, *_: object) -> None:
        """Give the terminal back."""

    def started(self, title: str, total: int) -> None:
        """A training of ``total`` steps starts; 0: the number is unknown."""

    def advanced(self, step: int, losses: Mapping[str, float], rate: float | None = None) -> None:
        """``step`` steps are done, at ``rate`` [steps/s]; None: the view measures the rate."""

    def note(self, text: str) -> None:
        """Print a line."""

    def finished(self) -> None:
        """The training has ended."""


def training_view(console: Console) -> TrainingView:
    """Return a live view for a terminal, plain lines for anything else."""
    return LiveTrainingView(console) if console.is_interactive else PlainTrainingView(console)


class PlainTrainingView:
    """A line at the start, at most one every ten seconds, and one at the end."""

    def __init__(self, console: Console, now: Callable[[], float] = time.monotonic) -> None:
        self.console = console
        self._clock = now
        self._title = ""
        self._total = 0
        self._step = 0
        self._losses: Mapping[str, float] = {}
        self._rate: float | None = None
        self._begun = self._said = now()
        self._first: tuple[int, float] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def started(self, title: str, total: int) -> None:
        """Print the title."""
        self._begin(title, total)
        say(self.console, f"{title}: {total} to do" if total else title)

    def advanced(self, step: int, losses: Mapping[str, float], rate: float | None = None) -> None:
        """Print a line if ten seconds have passed since the last one."""
        self._reached(step, losses, rate)
        if self._clock() - self._said >= _INTERVAL:
            self._said = self._clock()
            elapsed = f"{duration(self._said - self._begun)} elapsed"
            say(
                self.console,
                "  ".join(filter(None, [self._title, self._count(), losses_line(losses), elapsed, self._left()])),
            )

    def note(self, text: str) -> None:
        """Print ``text`` as one line."""
        say(self.console, text, "dim")

    def finished(self) -> None:
        """Print the last numbers."""
        elapsed = duration(self._clock() - self._begun)
        losses = losses_line(self._losses)
        say(self.console, f"{self._title}: {self._count()} in {elapsed}{'  ' + losses if losses else ''}")

    def _begin(self, title: str, total: int) -> None:
        self._title, self._total, self._step, self._losses, self._rate = title, total, 0, {}, None
        self._begun = self._said = self._clock()
        self._first = None

    def _reached(self, step: int, losses: Mapping[str, float], rate: float | None) -> None:
        self._step, self._losses, self._rate = step, losses, rate
        if self._first is None:  # a resumed training does not start at 0
            self._first = (step, self._clock())

    def _count(self) -> str:
        return f"{self._step}/{self._total}" if self._total else f"{self._step}"

    def _speed(self) -> float:
        """Return the rate [steps/s]; 0 while it is unknown."""
        if self._rate is not None:
            return self._rate
        step, moment = self._first or (0, self._begun)
        elapsed = self._clock() - moment
        return (self._step - step) / elapsed if elapsed > _LEAST_SPAN else 0.0

    def _left(self) -> str:
        speed = self._speed()
        if not self._total or not math.isfinite(speed) or speed <= 0:
            return ""
        return f"{duration(max(0, self._total - self._step) / speed)} left"


class LiveTrainingView(PlainTrainingView):
    """A bar with losses, rate and remaining time, redrawn by its own thread."""

    def __init__(self, console: Console, now: Callable[[], float] = time.monotonic, refresh: float = _REFRESH) -> None:
        """Create it; it is redrawn ``refresh`` times per second."""
        super().__init__(console, now)
        self._running = False
        self._idle_since = now()
        self._spinner = Spinner("line", style="dim")
        self._live = Live(
            get_renderable=self.render,
            console=console,
            refresh_per_second=refresh,
            transient=True,
            redirect_stdout=False,  # stdout is for data
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._running = False
        self._live.stop()

    def started(self, title: str, total: int) -> None:
        """Show an empty bar."""
        self._begin(title, total)
        self._running = True

    def advanced(self, step: int, losses: Mapping[str, float], rate: float | None = None) -> None:
        """Move the bar."""
        self._reached(step, losses, rate)

    def finished(self) -> None:
        """Replace the bar by one line."""
        self._running = False
        super().finished()
        self._idle_since = self._clock()

    def render(self) -> RenderableType:
        """Return the bar."""
        if not self._running:
            return self._idle("working") if self._clock() - self._idle_since > _SILENT else Text()
        speed = self._speed()
        title = Text(printable(self._title))
        cells = [
            Text(self._count()),
            Text(f"{speed:.3g}/s" if speed > 0 else "", style="dim"),
            Text(self._left() or f"{duration(self._clock() - self._begun)} elapsed", style="cyan"),
        ]
        needed = title.cell_len + sum(cell.cell_len + _GAP for cell in cells) + _GAP + _LEAST_BAR
        beside = needed <= self.console.size.width
        grid = Table.grid(padding=(0, _GAP), expand=True)
        for ratio in (*([None] if beside else []), 1, None, None, None):
            grid.add_column(ratio=ratio, no_wrap=True)
        progress = ProgressBar(total=self._total or None, completed=self._step, pulse=not self._total)
        grid.add_row(*([title] if beside else []), progress, *cells)
        losses = Text(f"  {losses_line(self._losses)}", style="dim")
        return Group(grid, losses) if beside else Group(title, grid, losses)

    def _idle(self, words: str) -> RenderableType:
        """Return what is shown where nothing is counted: that something goes on, and for how long."""
        self._spinner.update(
            text=Text(f"{printable(words)} … {duration(self._clock() - self._idle_since)}", style="dim")
        )
        return self._spinner
