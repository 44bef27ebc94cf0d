"""Judges the practice of named goals by their photos: what is imitated, and what the gate counts.

The photo judge (``calibration/photo_judge.py``) is fitted once for each goal, to the starts of the first round's episodes.
So every episode of a run is judged by the same judge, and a run that goes on after a kill has the same one.
"""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from a2g_cli.calibration.photo_judge import PhotoJudge, fit_to_recordings, judge_recording
from a2g_cli.data.recording.reader import Recording
from a2g_cli.encoding.episodes import EncodedEpisode
from a2g_cli.models.act2goal.model import Act2Goal


class PhotoJudging:
    """Judges the episodes of a run by the photos of their goals."""

    def __init__(self, model: Act2Goal) -> None:
        """Prepare it. ``model`` says which cameras are compared, and at which size."""
        self._cameras, self._size = model.config.cameras, model.config.size
        self._judges: dict[str, PhotoJudge] = {}
        self._judged: dict[Path, tuple[bool | None, int]] = {}

    def fit(self, paths: Sequence[Path]) -> None:
        """Fit the judge of every goal that has none yet to its recordings among ``paths``. Raises RecordingError."""
        of_goal: dict[str, list[Path]] = defaultdict(list)
        for path in paths:
            of_goal[_goal(path)].append(path)
        for goal, recordings in of_goal.items():
            if goal not in self._judges:
                self._judges[goal] = fit_to_recordings(recordings, self._cameras, self._size)

    def blind(self) -> list[str]:
        """Return the fingerprints of the goals whose photos show nothing that the starts do not show."""
        return [goal for goal, judge in self._judges.items() if not judge.changes]

    def __call__(self, episode: EncodedEpisode) -> EncodedEpisode:
        """Return ``episode`` with the photo's judgement. Raises RecordingError, KeyError for a goal that was not fitted."""
        if episode.replayed:
            return episode
        if episode.path not in self._judged:
            judge = self._judges[_goal(episode.path)]
            verdict = judge_recording(judge, episode.path, self._cameras, self._size)
            self._judged[episode.path] = verdict.success, max(1, verdict.frame)
        success, frame = self._judged[episode.path]
        return episode.judged("photo", success, frame)


def _goal(path: Path) -> str:
    with Recording(path) as recording:
        return recording.goal.fingerprint
