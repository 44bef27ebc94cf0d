"""LeRobot's statistics of every column, with which its policies normalise."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}

Summary = dict[str, NDArray[Any]]
"""min, max, mean, std, count and quantiles over rows."""


class Statistics:
    """The summary of each column. Episodes are merged by their number of rows; quantiles are averaged, as LeRobot does."""

    def __init__(self) -> None:
        self._found: dict[str, Summary] = {}

    def add(self, name: str, rows: NDArray[Any]) -> None:
        """Summarise ``rows``, (N,) or (N, D)."""
        self._found[name] = _summary(rows.reshape(len(rows), -1).astype(np.float64), len(rows))

    def add_images(self, name: str, images: NDArray[np.uint8]) -> None:
        """Summarise ``images`` (N, H, W, 3) by channel, in [0, 1], shaped (3, 1, 1)."""
        summary = _summary(images.reshape(-1, images.shape[-1]) / 255.0, len(images))
        self._found[name] = {
            key: value if key == "count" else value.reshape(-1, 1, 1) for key, value in summary.items()
        }

    def merge(self, other: "Statistics") -> None:
        """Add another episode's statistics."""
        for name, added in other._found.items():
            before = self._found.get(name)
            self._found[name] = added if before is None else _together(before, added)

    def nested(self) -> dict[str, Any]:
        """Return column -> statistic -> list."""
        return {name: {key: value.tolist() for key, value in summary.items()} for name, summary in self._found.items()}

    def flat(self) -> dict[str, Any]:
        """Return ``stats/COLUMN/STATISTIC`` -> list."""
        return {f"stats/{n}/{key}": value for n, summary in self.nested().items() for key, value in summary.items()}


def _summary(rows: NDArray[np.float64], count: int) -> Summary:
    found = {
        "min": rows.min(axis=0),
        "max": rows.max(axis=0),
        "mean": rows.mean(axis=0),
        "std": rows.std(axis=0),
        "count": np.array([count]),
    }
    return found | {name: np.quantile(rows, share, axis=0) for name, share in QUANTILES.items()}


def _together(a: Summary, b: Summary) -> Summary:
    n, m = int(a["count"][0]), int(b["count"][0])
    weight = n / (n + m)
    mean = weight * a["mean"] + (1 - weight) * b["mean"]
    variance = weight * (a["std"] ** 2 + (a["mean"] - mean) ** 2) + (1 - weight) * (
        b["std"] ** 2 + (b["mean"] - mean) ** 2
    )
    found = {
        "min": np.minimum(a["min"], b["min"]),
        "max": np.maximum(a["max"], b["max"]),
        "mean": mean,
        "std": np.sqrt(variance),
        "count": np.array([n + m]),
    }
    return found | {name: weight * a[name] + (1 - weight) * b[name] for name in QUANTILES}


def for_json(value: Any) -> Any:
    """Return ``value`` with numbers that JSON can hold: NaN and infinities become 0."""
    if isinstance(value, dict):
        return {key: for_json(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [for_json(inner) for inner in value]
    return value if np.isfinite(value) else 0.0
