"""Aim search: find where the arm has to aim to reach a goal, by trying.

Far from what it was trained on, a policy aims beside the goal, each time by about the same 1 to 2 cm. So each episode of
practice aims elsewhere by an offset drawn from a posterior (Thompson sampling), and the judge's word on earlier episodes of
the same goal and the same adapter updates it. The episodes that succeed are imitated as they were measured: the adapter
learns the aim, and acts without any offset.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from a2g_cli.calibration.posterior import OffsetPrior, offset_posterior
from a2g_cli.core.errors import RecordingError
from a2g_cli.data.recording.reader import Recording
from a2g_cli.improvement.judging import Judging
from a2g_cli.improvement.practice import Practice
from a2g_cli.improvement.state import RoundState, whole
from a2g_cli.improvement.trials import Stage
from a2g_cli.policies.exploring import AimOffsetPolicy

BATCH = 8
"""Episodes of a goal between two updates of its posterior."""
TOLERANCE, RADIUS, SPACING = 0.008, 0.04, 0.002
"""Of ``OffsetPrior`` [m]."""
Offset = tuple[float, float]


@dataclass(frozen=True)
class AimSearch:
    """Practises the episodes of a round, each with an aim of its own."""

    practice: Practice
    judge: Judging
    seed: int
    interrupted: Callable[[], bool]

    def roll(self, number: int, state: RoundState, title: str) -> int:
        """Roll out the round's practice, with other aims if this is how it explores; return its successes by the simulator.

        The offsets of a batch depend on complete batches only, so a run that goes on after a kill draws the same ones.

        Args:
            number: of the round, from 0.
            state: of the round.
            title: of the progress display.
        """
        practice = self.practice
        exploration = practice.exploration()
        if not exploration.aim_std:
            return practice.roll(state.acting, number, Stage.PRACTICE, state.practice, title)
        names = practice.factory.spec.proprioception_names
        usual = practice.noisy(state.acting, exploration)
        goals = len(practice.attempts.goals)
        offsets: dict[int, Offset] = {}
        successes = 0
        while len(offsets) < practice.count and not self.interrupted():
            first = len(offsets)
            slots = range(first, min(first + BATCH * goals, practice.count))
            offsets |= dict(zip(slots, self._draw(number, state, slots, exploration.aim_std), strict=True))
            aimed = AimOffsetPolicy(usual, names, offsets)
            successes = practice.roll(state.acting, number, Stage.PRACTICE, state.practice, title, len(offsets), aimed)
        return successes

    def _draw(self, number: int, state: RoundState, slots: range, std: float) -> Iterator[Offset]:
        """Yield the offset of each slot, from the posterior of its goal.

        In a goal's first batch every second episode aims as the policy does: it may be right.
        """
        prior = OffsetPrior(std, TOLERANCE, RADIUS, SPACING)
        evidence = self._evidence(number, state, slots.start)
        posteriors = []
        for goal in self.practice.attempts.goals:
            known = [(offset, reached) for which, offset, reached in evidence if which == goal.fingerprint]
            tried = torch.tensor([offset for offset, _ in known], dtype=torch.double).reshape(-1, 2)
            posteriors.append(offset_posterior(tried, torch.tensor([yes for _, yes in known], dtype=torch.bool), prior))
        chance = torch.Generator().manual_seed(1000 * self.seed + 100 * number + slots.start)
        for slot in slots:
            turn, goal = divmod(slot, len(posteriors))
            x, y = posteriors[goal].draw(1, chance)[0].tolist()
            yield (0.0, 0.0) if turn < BATCH and turn % 2 == 0 else (x, y)

    def _evidence(self, number: int, state: RoundState, first: int) -> list[tuple[str, Offset, bool]]:
        """Return (fingerprint of the goal, offset, whether it was reached) of earlier episodes of the adapter that acts.

        Those of which the judge does not know are left out, and those without an offset.

        Args:
            number: of the round.
            state: of the round.
            first: slots of this round from this one on are not read.
        """
        rounds, folder = self.practice.progress.rounds, self.practice.progress.session.folder
        earlier = [name for one in rounds[:number] if one.acting == state.acting for name in one.practice]
        paths = [folder / name for name in (*earlier, *state.practice[:first])]
        tried = {path: found for path in paths if whole(path) and (found := _tried(path)) is not None}
        verdicts = zip(tried, self.judge.so_far(list(tried)), strict=True)
        return [(*tried[path], reached) for path, reached in verdicts if reached is not None]


def _tried(path: Path) -> tuple[str, Offset] | None:
    """Return the goal of an episode and by which offset it aimed elsewhere; None if it did not. Raises RecordingError."""
    with Recording(path) as recording:
        offset: Any = recording.provenance.settings.get("aim_offset")
        goal = recording.goal.fingerprint
    if offset is None:
        return None
    try:
        x, y = (float(value) for value in offset)
    except (TypeError, ValueError) as error:
        raise RecordingError(f"{path} does not contain the aim offset that it tried: {error}.") from error
    return goal, (x, y)
