"""Scores recorded episodes without a reward: by the steps-to-go that the base's head estimates to the goal."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

from a2g_cli.adapters.registry import BASE
from a2g_cli.calibration.goal_distance import goal_distance
from a2g_cli.calibration.transform import IDENTITY, DomainTransform
from a2g_cli.core.types import Goal, Image
from a2g_cli.demo_replay import trajectory
from a2g_cli.demo_replay.labels import replay_labels
from a2g_cli.encoding.episodes import EncodedEpisode, encode_episode
from a2g_cli.models import checkpoint
from a2g_cli.runtime.policy_factory import PolicyFactory

Satisfied = Callable[[Mapping[str, Image], Goal], bool]
"""Whether images, camera -> image, show the goal already."""


class EpisodeScorer:
    """Reads each recording once and scores it."""

    def __init__(self, factory: PolicyFactory) -> None:
        """Load the base. Raises CheckpointError."""
        self.model = checkpoint.load(factory.folder)
        self._factory = factory
        self._near = factory.arrived_below(BASE)
        self.bound = checkpoint.SLACK * self._near
        """An episode reached its goal if its nearest frame has fewer steps-to-go than this [steps]."""
        self.relabel = replay_labels(trajectory.trajectories_of_robot(factory.folder, factory.spec.name))
        """Gives the actions that are learned from replayed trajectories."""
        self.read: Callable[[Path], EncodedEpisode] = cache(lambda path: self.through(path, IDENTITY))
        """Encodes a recording, its images uncorrected. Raises RecordingError."""
        self._steps_left: dict[tuple[Path, str], float] = {}

    def through(self, path: Path, calibration: DomainTransform) -> EncodedEpisode:
        """Encode a recording, brought to the training domain by ``calibration``. Raises RecordingError."""
        return encode_episode(self.model, path, calibration, self.relabel)

    def left(self, path: Path, name: str = BASE) -> float:
        """Return the steps-to-go at a recording's nearest frame, seen through the camera warp of adapter ``name`` [steps]."""
        return self.left_through(path, self._factory.calibration(name))

    def left_through(self, path: Path, calibration: DomainTransform) -> float:
        """Return the steps-to-go at a recording's nearest frame, seen through the camera warp of ``calibration`` [steps]."""
        if not calibration.camera_warps:
            return self.read(path).steps_left
        warp = DomainTransform(calibration.camera_warps)
        key = (path, json.dumps(warp.to_json()))
        if key not in self._steps_left:
            self._steps_left[key] = self.through(path, warp).steps_left
        return self._steps_left[key]

    def sides(
        self, name: str, before: Sequence[EncodedEpisode], after: Sequence[EncodedEpisode]
    ) -> tuple[list[float], list[float]]:
        """Return the steps-to-go of the parent's and the candidate's episodes, both through the camera warp of ``name``."""
        return [self.left(one.path, name) for one in before], [self.left(one.path, name) for one in after]

    def same_views(self, name: str, other: str) -> bool:
        """Whether two adapters have the same camera warp, so that neither is scored through its own."""
        first, second = (
            DomainTransform(self._factory.calibration(one).camera_warps).to_json() for one in (name, other)
        )
        return first == second

    def arrived(self, path: Path, name: str) -> bool:
        """Whether a recorded episode reached its goal, seen through the camera warp of adapter ``name``."""
        return self.left(path, name) < self.bound

    def satisfied(self, acting: Callable[[], str]) -> Satisfied:
        """Return a test of whether images show a goal, through the camera warp of the adapter that ``acting`` returns."""

        def test(images: Mapping[str, Image], goal: Goal) -> bool:
            transform = self._factory.calibration(acting())
            return goal_distance(self.model, images, images, goal, transform).steps_to_go < self._near

        return test
