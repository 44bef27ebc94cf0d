"""Tables and bar charts of success rates with their confidence intervals."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from a2g_cli.display.lines import duration, printable

Interval = tuple[float, float]
"""Lower and upper bound of a rate, 0 to 1."""

_BAR = 30
"""[columns]"""
_WIDEST = 1000
"""No table is wider, even with names of 80 letters [columns]."""
_ALL = frozenset({"bar", "time"})
"""Columns that a narrow terminal leaves out."""


def results_table(rows: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Return a table of evaluations. A narrow terminal leaves out first the bars, then the times; names are never cut.

    Args:
        rows: Each with ``adapter`` (None for the base policy), ``n``, ``successes``, ``rate`` (0 to 1), ``interval``
            (lower, upper) and ``seconds`` (None: not measured); where goals were named, also with ``goal``.
    """
    return _Fitting([_results(rows, columns) for columns in (_ALL, _ALL - {"bar"}, _ALL - {"bar", "time"})])


def _results(rows: Sequence[Mapping[str, Any]], columns: Set[str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    of_goals = any("goal" in row for row in rows)
    for title in (["goal"] if of_goals else []) + ["adapter"]:
        table.add_column(title, no_wrap=True, overflow="ignore")
    for title in ("successes", "rate", "interval"):
        table.add_column(title, justify="right", no_wrap=True)
    if "bar" in columns:
        table.add_column("0 % to 100 %", no_wrap=True, header_style="dim")
    if "time" in columns:
        table.add_column("time", justify="right", no_wrap=True)
    best: dict[Any, float] = {}
    for row in rows:
        best[row.get("goal")] = max(float(row["rate"]), best.get(row.get("goal"), 0.0))
    for row in rows:
        rate, seconds = float(row["rate"]), row["seconds"]
        cells: list[RenderableType] = [
            *([Text(printable(str(row["goal"])))] if of_goals else []),
            Text("base" if row["adapter"] is None else printable(str(row["adapter"]))),
            f"{row['successes']}/{row['n']}",
            f"{100 * rate:.0f} %",
            _interval(row["interval"]),
        ]
        if "bar" in columns:
            cells.append(bar(rate, row["interval"], _BAR))
        if "time" in columns:
            cells.append("" if seconds is None else duration(float(seconds)))
        table.add_row(*cells, style="bold" if rate == best[row.get("goal")] and len(rows) > len(best) else "")
    return table


def curve(
    values: Sequence[float], labels: Sequence[str], intervals: Sequence[Interval] | None = None
) -> RenderableType:
    """Return one line per value (0 to 1): label, bar with shaded interval, percentage; no bar if the terminal is narrow."""
    return _Fitting([_curve(values, labels, intervals, width) for width in (_BAR, _BAR // 3, 0)])


def _curve(
    values: Sequence[float], labels: Sequence[str], intervals: Sequence[Interval] | None, width: int
) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, overflow="ignore")
    if width:
        table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    for index, (value, label) in enumerate(zip(values, labels, strict=True)):
        interval = intervals[index] if intervals is not None else None
        table.add_row(
            Text(printable(label)),
            *([bar(value, interval, width)] if width else []),
            f"{100 * value:.0f} %",
            Text(_interval(interval), style="dim"),
        )
    return table


@dataclass(frozen=True)
class _Fitting:
    """Shows the first of several forms of a table that fits; if none fits, the last one at its full width."""

    forms: Sequence[RenderableType]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        unbounded = options.update(max_width=_WIDEST)
        widths = [Measurement.get(console, unbounded, form).maximum for form in self.forms]
        for form, width in zip(self.forms, widths, strict=True):
            if width <= options.max_width:
                yield form
                return
        for line in console.render_lines(self.forms[-1], options.update(width=widths[-1]), pad=False):
            yield from line
            yield Segment.line()


def bar(value: float, interval: Interval | None, width: int) -> Text:
    """Return ``value`` (0 to 1) as a bar of ``width`` columns: lighter within its ``interval``, palest above the value."""
    low, high = interval if interval is not None else (value, value)
    mark, start, end = (round(max(0.0, min(1.0, x)) * width) for x in (value, low, high))
    text = Text("█" * min(start, mark), style="green")
    text.append("▓" * (mark - start), style="green")
    text.append("░" * (end - mark), style="dim green")
    text.append(" " * (width - max(mark, end)))
    return text


def _interval(interval: Interval | None) -> str:
    return "" if interval is None else f"{100 * interval[0]:.0f}-{100 * interval[1]:.0f} %"
