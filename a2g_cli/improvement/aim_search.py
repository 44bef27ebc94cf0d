"""Aim search: find where the arm has to aim to reach a goal, by trying.

Far from what it was trained on, a policy aims beside the goal, each time by about the same 1 to 2 cm. So each episode of
practice aims elsewhere by an offset drawn from a posterior (Thompson sampling), and the judge's word on earlier episodes of
the same goal and the same adapter updates it. The episodes that succeed are imitated as they were measured: the adapter
learns the aim, and acts without any offset.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch

from a2g_cli.calibration.posterior import OffsetPrior, offset_posterior
from a2g_cli.core.errors import RecordingError
from a2g_cli.data.recording.reader import Recording
from a2g_cli.improvement.exploration import AIM_TEMPERATURE, GOAL_TEMPERATURE, Exploration
from a2g_cli.improvement.judging import Judging
from a2g_cli.improvement.practice import Practice
from a2g_cli.improvement.state import RoundState, whole
from a2g_cli.improvement.trials import Stage
from a2g_cli.policies.exploring import AimOffsetPolicy

BATCH = 8
"""Episodes of a goal between two updates of its posterior."""
TOLERANCE, RADIUS, SPACING, ZERO, GRADED = 0.008, 0.04, 0.002, 0.3, 0.5
"""Of ``OffsetPrior``."""
FOUND = 2
"""Successes with each goal after which practice has less noise."""
Offset = tuple[float, float]


class Evidence(NamedTuple):
    """What an episode shows of where to aim."""

    goal: str
    """Fingerprint of its goal."""
    offset: Offset
    """By which it aimed elsewhere, in x and y [m]."""
    reached: bool
    """Whether it reached the goal, by the judge."""
    remaining: float
    """How far it stayed from the goal, in the judge's unit; NaN where the judge does not know."""


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
        offsets: dict[int, Offset] = {}
        successes = 0
        while len(offsets) < practice.count and not self.interrupted():
            first = len(offsets)
            slots = range(first, min(first + BATCH * len(practice.attempts.goals), practice.count))
            evidence = self._evidence(number, state, first)
            offsets |= dict(zip(slots, self._draw(number, slots, evidence, exploration.aim_std), strict=True))
            batch = replace(exploration, temperature=self._temperature(exploration, evidence))
            policy = practice.noisy(state.acting, batch)
            aimed = AimOffsetPolicy(policy, practice.factory.spec.proprioception_names, offsets)
            noted = replace(practice, exploration=partial(replace, batch))
            successes = noted.roll(state.acting, number, Stage.PRACTICE, state.practice, title, len(offsets), aimed)
        return successes

    def _temperature(self, exploration: Exploration, evidence: Sequence[Evidence]) -> float:
        """Return the next batch's temperature: as asked for, else lower once each goal was reached ``FOUND`` times."""
        if exploration.temperature is not None:
            return exploration.temperature
        reached = sum(one.reached for one in evidence)
        return AIM_TEMPERATURE if reached >= FOUND * len(self.practice.attempts.goals) else GOAL_TEMPERATURE

    def _draw(self, number: int, slots: range, evidence: Sequence[Evidence], std: float) -> Iterator[Offset]:
        """Yield the offset of each slot, from the posterior of its goal.

        In a goal's first batch every second episode aims as the policy does: it may be right.
        """
        prior = OffsetPrior(std, TOLERANCE, RADIUS, SPACING, zero=ZERO, graded=GRADED)
        posteriors = []
        for goal in self.practice.attempts.goals:
            known = [one for one in evidence if one.goal == goal.fingerprint]
            tried = torch.tensor([one.offset for one in known], dtype=torch.double).reshape(-1, 2)
            reached = torch.tensor([one.reached for one in known], dtype=torch.bool)
            remaining = torch.tensor([one.remaining for one in known], dtype=torch.double)
            posteriors.append(offset_posterior(tried, reached, prior, remaining))
        chance = torch.Generator().manual_seed(1000 * self.seed + 100 * number + slots.start)
        for slot in slots:
            turn, which = divmod(slot, len(posteriors))
            x, y = posteriors[which].draw(1, chance)[0].tolist()
            yield (0.0, 0.0) if turn < BATCH and turn % 2 == 0 else (x, y)

    def _evidence(self, number: int, state: RoundState, first: int) -> list[Evidence]:
        """Return what earlier episodes of the adapter that acts show.

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
        return [
            Evidence(*tried[path], said.success, said.remaining) for path, said in verdicts if said.success is not None
        ]


def aimed_elsewhere(paths: Sequence[Path]) -> float:
    """Return by how much episodes aimed elsewhere on average, all in one direction [m]: the largest of their goals.

    Episodes without an offset aimed where the policy does. Raises RecordingError.
    """
    of_goal: dict[str, list[Offset]] = defaultdict(list)
    for path in paths:
        goal, offset = _tried(path) or ("", (0.0, 0.0))
        of_goal[goal].append(offset)
    means = (torch.tensor(offsets).mean(dim=0) for offsets in of_goal.values())
    return max((float(mean.norm()) for mean in means), default=0.0)


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
