"""Finds recordings that cannot be learned from, before a training starts; takes milliseconds for each."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from a2g_cli.core.errors import RecordingError
from a2g_cli.data.recording.checks import doubts, faults, numbers_of
from a2g_cli.data.recording.reader import Recording
from a2g_cli.training.watcher import TrainingWatcher


def not_learnable(
    paths: Sequence[Path], watcher: TrainingWatcher, remedy: str, *, skip_bad: bool = False
) -> dict[Path, str]:
    """Return those of ``paths`` that cannot be learned from, and why. Doubtful recordings are only mentioned.

    Args:
        paths: recordings.
        watcher: shows the progress, and the number of doubtful recordings.
        remedy: sentence of the error that says what to do.
        skip_bad: return bad recordings instead of raising an error.

    Raises:
        RecordingError: there is a bad recording, and ``skip_bad`` is off; or all are bad.
    """
    bad: dict[Path, str] = {}
    doubtful = 0
    watcher.started("checking recordings", len(paths))
    for index, path in enumerate(paths):
        try:
            with Recording(path) as recording:
                numbers = numbers_of(recording)
        except RecordingError as error:
            if not skip_bad:
                raise
            bad[path] = str(error).rstrip(".")
        else:
            if found := next(faults(numbers), None):
                bad[path] = found
            doubtful += any(True for _ in doubts(numbers))
        watcher.advanced(index + 1, {})
    watcher.finished()
    if bad and (not skip_bad or len(bad) == len(paths)):
        raise RecordingError(_refusal(bad, len(paths), remedy))
    if doubtful:
        watcher.note(f"{doubtful} of {len(paths)} recordings have doubtful numbers: `a2g recordings verify` lists them")
    return bad


def by_name(bad: Mapping[Path, str]) -> dict[str, str]:
    """Return SESSION/episode-0000 -> reason."""
    return {f"{path.parent.name}/{path.stem}": reason for path, reason in bad.items()}


def _refusal(bad: Mapping[Path, str], count: int, remedy: str) -> str:
    name, reason = next(iter(by_name(bad).items()))
    others = "" if len(bad) == 1 else f" {len(bad)} of {count} recordings have such errors."
    if len(bad) == count:
        return f"{name} cannot be learned from: {reason}.{others} There are no other recordings."
    return f"{name} cannot be learned from: {reason}.{others} {remedy}"
