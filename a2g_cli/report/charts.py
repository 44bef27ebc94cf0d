"""Geometry of charts: numbers become places in a drawing, which ``templates/chart.html`` draws as SVG."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 640.0, 268.0
"""Of a chart, in its own units; the page scales it."""
LEFT, RIGHT, TOP, BOTTOM = 52.0, 16.0, 14.0, 54.0
"""Margins of the axes."""
ASIDE = 7.0
"""How far series with intervals are drawn beside one another, so that none hides another."""


@dataclass(frozen=True)
class Point:
    """One value of a series."""

    x: float
    y: float
    words: str
    """What it is, in words; shown when pointed at, and in the table of numbers."""
    low: float | None = None
    high: float | None = None
    """Ends of its interval; None: it has none."""


@dataclass(frozen=True)
class Series:
    """Points that belong together."""

    name: str
    points: Sequence[Point]
    joined: bool = True
    """Whether a line joins the points."""


@dataclass(frozen=True)
class Mark:
    """A point in the drawing; ``low`` and ``high`` are the heights of the interval's ends."""

    x: float
    y: float
    words: str
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Drawn:
    """A series in the drawing."""

    name: str
    marks: Sequence[Mark]
    line: str
    """``points`` of a polyline; empty: the marks are not joined."""


@dataclass(frozen=True)
class Tick:
    """A place on an axis."""

    at: float
    label: str
    below: str = ""
    """A second label under the first."""


@dataclass(frozen=True)
class Chart:
    """A chart that is ready to be drawn."""

    title: str
    words: str
    """What it shows, for people who do not see it."""
    x_label: str
    y_label: str
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]
    series: Sequence[Drawn]
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    right: float = WIDTH - RIGHT
    top: float = TOP
    bottom: float = HEIGHT - BOTTOM


def chart(
    title: str,
    series: Sequence[Series],
    x_label: str,
    y_label: str,
    rate: bool = False,
    x_ticks: Sequence[tuple[float, str, str]] | None = None,
) -> Chart | None:
    """Return a chart of all finite points; None if there are fewer than one.

    Args:
        title: above it.
        series: at most four: each has a colour and a shape of its own.
        x_label: of the horizontal axis.
        y_label: of the vertical axis.
        rate: y is a share from 0 to 1, labelled in per cent; else the axis begins at 0.
        x_ticks: (x, label, second label); None: round numbers.
    """
    series = [Series(one.name, _finite(one.points), one.joined) for one in series]
    series = [one for one in series if one.points]
    if not series:
        return None
    xs = [point.x for one in series for point in one.points]
    tops = [point.y if point.high is None else point.high for one in series for point in one.points]
    right, top = max([*xs, *((x for x, _, _ in x_ticks) if x_ticks else ())]), 1.0 if rate else max(tops) * 1.05
    right, top = _scale(right), _scale(top)

    def place_x(x: float, beside: float = 0.0) -> float:
        return round(LEFT + 12 + x / right * (WIDTH - LEFT - RIGHT - 24) + beside, 1)

    def place_y(y: float) -> float:
        return round(HEIGHT - BOTTOM - min(max(y, 0.0), top) / top * (HEIGHT - TOP - BOTTOM), 1)

    drawn = []
    whiskers = any(point.low is not None for one in series for point in one.points)
    for number, one in enumerate(series):
        beside = ASIDE * (number - (len(series) - 1) / 2) if whiskers else 0.0
        marks = [
            Mark(
                place_x(point.x, beside),
                place_y(point.y),
                point.words,
                None if point.low is None else place_y(point.low),
                None if point.high is None else place_y(point.high),
            )
            for point in one.points
        ]
        line = " ".join(f"{mark.x},{mark.y}" for mark in marks) if one.joined and len(marks) > 1 else ""
        drawn.append(Drawn(one.name, marks, line))
    across = x_ticks or [(value, f"{value:g}", "") for value in _round_values(right)]
    up = [(value, f"{value:.0%}") for value in (0.0, 0.25, 0.5, 0.75, 1.0)]
    if not rate:
        up = [(value, f"{value:g}") for value in _round_values(top)]
    said = [f"{one.name}: {', '.join(point.words for point in _ends(one.points))}." for one in series]
    return Chart(
        title,
        f"{title}. {' '.join(said)}",
        x_label,
        y_label,
        [Tick(place_x(x), label, below) for x, label, below in across],
        [Tick(place_y(y), label) for y, label in up],
        drawn,
    )


def _scale(largest: float) -> float:
    """Return the end of an axis that begins at 0; 1 where no number is above 0, or none that can be divided."""
    return largest if 1e-300 < largest < 1e300 else 1.0


def _finite(points: Sequence[Point]) -> list[Point]:
    return [point for point in points if math.isfinite(point.x) and math.isfinite(point.y)]


def _ends(points: Sequence[Point]) -> Sequence[Point]:
    """Return few enough points to be read aloud."""
    return points if len(points) <= 8 else (points[0], points[-1])


def _round_values(top: float) -> list[float]:
    """Return up to six round numbers from 0 to ``top``."""
    size = 10.0 ** math.floor(math.log10(top / 5))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor * 5 >= top * 0.999)
    return [round(step * i, 10) for i in range(int(top / step + 1e-9) + 1)]


@dataclass(frozen=True)
class Curve:
    """The steps-to-go of one episode over its time, as a small drawing of ``width`` x ``height``."""

    line: str
    """``points`` of a polyline."""
    words: str
    top: str
    """The largest value, as a label."""
    width: float = 200.0
    height: float = 44.0


def curve(estimates: Sequence[tuple[int, float]], steps: int) -> Curve | None:
    """Return the curve of (step, steps-to-go) over an episode of ``steps`` actions; None for fewer than two points."""
    if len(estimates) < 2 or steps < 1:
        return None
    top = max(1.0, *(left for _, left in estimates))
    width, height = Curve.width, Curve.height
    places = [
        f"{min(step / steps, 1.0) * width:.1f},{(1 - min(max(left, 0.0), top) / top) * (height - 4) + 2:.1f}"
        for step, left in estimates
    ]
    first, last = estimates[0][1], estimates[-1][1]
    words = f"Steps to go, as the policy estimates them: {first:.0f} at first, {last:.0f} at last."
    return Curve(" ".join(places), words, f"{top:.0f}")
