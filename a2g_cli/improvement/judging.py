"""Who says which episodes of a run reached their goal: what is imitated, and what the gate counts.

Drawn goals are judged by the policy's estimate. A named goal is practised often enough to be judged by its photo
(``calibration/photo_judge.py``). That judge is fitted once for each goal, to the starts of the first round's episodes: every
episode of a run is judged by the same judge, and a run that goes on after a kill has the same one.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from a2g_cli.adapters.registry import BASE
from a2g_cli.calibration.photo_judge import PhotoJudge, fit_to_recordings, judge_recording
from a2g_cli.data.recording.reader import Recording
from a2g_cli.encoding.episodes import EncodedEpisode
from a2g_cli.improvement.scoring import EpisodeScorer
from a2g_cli.models.act2goal.model import Act2Goal


class Verdict(NamedTuple):
    """What a judge says of an episode while a round goes on."""

    success: bool | None
    """None: it does not know."""
    remaining: float = math.nan
    """How far the episode stayed from its goal at its nearest, in the judge's own unit, at least 0; NaN: it does not know."""


class Judging(Protocol):
    """Judges the episodes of a run."""

    name: str
    """As results say it: ``policy``, ``photo`` or ``truth``."""
    words: str
    """As people read it."""

    def fit(self, practice: Sequence[Path]) -> None:
        """Learn what a judge needs from a round's practice, for goals that it does not know yet. Raises RecordingError."""

    def so_far(self, practice: Sequence[Path]) -> list[Verdict]:
        """Return what the judge says of each episode of a round that goes on. Raises RecordingError."""

    def read(self, path: Path) -> EncodedEpisode:
        """Return a recording, encoded and judged. Raises RecordingError."""

    def reached(self, episode: EncodedEpisode, adapter: str) -> bool:
        """Whether an episode reached its goal, through the camera warp of ``adapter``; False if the judge does not know."""

    def sides(
        self, adapter: str, before: Sequence[EncodedEpisode], after: Sequence[EncodedEpisode]
    ) -> tuple[list[float], list[float]]:
        """Return the steps-to-go of the parent's and of the candidate's episodes, as the gate compares them [steps]."""

    def nothing_reached(self) -> str:
        """Return why there is nothing to learn from."""


class PolicyJudging:
    """The policy's estimate: steps-to-go, by the base's head."""

    name, words = "policy", "policy's estimate"

    def __init__(self, scorer: EpisodeScorer) -> None:
        self._scorer = scorer

    def fit(self, practice: Sequence[Path]) -> None:
        """Learn nothing."""

    def so_far(self, practice: Sequence[Path]) -> list[Verdict]:
        """Return whether fewer steps are left than the bound, and how many [steps]."""
        return [Verdict(self._scorer.arrived(path, BASE), self._scorer.left(path, BASE)) for path in practice]

    def read(self, path: Path) -> EncodedEpisode:
        """Return a recording, encoded."""
        return self._scorer.read(path)

    def reached(self, episode: EncodedEpisode, adapter: str) -> bool:
        """Whether fewer steps are left at the nearest frame than the bound."""
        return self._scorer.arrived(episode.path, adapter)

    def sides(
        self, adapter: str, before: Sequence[EncodedEpisode], after: Sequence[EncodedEpisode]
    ) -> tuple[list[float], list[float]]:
        """Return the steps-to-go at the nearest frames."""
        return self._scorer.sides(adapter, before, after)

    def nothing_reached(self) -> str:
        """Return why there is nothing to learn from."""
        return "No episode reached its goal (policy's estimate), so there is nothing to learn from"


class PhotoVerdicts:
    """The photo judges of several goals, and their verdicts on recordings. A person's answers in recordings come first."""

    def __init__(self, model: Act2Goal) -> None:
        """Prepare it. ``model`` says which cameras are compared, and at which size."""
        self._cameras, self._size = model.config.cameras, model.config.size
        self._judges: dict[str, PhotoJudge] = {}
        self._judged: dict[Path, tuple[str, Verdict]] = {}

    def fit(self, practice: Sequence[Path], fewest: int = 1) -> None:
        """Fit the judge of every goal that has none yet to its recordings in ``practice``. Raises RecordingError.

        The judge learns its bound from those that a person has judged.

        Args:
            practice: recordings.
            fewest: goals with fewer recordings than this get no judge.
        """
        of_goal: dict[str, list[Path]] = defaultdict(list)
        for path in practice:
            of_goal[_goal(path)].append(path)
        for goal, paths in of_goal.items():
            if goal not in self._judges and len(paths) >= fewest:
                judge = fit_to_recordings(paths, self._cameras, self._size)
                answers = [(path, answer) for path in paths if (answer := _answer(path)) is not None]
                scores = [judge_recording(judge, path, self._cameras, self._size).score for path, _ in answers]
                self._judges[goal] = judge.taught(zip(scores, (answer for _, answer in answers), strict=True))

    @property
    def blind(self) -> bool:
        """Whether a goal photo shows nothing that the starts do not show."""
        return any(not judge.changes for judge in self._judges.values())

    def judged(self, episode: EncodedEpisode) -> EncodedEpisode:
        """Return ``episode`` with its judgement.

        Unchanged if its goal has no judge and no person was asked, and if it replayed a trajectory.
        """
        judgement = None if episode.replayed else self.judgement(episode.path)
        return episode if judgement is None else episode.judged(*judgement)

    def judgement(self, path: Path) -> tuple[str, bool | None] | None:
        """Return who judges a recording and what they say; None if its goal has no judge and no person was asked."""
        judged = self._judgement(path)
        return None if judged is None else (judged[0], judged[1].success)

    def verdict(self, path: Path) -> Verdict:
        """Return what is said of a recording, by whoever judges it."""
        judged = self._judgement(path)
        return Verdict(None) if judged is None else judged[1]

    def _judgement(self, path: Path) -> tuple[str, Verdict] | None:
        if path not in self._judged:
            answer, judge = _answer(path), self._judges.get(_goal(path))
            said = None if judge is None else judge_recording(judge, path, self._cameras, self._size)
            remaining = math.nan if said is None else said.score
            if answer is not None:
                self._judged[path] = "person", Verdict(answer, remaining)
            elif said is not None:
                self._judged[path] = "photo", Verdict(said.success, remaining)
            else:
                return None
        return self._judged[path]

    def knows(self, path: Path) -> bool:
        """Whether the goal of a recording has a judge."""
        return _goal(path) in self._judges


class EpisodeJudging:
    """Judges that say of each episode whether it reached its goal, whoever acts."""

    def reached(self, episode: EncodedEpisode, adapter: str) -> bool:  # noqa: ARG002 - no camera warp is needed
        """Whether the judge said so; False if it does not know."""
        return bool(episode.judgement)

    def sides(
        self, adapter: str, before: Sequence[EncodedEpisode], after: Sequence[EncodedEpisode]
    ) -> tuple[list[float], list[float]]:
        """Return 0 for each episode that reached its goal, infinity for the others."""
        old, new = ([0.0 if self.reached(one, adapter) else math.inf for one in side] for side in (before, after))
        return old, new


class TruthJudging(EpisodeJudging):
    """The simulator or the environment, for experiments: no robot outside a simulator has this judge."""

    name, words = "truth", "simulator"

    def __init__(self, scorer: EpisodeScorer) -> None:
        self._scorer = scorer

    def fit(self, practice: Sequence[Path]) -> None:
        """Learn nothing."""

    def so_far(self, practice: Sequence[Path]) -> list[Verdict]:
        """Return what was recorded."""
        return [Verdict(success_of(path)) for path in practice]

    def read(self, path: Path) -> EncodedEpisode:
        """Return a recording, encoded and judged."""
        episode = self._scorer.read(path)
        return episode if episode.replayed else episode.judged(self.name, success_of(path))

    def nothing_reached(self) -> str:
        """Return why there is nothing to learn from."""
        return "No episode reached its goal (simulator), so there is nothing to learn from"


class PhotoJudging(EpisodeJudging):
    """The photo judge: what the goal photo adds to the starts. It sees the images as recorded, without any camera warp."""

    name, words = "photo", "photo judge"

    def __init__(self, scorer: EpisodeScorer) -> None:
        self._scorer, self._photos = scorer, PhotoVerdicts(scorer.model)

    def fit(self, practice: Sequence[Path]) -> None:
        """Fit the judge of every goal that has none yet."""
        self._photos.fit(practice)

    def so_far(self, practice: Sequence[Path]) -> list[Verdict]:
        """Return what the judges say; a goal that has none yet gets one for now, fitted to these episodes alone."""
        for_now = PhotoVerdicts(self._scorer.model)
        for_now.fit([path for path in practice if not self._photos.knows(path)])
        return [(self._photos if self._photos.knows(path) else for_now).verdict(path) for path in practice]

    def read(self, path: Path) -> EncodedEpisode:
        """Return a recording, encoded and judged."""
        return self._photos.judged(self._scorer.read(path))

    def nothing_reached(self) -> str:
        """Return why there is nothing to learn from."""
        if self._photos.blind:
            return (
                "A goal photo shows nothing that the starts do not show, so the photo judge cannot see success: use "
                "--judge policy"
            )
        return "No episode reached its goal (photo judge), so there is nothing to learn from"


def _goal(path: Path) -> str:
    with Recording(path) as recording:
        return recording.goal.fingerprint


def _answer(path: Path) -> bool | None:
    """Return whether a person said that the episode reached its goal; None if nobody was asked, or could not tell."""
    with Recording(path) as recording:
        return recording.outcome.success if recording.outcome.judge == "person" else None


def success_of(path: Path) -> bool | None:
    """Return what a recording's own judge said. Raises RecordingError."""
    with Recording(path) as recording:
        return recording.outcome.success
