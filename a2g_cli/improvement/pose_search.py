"""Pose search: find the arm's base pose by trying, where the camera was moved as well.

Through a camera warp, an image gives the arm's yaw, but its position only to about 2 cm, because tall objects lean. So each
episode acts on a base pose drawn from the posterior (Thompson sampling), and whether it reached its goal updates the
posterior (``calibration/posterior.py``). Episodes of earlier rounds count as well.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from a2g_cli.calibration.base_pose import BasePose
from a2g_cli.calibration.posterior import OffsetPosterior, OffsetPrior, offset_posterior
from a2g_cli.calibration.transform import DomainTransform
from a2g_cli.core.errors import RecordingError
from a2g_cli.data.recording.reader import Recording
from a2g_cli.improvement.practice import Practice
from a2g_cli.improvement.scoring import EpisodeScorer
from a2g_cli.improvement.state import RoundState, RunState, whole
from a2g_cli.improvement.trials import Stage, episode_index

PRIOR = OffsetPrior(std=0.02, tolerance=0.016, radius=0.07, spacing=0.0025)
"""A warped image shows the position of the arm to 2 cm."""
BATCH = 8
"""Episodes between two updates of the posterior."""
SURE = 0.004
"""Spread of the posterior at which the search stops [m]."""
FEWEST = 2
"""Episodes that must reach their goal before the posterior is trusted: a single one may be luck."""


@dataclass(frozen=True)
class PoseSearch:
    """Searches the arm's base pose."""

    practice: Practice
    scorer: EpisodeScorer
    progress: RunState
    most: int
    """Episodes of one run that the search may use."""
    seed: int
    interrupted: Callable[[], bool]

    def search(
        self, number: int, state: RoundState, calibration: DomainTransform, suspected: BasePose, spare: int
    ) -> DomainTransform:
        """Return ``calibration`` with the base pose that was found; unchanged if too few episodes reached their goal.

        Args:
            number: of the round, from 0.
            state: of the round.
            calibration: the domain transform, apart from the base pose.
            suspected: the base pose as images show it.
            spare: number of episodes that the run's own limit leaves for this.
        """
        tried, reached = self._evidence(calibration, suspected)
        while not self.interrupted():
            posterior = offset_posterior(tried, reached, PRIOR)
            count = len(state.explored)
            if all(whole(self._path(name)) for name in state.explored):
                more = min(BATCH, self.most - len(tried), spare - count)
                if posterior.spread <= SURE or more <= 0:
                    break
                count += more
            self._try(number, state, calibration, suspected, posterior, count)
            tried, reached = self._evidence(calibration, suspected)
        if int(reached.sum()) < FEWEST:
            return calibration
        return replace(calibration, base_pose=_moved(suspected, offset_posterior(tried, reached, PRIOR).mean))

    def _try(
        self,
        number: int,
        state: RoundState,
        calibration: DomainTransform,
        suspected: BasePose,
        posterior: OffsetPosterior,
        count: int,
    ) -> None:
        """Roll out those of the round's first ``count`` episodes that are not recorded, each on its own base pose."""
        chance = torch.Generator().manual_seed(self._seed_of_draw(number, count))
        sampled_poses = {slot: _moved(suspected, offset) for slot, offset in enumerate(posterior.draw(count, chance))}
        acting = self.practice.factory.guessing(state.acting, calibration, sampled_poses)
        title = f"round {number + 1}: pose search"
        practice = replace(self.practice, count=self.most)
        practice.roll(state.acting, number, Stage.POSE_SEARCH, state.explored, title, count, acting)

    def _seed_of_draw(self, number: int, count: int) -> int:
        if not self.progress.seed_streams:
            return 1000 * self.seed + 100 * number + count
        index = episode_index(Stage.POSE_SEARCH, number, count, self.most, repeat=False, streams=True)
        return self.seed * 100_003 + index

    def _evidence(self, calibration: DomainTransform, suspected: BasePose) -> tuple[Tensor, Tensor]:
        """Return each tried pose's offset from the suspected one (N, 2) [m], and whether its episode succeeded (N,).

        Success is the policy's estimate.
        """
        tried, reached = [], []
        middle = torch.tensor(suspected.middle)
        for name in (name for state in self.progress.rounds for name in state.explored):
            if not whole(path := self._path(name)):
                continue
            sampled_pose = _recorded_pose(path)
            tried.append((sampled_pose.to_nominal(middle) - suspected.to_nominal(middle))[:2])
            reached.append(self.scorer.left_through(path, calibration) < self.scorer.bound)
        return torch.stack(tried) if tried else torch.zeros(0, 2), torch.tensor(reached, dtype=torch.bool)

    def _path(self, name: str) -> Path:
        return self.progress.session.folder / name


def _recorded_pose(path: Path) -> BasePose:
    """Return the base pose that an episode acted on. Raises RecordingError."""
    with Recording(path) as recording:
        pose: Any = recording.provenance.settings.get("guess")
    try:
        x, y, z = (float(value) for value in pose["shift"])
        return BasePose(float(pose["yaw"]), (x, y, z))
    except (KeyError, TypeError, ValueError) as error:
        raise RecordingError(f"{path} does not contain the base pose that it tried: {error}.") from error


def _moved(base_pose: BasePose, offset: Tensor) -> BasePose:
    """Return the base pose moved by ``offset`` (2,) in x and y [m]."""
    x, y, z = base_pose.shift
    return replace(base_pose, shift=(x + float(offset[0]), y + float(offset[1]), z))
