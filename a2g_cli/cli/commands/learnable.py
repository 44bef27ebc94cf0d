"""Which recordings can be learned from: asked of their numbers before any training begins, in milliseconds each."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from a2g_cli.core.errors import RecordingError
from a2g_cli.data.recording.checks import doubts, faults, numbers_of
from a2g_cli.data.recording.reader import Recording
from a2g_cli.training.watcher import TrainingWatcher


def not_learnable(
    paths: Sequence[Path], watcher: TrainingWatcher, remedy: str, *, skip_bad: bool = False
) -> dict[Path, str]:
    """Return those of ``paths`` that cannot be learned from, and why; a recording with doubtful numbers is only noted.

    Args:
        paths: recordings.
        watcher: told how far it is, and of doubts.
        remedy: what to do about such a recording, in words, for the refusal.
        skip_bad: return them instead of refusing them.

    Raises:
        RecordingError: there is one, and ``skip_bad`` is off; or there is no other.
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
        watcher.note(f"{doubtful} of {len(paths)} recordings have doubtful numbers: `a2g recordings verify` says which")
    return bad


def by_name(bad: Mapping[Path, str]) -> dict[str, str]:
    """Return SESSION/episode-0000 -> why."""
    return {f"{path.parent.name}/{path.stem}": reason for path, reason in bad.items()}


def _refusal(bad: Mapping[Path, str], count: int, remedy: str) -> str:
    name, reason = next(iter(by_name(bad).items()))
    others = "" if len(bad) == 1 else f" {len(bad)} of {count} recordings are like that."
    if len(bad) == count:
        return f"{name} cannot be learned from: {reason}.{others} There is nothing else to learn from."
    return f"{name} cannot be learned from: {reason}.{others} {remedy}"
