"""A training's view that also keeps the losses that it shows."""

from collections.abc import Callable

from a2g_cli.tracking.metrics import Metrics
from a2g_cli.training.watcher import TrainingWatcher


class TrackedView:
    """Passes everything on to ``view``, and the losses to ``metrics``, under the title of their training."""

    def __init__(self, view: TrainingWatcher, metrics: Metrics, stage: Callable[[str], str] = str) -> None:
        """Create it; ``stage`` returns the stage in the metrics for a title; empty: it is only shown."""
        self._view, self._metrics, self._stage_of = view, metrics, stage
        self._stage = ""
        self.note, self.finished = view.note, view.finished

    def started(self, title: str, total: int) -> None:
        """Show a training."""
        self._stage = self._stage_of(title)
        self._view.started(title, total)

    def advanced(self, step: int, losses: dict[str, float], rate: float | None = None) -> None:
        """Show and keep its losses."""
        self._view.advanced(step, losses, rate)
        if self._stage:
            self._metrics.log(self._stage, step, losses)
