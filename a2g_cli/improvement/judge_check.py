"""A judge of practice that a simulator checks: where most of what it calls success is none, the simulator judges instead."""

from collections.abc import Callable, Sequence
from pathlib import Path

from a2g_cli.encoding.episodes import EncodedEpisode
from a2g_cli.improvement.estimates import truth_of
from a2g_cli.improvement.judging import Judging, PhotoJudging, PolicyJudging, TruthJudging, Verdict
from a2g_cli.improvement.scoring import EpisodeScorer

FEWEST = 8
"""Successes that a judge must have claimed before it can be found wrong."""
WRONG_SHARE = 0.5
"""A judge is wrong if more than this share of its successes are none."""


class CheckedJudging:
    """Judges as another judge does, until the first round shows that most of that judge's successes are false.

    A photo of one camera may not show what the task asks for, and a policy's estimate can be saturated in a world that its
    base hardly knows. To imitate false successes makes a policy worse. Real robots know no truth: there nothing is checked.
    It is decided once, on the first round's practice, so that a run that goes on after a kill decides the same.

    Args:
        judging: the judge.
        truth: the simulator's.
        tell: shows a line to the user.
    """

    def __init__(self, judging: Judging, truth: TruthJudging, tell: Callable[[str], None]) -> None:
        self._own, self._truth, self._tell = judging, truth, tell
        self._decided = False
        self._let(judging)

    def _let(self, judging: Judging) -> None:
        """Let a judge decide from now on."""
        self._acting, self.name, self.words = judging, judging.name, judging.words

    def fit(self, practice: Sequence[Path]) -> None:
        """Fit the judge, and check it on the first round's practice. Raises RecordingError."""
        self._acting.fit(practice)
        if not self._decided:
            self._decided = True
            claimed, false = self._checked(practice, self._own.so_far(practice))
            if _wrong(claimed, false):
                self._let(self._truth)
                self._tell(
                    f"The {self._own.words} says that {claimed} episodes of this round reached their goal; by the simulator "
                    f"{false} of them did not. From now on the simulator judges practice. A real robot needs --judge person."
                )

    def so_far(self, practice: Sequence[Path]) -> list[Verdict]:
        """Return what the judge says; what the simulator says where the judge is wrong already."""
        said = self._acting.so_far(practice)
        if not self._decided and _wrong(*self._checked(practice, said)):
            return self._truth.so_far(practice)
        return said

    def read(self, path: Path) -> EncodedEpisode:
        """Return a recording, encoded and judged. Raises RecordingError."""
        return self._acting.read(path)

    def reached(self, episode: EncodedEpisode, adapter: str) -> bool:
        """Whether an episode reached its goal; False if the judge does not know."""
        return self._acting.reached(episode, adapter)

    def sides(
        self, adapter: str, before: Sequence[EncodedEpisode], after: Sequence[EncodedEpisode]
    ) -> tuple[list[float], list[float]]:
        """Return the steps-to-go of the parent's and of the candidate's episodes, as the gate compares them [steps]."""
        return self._acting.sides(adapter, before, after)

    def nothing_reached(self) -> str:
        """Return why there is nothing to learn from."""
        return self._acting.nothing_reached()

    def _checked(self, practice: Sequence[Path], said: Sequence[Verdict]) -> tuple[int, int]:
        """Return how many successes the judge claims among episodes of which the truth is known, and how many are false."""
        known = [truth_of(path) for path, verdict in zip(practice, said, strict=True) if verdict.success]
        known = [truth for truth in known if truth is not None]
        return len(known), sum(not truth for truth in known)


def _wrong(claimed: int, false: int) -> bool:
    return claimed >= FEWEST and false > WRONG_SHARE * claimed


def judging_of(judge: str, named: bool, scorer: EpisodeScorer, tell: Callable[[str], None]) -> Judging:
    """Return the judge of practice.

    Args:
        judge: ``auto``, ``photo``, ``person``, ``policy`` or ``truth``. Only ``auto`` is checked by a simulator.
        named: whether goals were named.
        scorer: of the run's policies.
        tell: shows a line to the user.
    """
    truth = TruthJudging(scorer)
    if judge == "truth":
        return truth
    own = PhotoJudging(scorer) if named and judge != "policy" else PolicyJudging(scorer)
    return CheckedJudging(own, truth, tell) if judge == "auto" else own
