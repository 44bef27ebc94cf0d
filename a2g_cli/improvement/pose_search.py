"""Finding out where the arm stands by trying: where its camera was moved as well, each episode acts on a guess of its own.

A picture that was bent straight tells how the arm is turned, and where it stands only to some 2 cm: what is tall leans in it.
Who arrived tells the rest (``calibration/posterior.py``). What was tried in earlier rounds counts as well.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from a2g_cli.calibration.base_pose import BasePose
from a2g_cli.calibration.posterior import PosePosterior, pose_posterior
from a2g_cli.calibration.transform import DomainTransform
from a2g_cli.core.errors import RecordingError
from a2g_cli.data.recording.reader import Recording
from a2g_cli.improvement.practice import Practice
from a2g_cli.improvement.scoring import EpisodeScorer
from a2g_cli.improvement.state import RoundState, RunState, whole
from a2g_cli.improvement.trials import Stage, episode_index

BATCH = 8
"""Episodes after which beliefs are weighed again."""
SURE = 0.004
"""Spread of a belief at which no more is tried [m]."""
FEWEST = 2
"""Arrivals below which nothing is believed: one may be luck."""


@dataclass(frozen=True)
class PoseSearch:
    """Tries where the arm stands."""

    practice: Practice
    scorer: EpisodeScorer
    progress: RunState
    most: int
    """Episodes of one improvement run that may try where the arm stands."""
    seed: int
    interrupted: Callable[[], bool]

    def found(
        self, number: int, working: RoundState, calibration: DomainTransform, suspected: BasePose, room: int
    ) -> DomainTransform:
        """Return ``calibration`` with the mount that trying found; as it is where too few guesses arrived.

        Args:
            number: of the round.
            working: its files.
            calibration: what was measured, but for the mount.
            suspected: the mount as it was read.
            room: how many episodes the run's own limit leaves for this round.
        """
        tried, arrived = self._evidence(calibration, suspected)
        while not self.interrupted():
            belief = pose_posterior(tried, arrived)
            reached = len(working.explored)
            if all(whole(self._path(name)) for name in working.explored):
                more = min(BATCH, self.most - len(tried), room - reached)
                if belief.spread <= SURE or more <= 0:
                    break
                reached += more
            self._try(number, working, calibration, suspected, belief, reached)
            tried, arrived = self._evidence(calibration, suspected)
        if int(arrived.sum()) < FEWEST:
            return calibration
        return replace(calibration, base_pose=_moved(suspected, pose_posterior(tried, arrived).mean))

    def _try(
        self,
        number: int,
        working: RoundState,
        calibration: DomainTransform,
        suspected: BasePose,
        belief: PosePosterior,
        reached: int,
    ) -> None:
        """Roll out the first ``reached`` attempts, but for those that are recorded, each on a guess of its own."""
        chance = torch.Generator().manual_seed(self._seed_of_draw(number, reached))
        sampled_poses = {slot: _moved(suspected, offset) for slot, offset in enumerate(belief.draw(reached, chance))}
        acting = self.practice.factory.guessing(working.acting, calibration, sampled_poses)
        what = f"round {number + 1}: trying where the arm stands"
        practice = replace(self.practice, count=self.most)
        practice.roll(working.acting, number, Stage.POSE_SEARCH, working.explored, what, reached, acting)

    def _seed_of_draw(self, number: int, reached: int) -> int:
        if not self.progress.seed_streams:
            return 1000 * self.seed + 100 * number + reached
        return self.seed * 100_003 + episode_index(
            Stage.POSE_SEARCH, number, reached, self.most, repeat=False, streams=True
        )

    def _evidence(self, calibration: DomainTransform, suspected: BasePose) -> tuple[Tensor, Tensor]:
        """Return how far off each guess of the run was from where the arm is read (N, 2) [m], and whether it arrived (N,)."""
        tried, arrived = [], []
        middle = torch.tensor(suspected.middle)
        for name in (name for working in self.progress.rounds for name in working.explored):
            if not whole(path := self._path(name)):
                continue
            sampled_pose = _guess(path)
            tried.append((sampled_pose.to_nominal(middle) - suspected.to_nominal(middle))[:2])
            arrived.append(self.scorer.left_through(path, calibration) < self.scorer.bound)
        return torch.stack(tried) if tried else torch.zeros(0, 2), torch.tensor(arrived, dtype=torch.bool)

    def _path(self, name: str) -> Path:
        return self.progress.session.folder / name


def _guess(path: Path) -> BasePose:
    """Return what an episode acted on. Raises RecordingError."""
    with Recording(path) as recording:
        told: Any = recording.provenance.settings.get("guess")
    try:
        x, y, z = (float(value) for value in told["shift"])
        return BasePose(float(told["yaw"]), (x, y, z))
    except (KeyError, TypeError, ValueError) as error:
        raise RecordingError(f"{path} was to say where the arm was guessed to stand: {error}.") from error


def _moved(base_pose: BasePose, offset: Tensor) -> BasePose:
    """Return a mount that puts places by ``offset`` (2,) elsewhere [m]."""
    x, y, z = base_pose.shift
    return replace(base_pose, shift=(x + float(offset[0]), y + float(offset[1]), z))
