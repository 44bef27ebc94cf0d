"""Tests a candidate against its parent by rollouts on the same starts and goals, a few at a time, until it is decided."""

from collections.abc import Callable, Sequence

from a2g_cli.adapters.registry import BASE
from a2g_cli.encoding.episodes import EncodedEpisode
from a2g_cli.improvement.gate import Decision, decide, sprt_stop, veto_if_worse
from a2g_cli.improvement.judging import Judging
from a2g_cli.improvement.practice import Practice
from a2g_cli.improvement.scoring import EpisodeScorer
from a2g_cli.improvement.state import RoundState
from a2g_cli.improvement.trials import Stage

COMPARED = 8
"""Trials of a candidate between two checks of whether the comparison with its parent is decided."""


class Comparison:
    """Rolls candidates out beside their parents, and decides."""

    def __init__(
        self, practice: Practice, judge: Judging, scorer: EpisodeScorer, interrupted: Callable[[], bool]
    ) -> None:
        self._practice, self._judge, self._scorer, self._interrupted = practice, judge, scorer, interrupted

    def run(
        self, number: int, state: RoundState, candidate: str, before: Sequence[EncodedEpisode]
    ) -> tuple[Sequence[EncodedEpisode], list[EncodedEpisode]]:
        """Roll the candidate out, a few trials at a time, until the comparison with its parent is decided; return both sides.

        The parent's side is its practice. If practice explored, the parent acts again without that noise, on half the trials.
        """
        again = self._practice.exploration().explores
        rivals: list[EncodedEpisode] = [] if again else list(before)
        most = max(1, len(before) // 2) if again else len(before)
        trials = "the same trials" if self._practice.attempts.paired else "its own trials"
        title = f"round {number + 1}: testing {candidate} on {trials}"
        after: list[EncodedEpisode] = []
        while len(after) < most:
            count = min(len(after) + COMPARED, most)
            if again:
                of_parent = f"round {number + 1}: {state.acting} on {trials}"
                self._practice.roll(state.acting, number, Stage.PARENT, state.parent, of_parent, count)
                if self._interrupted():
                    break
                rivals += [self._read(name) for name in state.parent[len(rivals) : count]]
            self._practice.roll(candidate, number, Stage.GATE, state.compared, title, count)
            if self._interrupted():
                break
            after += [self._read(name) for name in state.compared[len(after) : count]]
            if sprt_stop(*self._judge.sides(candidate, rivals[:count], after), self._scorer.bound):
                break
        return rivals, after

    def decide(
        self,
        name: str,
        acting: str,
        before: Sequence[EncodedEpisode],
        after: Sequence[EncodedEpisode],
        losses: dict[str, float],
    ) -> Decision:
        """Compare both through the candidate's camera warp, and if that warp is new, on the uncorrected images as well."""
        scorer, paired = self._scorer, self._practice.attempts.paired
        sides = self._judge.sides(name, before, after)
        decision = decide(*sides, losses, scorer.bound, paired, self._judge.words)
        if self._judge.name != "policy" or scorer.same_views(name, acting):
            return decision
        return veto_if_worse(decision, *scorer.sides(BASE, before, after), scorer.bound)

    def _read(self, name: str) -> EncodedEpisode:
        return self._judge.read(self._practice.progress.session.folder / name)
