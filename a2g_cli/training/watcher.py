"""The interface through which a training shows its progress."""

from typing import Protocol


class TrainingWatcher(Protocol):
    """Shows the progress of a training."""

    def started(self, title: str, total: int) -> None:
        """Show that a stage of ``total`` iterations starts."""

    def advanced(self, step: int, losses: dict[str, float], rate: float | None = None) -> None:
        """Show that ``step`` iterations are done; ``rate``: iterations per second."""

    def note(self, text: str) -> None:
        """Show a message."""

    def finished(self) -> None:
        """Show that the stage has ended."""


class Unwatched:
    """Shows nothing; for all but the first of several processes that train together."""

    def started(self, title: str, total: int) -> None:
        """Do nothing."""

    def advanced(self, step: int, losses: dict[str, float], rate: float | None = None) -> None:
        """Do nothing."""

    def note(self, text: str) -> None:
        """Do nothing."""

    def finished(self) -> None:
        """Do nothing."""
