"""Shows an improvement run: its first robot, each batch of episodes and each training with its progress, and each round."""

from collections.abc import Callable

from a2g_cli.display.practice_view import PracticeView
from a2g_cli.training.watcher import TrainingWatcher


class ImproveView:
    """Shows an improvement run; what it counts goes to ``counts``, everything else to the practice view."""

    def __init__(self, view: PracticeView, simulated: bool, counts: TrainingWatcher | None = None) -> None:
        """Create it; successes are shown only where a simulator knows them: ``simulated``."""
        self._view, self._counts, self._simulated = view, counts or view, simulated
        self._what = ""
        self.advanced, self.note, self.finished = self._counts.advanced, view.note, self._counts.finished
        self.began, self.planned, self.stepped = view.began, view.planned, view.stepped
        self.imagined = view.imagined

    def phase(self, text: str) -> None:
        """Show that something begins which has no steps to count."""
        self._over()
        self._view.phase(text)

    def started(self, title: str, total: int) -> None:
        """Show a training."""
        self._over()
        self._counts.started(title, total)

    def _over(self) -> None:
        """End the line of a batch of episodes that was stopped before its last one."""
        if self._what:
            self._counts.finished()
        self._what = ""

    def rolled(self, what: str, done: int, total: int, successes: int) -> None:
        """Show the progress of a batch of episodes."""
        if what != self._what:
            self._over()
            self._what = what
            self._counts.started(what, total)
        self._counts.advanced(done, {"successes (simulator)": successes} if self._simulated else {})
        if done == total:
            self._over()

    def counting(self, what: str, total: int) -> Callable[[int, int], None]:
        """Return a callback that shows the progress of an evaluation."""
        return lambda done, successes: self.rolled(what, done, total, successes)

    def run_begins(self, done: int, total: int) -> None:
        """Show how far the run is; of ``total`` rounds some may have been ``done`` before."""
        self._view.run(done, total, "")

    def round_over(self, number: int, total: int, line: str) -> None:
        """Print the result of a round."""
        self._over()
        self._view.run(number, total, line)
        self._view.note(f"round {number}/{total}: {line}")
