"""How near practice came to its goals, as the base's heads see it through the view of whoever acts, or is to act."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

from a2g_cli.calibration.goal_distance import goal_distance
from a2g_cli.calibration.transform import IDENTITY, DomainTransform
from a2g_cli.core.types import Goal, Image
from a2g_cli.demo_replay import trajectory
from a2g_cli.demo_replay.labels import replay_labels
from a2g_cli.encoding.episodes import SLACK, EncodedEpisode, encode_episode
from a2g_cli.models import checkpoint
from a2g_cli.runtime.policy_factory import PolicyFactory

Satisfied = Callable[[Mapping[str, Image], Goal], bool]
"""Whether pictures, camera -> picture, show a goal already."""


class EpisodeScorer:
    """Reads recordings once, and judges them by steps-to-go alone."""

    def __init__(self, factory: PolicyFactory) -> None:
        """Load the base. Raises CheckpointError."""
        self.model = checkpoint.load(factory.folder)
        self._factory = factory
        self._near = factory.arrived_below("none")
        self.bound = SLACK * self._near
        """An episode arrived when fewer steps than this are left at its nearest frame [steps]."""
        self.relabel = replay_labels(trajectory.trajectories_of_robot(factory.folder, factory.spec.name))
        """Gives the actions that are learned from replayed trajectories."""
        self.read: Callable[[Path], EncodedEpisode] = cache(lambda path: self.through(path, IDENTITY))
        """Reads a recording, its pictures as they are. Raises RecordingError."""
        self._lefts: dict[tuple[Path, str], float] = {}

    def through(self, path: Path, calibration: DomainTransform) -> EncodedEpisode:
        """Return a recording seen as at home by ``calibration``. Raises RecordingError."""
        return encode_episode(self.model, path, calibration, self.relabel)

    def left(self, path: Path, name: str = "none") -> float:
        """Return the steps left at a recording's nearest frame, seen through the view of ``name`` [steps]."""
        return self.left_through(path, self._factory.calibration(name))

    def left_through(self, path: Path, calibration: DomainTransform) -> float:
        """Return the same, seen through the views of ``calibration`` [steps]."""
        if not calibration.camera_warps:
            return self.read(path).steps_left
        views = DomainTransform(calibration.camera_warps)
        key = (path, json.dumps(views.to_json()))
        if key not in self._lefts:
            self._lefts[key] = self.through(path, views).steps_left
        return self._lefts[key]

    def sides(
        self, name: str, before: Sequence[EncodedEpisode], after: Sequence[EncodedEpisode]
    ) -> tuple[list[float], list[float]]:
        """Return the steps left of a parent's and of a candidate's episodes, both seen through the view of ``name``."""
        return [self.left(one.path, name) for one in before], [self.left(one.path, name) for one in after]

    def same_views(self, name: str, other: str) -> bool:
        """Whether two of them look through the same views, so that neither judges by a view of its own."""
        ours, theirs = (DomainTransform(self._factory.calibration(one).camera_warps).to_json() for one in (name, other))
        return ours == theirs

    def arrived(self, path: Path, name: str) -> bool:
        """Whether a recorded episode reached its goal, seen through the view of ``name``."""
        return self.left(path, name) < self.bound

    def satisfied(self, acting: Callable[[], str]) -> Satisfied:
        """Return the test of whether pictures show a goal already, seen through the view of whoever is ``acting`` then."""

        def test(seen: Mapping[str, Image], goal: Goal) -> bool:
            through = self._factory.calibration(acting())
            return goal_distance(self.model, seen, seen, goal, through).steps_to_go < self._near

        return test
