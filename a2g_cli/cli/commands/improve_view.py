"""Shows an improvement run: each batch of episodes and each training has a line with its progress."""

from collections.abc import Callable

from a2g_cli.training.watcher import TrainingWatcher


class ImproveView:
    """Shows an improvement run in the training view."""

    def __init__(self, view: TrainingWatcher, simulated: bool) -> None:
        """Create it; successes are shown only where a simulator knows them: ``simulated``."""
        self._view, self._simulated = view, simulated
        self._what = ""
        self.advanced, self.note, self.finished = view.advanced, view.note, view.finished

    def started(self, title: str, total: int) -> None:
        """Show a training."""
        self._over()
        self._view.started(title, total)

    def _over(self) -> None:
        """End the line of a batch of episodes that was stopped before its last one."""
        if self._what:
            self._view.finished()
        self._what = ""

    def rolled(self, what: str, done: int, total: int, successes: int) -> None:
        """Show the progress of a batch of episodes."""
        if what != self._what:
            self._over()
            self._what = what
            self._view.started(what, total)
        self._view.advanced(done, {"successes (simulator)": successes} if self._simulated else {})
        if done == total:
            self._over()

    def counting(self, what: str, total: int) -> Callable[[int, int], None]:
        """Return a callback that shows the progress of an evaluation."""
        return lambda done, successes: self.rolled(what, done, total, successes)

    def round_over(self, number: int, total: int, line: str) -> None:
        """Print the result of a round."""
        self._over()
        self._view.note(f"round {number}/{total}: {line}")
