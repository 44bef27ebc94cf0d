"""Whoever looks on while something learns."""

from typing import Protocol


class TrainingWatcher(Protocol):
    """Whoever shows the progress of a training."""

    def started(self, title: str, total: int) -> None:
        """A stage of ``total`` iterations begins."""

    def advanced(self, step: int, losses: dict[str, float], rate: float | None = None) -> None:
        """``step`` iterations are done."""

    def note(self, text: str) -> None:
        """Something worth a line."""

    def finished(self) -> None:
        """The stage is over."""


class Unwatched:
    """A watcher that shows nothing: of several processes that train together, one shows."""

    def started(self, title: str, total: int) -> None:
        """Show nothing."""

    def advanced(self, step: int, losses: dict[str, float], rate: float | None = None) -> None:
        """Show nothing."""

    def note(self, text: str) -> None:
        """Show nothing."""

    def finished(self) -> None:
        """Show nothing."""
