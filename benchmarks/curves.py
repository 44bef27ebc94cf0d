"""Draw what `benchmarks/improvement.py` measured: success against episodes and against the time of practice, shift by shift.

    python benchmarks/curves.py [--work training/improvement] [--out docs/images/improvement.svg]

A thin line is a seed; the thick one all seeds together, after as many rounds, with the band of its 95 % Wilson interval.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from a2g_cli.runtime.evaluation import wilson

WIDE, HIGH, GAP, LEFT, TOP = 190.0, 120.0, 34.0, 46.0, 40.0
"""Of a panel, between panels, and around them [px]."""
INK, SEED, MEAN = "#57606a", "#a8b8d8", "#0b5fff"
ROWS: dict[str, Callable[[dict[str, Any]], float]] = {
    "episodes": lambda point: float(point["episodes"]),
    "seconds of practice": lambda point: float(point["seconds"]),
}
Curve = list[dict[str, Any]]


def curves(work: Path) -> dict[str, list[Curve]]:
    """Return the curves of every seed by case, from what was kept of runs with calibration applied."""
    found: dict[str, list[Curve]] = defaultdict(list)
    for path in sorted(work.glob("*-apply-*.json")):
        run = json.loads(path.read_text(encoding="utf-8"))
        scene = str(run["robot"]).partition(":")[2]
        rehearsed = ", rehearsed" if "-rehearsed" in path.name else ""
        found[f"{scene}/{run['shift']}{rehearsed}"].append(run["curve"])
    return dict(found)


def joined(of: Sequence[Curve], along: Callable[[dict[str, Any]], float]) -> list[tuple[float, float, float, float]]:
    """Return (where, rate, low, high) after each round, all seeds together."""
    points = []
    for after in zip(*of, strict=False):
        good, n = sum(one["successes"] for one in after), sum(one["n"] for one in after)
        points.append((sum(map(along, after)) / len(after), good / n, *wilson(good, n)))
    return points


class Panel:
    """One diagram; places are its own, success from 0 to 1 upwards."""

    def __init__(self, x: float, y: float, most: float) -> None:
        self.x, self.y, self.most = x, y, most

    def at(self, where: float, rate: float) -> str:
        """Return a point of the drawing."""
        return f"{self.x + WIDE * where / self.most:.1f},{self.y + HIGH * (1 - rate):.1f}"

    def frame(self, title: str, below: str) -> list[str]:
        """Return axes, their marks and names."""
        parts = [text(self.x, self.y - 8, title, weight="600")] if title else []
        for rate in (0.0, 0.5, 1.0):
            y = self.y + HIGH * (1 - rate)
            parts.append(f'<path d="M{self.x:.1f} {y:.1f}h{WIDE:.1f}" stroke="{INK}" stroke-opacity=".25"/>')
            parts.append(text(self.x - 6, y + 4, f"{rate:.1f}", anchor="end"))
        for share in (0.0, 0.5, 1.0):
            number = f"{share * self.most:.0f}"
            parts.append(text(self.x + WIDE * share, self.y + HIGH + 14, number, anchor="middle"))
        return [*parts, text(self.x + WIDE / 2, self.y + HIGH + 27, below, anchor="middle")]


def text(x: float, y: float, words: str, anchor: str = "start", weight: str = "400") -> str:
    """Return words at a place."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}">{words}</text>'


def drawing(found: dict[str, list[Curve]], across: int = 4) -> str:
    """Return the whole picture: panels by case, one above the other for episodes and time."""
    parts, cases = [], list(found)
    for number, case in enumerate(cases):
        for row, (name, along) in enumerate(ROWS.items()):
            most = max(along(curve[-1]) for one in found.values() for curve in one)
            line = 2 * (number // across) + row
            panel = Panel(LEFT + (number % across) * (WIDE + GAP), TOP + line * (HIGH + GAP + 22), most)
            parts += panel.frame(f"{case} ({len(found[case])} seeds)" if row == 0 else "", name)
            for curve in found[case]:
                points = " ".join(panel.at(along(point), point["rate"]) for point in curve)
                parts.append(f'<polyline points="{points}" fill="none" stroke="{SEED}"/>')
            all_of = joined(found[case], along)
            band = [panel.at(x, high) for x, _, _, high in all_of] + [panel.at(x, low) for x, _, low, _ in all_of[::-1]]
            parts.append(f'<polygon points="{" ".join(band)}" fill="{MEAN}" fill-opacity=".15"/>')
            points = " ".join(panel.at(x, rate) for x, rate, _, _ in all_of)
            parts.append(f'<polyline points="{points}" fill="none" stroke="{MEAN}" stroke-width="2"/>')
    columns, lines = min(across, len(cases)), 2 * -(-len(cases) // across)
    width, height = LEFT + columns * (WIDE + GAP), TOP + lines * (HIGH + GAP + 22)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" font-family="sans-serif" '
    background = f'<rect width="{width:.0f}" height="{height:.0f}" fill="white"/>'
    return "\n".join([f'{head}font-size="11" fill="{INK}">', background, *parts, "</svg>"]) + "\n"


def main() -> None:
    """Draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("training/improvement"))
    parser.add_argument("--out", type=Path, default=Path("docs/images/improvement.svg"))
    given = parser.parse_args()
    found = curves(given.work)
    if not found:
        raise SystemExit(f"{given.work} holds no results: run python benchmarks/improvement.py first.")
    given.out.write_text(drawing(found), encoding="utf-8")
    print(f"{given.out}: {len(found)} shifts, {sum(map(len, found.values()))} runs")


if __name__ == "__main__":
    main()
