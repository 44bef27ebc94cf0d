"""Draw what `benchmarks/improvement.py` measured: success against episodes and against the time of practice, case by case.

    python benchmarks/curves.py [--work training/improvement] [--out docs/images/improvement.svg]

A thin line is one seed. The thick line is the rate over all seeds after the same number of rounds, with the band of its 95 %
Wilson interval. Needs matplotlib: pip install 'a2g[plots]'.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from a2g_cli.runtime.evaluation import wilson

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS = 4
"""Most cases in a row of the figure."""
AXES = {"episodes": "episodes", "seconds": "seconds of practice"}
"""Key of a curve's points -> label of the axis."""
Curve = list[dict[str, Any]]


def curves(work: Path) -> dict[str, list[Curve]]:
    """Return case -> the curve of every seed, for the runs in ``work`` that applied the domain transform."""
    found: dict[str, list[Curve]] = defaultdict(list)
    for path in sorted(work.glob("*-apply-*.json")):
        run = json.loads(path.read_text(encoding="utf-8"))
        scene = str(run["robot"]).partition(":")[2]
        replayed = ", demo replay" if "-rehearsed" in path.name else ""
        found[f"{scene}/{run['shift']}{replayed}"].append(run["curve"])
    return dict(found)


def pooled(seeds: Sequence[Curve], key: str) -> list[tuple[float, float, float, float]]:
    """Return (mean of ``key``, rate, low, high) after each round that all seeds have, with all trials pooled."""
    points = []
    for after in zip(*seeds, strict=False):
        successes, trials = sum(point["successes"] for point in after), sum(point["n"] for point in after)
        where = sum(float(point[key]) for point in after) / len(after)
        points.append((where, successes / trials, *wilson(successes, trials)))
    return points


def draw(axes: "Axes", seeds: Sequence[Curve], key: str) -> None:
    """Draw one panel."""
    for curve in seeds:
        axes.plot([point[key] for point in curve], [point["rate"] for point in curve], color="#a8b8d8", linewidth=1)
    where, rate, low, high = zip(*pooled(seeds, key), strict=True)
    axes.fill_between(where, low, high, color="#0b5fff", alpha=0.15, linewidth=0)
    axes.plot(where, rate, color="#0b5fff", linewidth=2)
    axes.set(ylim=(0, 1), xlim=(0, None), xlabel=AXES[key])
    axes.grid(axis="y", alpha=0.25)


def main() -> None:
    """Draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("training/improvement"))
    parser.add_argument("--out", type=Path, default=Path("docs/images/improvement.svg"))
    given = parser.parse_args()
    found = curves(given.work)
    if not found:
        raise SystemExit(f"{given.work} holds no results: run python benchmarks/improvement.py first.")
    try:
        import matplotlib

        matplotlib.use("agg")
        from matplotlib import pyplot
    except ImportError:
        raise SystemExit("drawing needs matplotlib: pip install 'a2g[plots]'") from None
    columns = min(COLUMNS, len(found))
    rows = -(-len(found) // columns)
    size = (3 * columns, 4.4 * rows)
    figure, panels = pyplot.subplots(2 * rows, columns, figsize=size, squeeze=False, layout="constrained")
    for panel in panels.flat:
        panel.set_visible(False)
    for number, (case, seeds) in enumerate(found.items()):
        for line, key in enumerate(AXES):
            panel = panels[2 * (number // columns) + line][number % columns]
            panel.set_visible(True)
            draw(panel, seeds, key)
            if line == 0:
                panel.set_title(f"{case} ({len(seeds)} seeds)", fontsize=9)
    figure.savefig(given.out, metadata={"Date": None})
    print(f"{given.out}: {len(found)} cases, {sum(map(len, found.values()))} runs")


if __name__ == "__main__":
    main()
