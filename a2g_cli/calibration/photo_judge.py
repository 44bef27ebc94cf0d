"""Judges a round of practice after it has ended: which episodes show, at some moment, what the goal photo shows.

It learns the deployment from the round itself, without labels: what the starts look like, and so what the photo adds
(``calibration/goal_change.py``). It cannot know the task's tolerance, which the photo does not show: a person who answers for
the ten episodes that it asks for gives it one.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np

from a2g_cli.calibration.goal_change import GoalChange, goal_change
from a2g_cli.core.errors import RecordingError
from a2g_cli.core.types import Image
from a2g_cli.data.recording.reader import Recording
from a2g_cli.encoding.resizing import read_frames
from a2g_cli.policies.image_size import resized

REACHED = 0.29
"""A goal was reached below this score. Chosen on 32 goals of three scenes; docs/judges.md says how often it is right."""
UNSURE = 0.41
"""Between ``REACHED`` and this, the judge does not know."""
HOLD = 5
"""The photo must be matched for as many frames running [steps], as the simulator's truth must hold."""
START_SHARE, START_MOST = 0.2, 12
"""Share of an episode, and most frames of it, that belong to its start."""
FALSE_COSTS = 4.0
"""A false success costs as much as this many that are missed: what is imitated must be right."""
ANSWERS = 10
"""Episodes that a person is asked about."""


@dataclass(frozen=True)
class PhotoVerdict:
    """What the judge says of one episode."""

    success: bool | None
    """None: it does not know."""
    score: float
    """0 at the goal, about 1 at the start; NaN where the photo shows nothing to judge by."""
    frame: int
    """The last of the first ``HOLD`` frames that matched the photo; without success, of those that came nearest. What follows
    need not be imitated."""


@dataclass(frozen=True)
class PhotoJudge:
    """Judges the episodes of one goal in one deployment."""

    changes: Mapping[str, GoalChange]
    """Camera -> what its photo adds to the scene; without the cameras that see no change."""
    reached: float = REACHED
    unsure: float = UNSURE

    @classmethod
    def fit(cls, starts: Mapping[str, Image], goal: Mapping[str, Image]) -> Self:
        """Return the judge of a goal.

        Args:
            starts: camera -> the start frames (n, H, W, 3) of all episodes.
            goal: camera -> its photo (H, W, 3).
        """
        found = {camera: goal_change(frames, goal[camera]) for camera, frames in starts.items()}
        return cls({camera: change for camera, change in found.items() if change is not None})

    def verdict(self, frames: Mapping[str, Image]) -> PhotoVerdict:
        """Return what the judge says of an episode: camera -> all of its frames (T + 1, H, W, 3).

        Every camera that sees the change must see it made.
        """
        if not self.changes:
            return PhotoVerdict(None, math.nan, len(next(iter(frames.values()))) - 1)
        scores = np.max([change.score(frames[camera]) for camera, change in self.changes.items()], axis=0)
        later = scores[1:] if len(scores) > HOLD else scores
        hold = min(HOLD, len(later))
        windows = np.lib.stride_tricks.sliding_window_view(later, hold).mean(axis=1)
        score, success = float(windows.min()), self.says(float(windows.min()))
        first = int((windows < self.reached).argmax()) if success else int(windows.argmin())
        return PhotoVerdict(success, score, len(scores) - len(later) + first + hold - 1)

    def says(self, score: float) -> bool | None:
        """Return whether a goal was reached that an episode came this near to; None if the judge does not know."""
        if math.isnan(score) or self.reached <= score < self.unsure:
            return None
        return score < self.reached

    def taught(self, answers: Iterable[tuple[float, bool]]) -> Self:
        """Return the judge with the bound that fits a person's ``answers`` best: (an episode's score, whether it succeeded).

        A false success costs ``FALSE_COSTS`` times as much as a missed one. There is no "don't know" any more.
        """
        known = [(math.log(score), reached) for score, reached in answers if not math.isnan(score)]
        if not known:
            return self
        points = sorted(score for score, _ in known)
        between = [(a + b) / 2 for a, b in itertools.pairwise(points)]
        bounds = [math.log(self.reached), points[0] - 0.05, points[-1] + 0.05, *between]

        def cost(bound: float) -> float:
            wrong = sum(FALSE_COSTS if score < bound else 1.0 for score, reached in known if reached != (score < bound))
            return wrong + 0.5 * abs(bound - math.log(REACHED))

        best = math.exp(min(bounds, key=cost))
        return replace(self, reached=best, unsure=best)


def ask_for_answers(
    judge: PhotoJudge, verdicts: Sequence[PhotoVerdict], ask: Callable[[int], bool | None], count: int = ANSWERS
) -> tuple[PhotoJudge, list[bool | None]]:
    """Let a person answer for the episodes whose scores lie nearest to the bound, which moves with every answer.

    Args:
        judge: the judge that gave ``verdicts``.
        verdicts: of all episodes.
        ask: asks about the episode of that number; None: they cannot tell.
        count: most episodes to ask about.

    Returns:
        The judge with the fitted bound, and whether each episode succeeded: as the person said, or as that judge says.
    """
    answers: dict[int, bool | None] = {}
    bent = judge
    for _ in range(min(count, len(verdicts))):
        left = [i for i, one in enumerate(verdicts) if i not in answers and not math.isnan(one.score)]
        if not left:
            break
        bound = math.log(bent.reached)
        which = min(left, key=lambda i: abs(math.log(verdicts[i].score) - bound))
        answers[which] = ask(which)
        bent = judge.taught((verdicts[i].score, said) for i, said in answers.items() if said is not None)
    said_by_judge = [bent.says(one.score) for one in verdicts]
    return bent, [answers[i] if answers.get(i) is not None else said for i, said in enumerate(said_by_judge)]


def fit_to_recordings(paths: Sequence[Path], cameras: Sequence[str], size: tuple[int, int]) -> PhotoJudge:
    """Return the judge of the goal of ``paths``, fitted to the frames in which these episodes start.

    Frames are compared as they were recorded, at ``size`` (H, W): photo and frames are of the same deployment.

    Raises:
        RecordingError: one is damaged, they have different goals, or there is none.
    """
    goal: Mapping[str, Image] | None = None
    starts: dict[str, list[Image]] = {camera: [] for camera in cameras}
    for path in paths:
        with Recording(path) as recording:
            rows = range(min(START_MOST, max(2, int(START_SHARE * recording.length))))
            for camera in cameras:
                starts[camera].append(read_frames(recording, camera, size, rows))
            if goal is not None and _differ(goal, recording.goal.images):
                raise RecordingError(f"{path} has another goal than {paths[0]}: each goal is judged by itself.")
            goal = recording.goal.images
    if goal is None:
        raise RecordingError("there is no recording to judge.")
    photos = {camera: resized(goal[camera], size) for camera in cameras}
    return PhotoJudge.fit({camera: np.concatenate(parts) for camera, parts in starts.items()}, photos)


def judge_recording(judge: PhotoJudge, path: Path, cameras: Sequence[str], size: tuple[int, int]) -> PhotoVerdict:
    """Return the verdict of ``judge`` on a recording. Raises RecordingError."""
    with Recording(path) as recording:
        return judge.verdict({camera: read_frames(recording, camera, size) for camera in cameras})


def judge_recordings(
    paths: Sequence[Path], cameras: Sequence[str], size: tuple[int, int]
) -> tuple[PhotoJudge, list[PhotoVerdict]]:
    """Return the judge of a round of practice of one goal, and its verdict on each recording.

    Raises:
        RecordingError: see ``fit_to_recordings``.
    """
    judge = fit_to_recordings(paths, cameras, size)
    return judge, [judge_recording(judge, path, cameras, size) for path in paths]


def _differ(one: Mapping[str, Image], other: Mapping[str, Image]) -> bool:
    return one.keys() != other.keys() or any(not np.array_equal(one[camera], other[camera]) for camera in one)
