"""Cotraining: a share of every batch comes from demonstrations, so that the adapter does not forget the training domain.

The demonstrations are recordings, or the few segments of them that the base keeps (its retention set).

SOAR (arXiv 2407.20635) adapts on such mixtures of offline data and practice. Held-out episodes are practice only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from a2g_cli.core.errors import RecordingError, UsageError
from a2g_cli.encoding.episodes import EncodedEpisode, split
from a2g_cli.encoding.segments import Segments, join
from a2g_cli.models.act2goal.temporal_hashing import TemporalHashing
from a2g_cli.training.batch_sources import BatchSource
from a2g_cli.training.retention_set import Retention


@dataclass(frozen=True)
class Cotraining:
    """A batch source that draws a share of every batch from demonstrations, with the same relabelling."""

    practice: BatchSource
    demonstrations: Segments
    share: float
    hashing: TemporalHashing

    def subset(self, episodes: list[int]) -> "Cotraining":
        """Return the same source, with its practice restricted to ``episodes``."""
        return replace(self, practice=self.practice.subset(episodes))

    def batch(self, size: int, mixture: Mapping[str, float], generator: torch.Generator) -> dict[str, Tensor]:
        """Draw practice first, then demonstrations; at least one segment is practice.

        A demonstration gets the mean weight of practice, so that its share of the batch is also its share of the loss.
        """
        count = min(round(self.share * size), size - 1)
        batch = self.practice.batch(size - count, mixture, generator)
        if not count:
            return batch
        weight = batch.setdefault("weight", torch.ones(size - count))
        demonstrations = self.demonstrations.batch(count, mixture, self.hashing, generator)
        demonstrations["weight"] = weight.mean().expand(count)
        return {name: torch.cat([value, demonstrations[name]]) for name, value in batch.items()}


@dataclass(frozen=True)
class RetentionReplay:
    """A batch source that draws a share of every batch from the base's retention set, whose goals are fixed."""

    practice: BatchSource
    retention: Retention
    share: float

    def subset(self, episodes: list[int]) -> "RetentionReplay":
        """Return the same source, with its practice restricted to ``episodes``."""
        return replace(self, practice=self.practice.subset(episodes))

    def batch(self, size: int, mixture: Mapping[str, float], generator: torch.Generator) -> dict[str, Tensor]:
        """Draw practice first, then segments of the retention set; at least one segment is practice.

        These segments get the mean weight of practice. They have no imagined frames (zeros), which no action loss reads.
        """
        count = min(round(self.share * size), size - 1)
        batch = self.practice.batch(size - count, mixture, generator)
        if not count:
            return batch
        weight = batch.setdefault("weight", torch.ones(size - count))
        rows = torch.randint(len(self.retention), (count,), generator=generator)
        retained = {name: value[rows] for name, value in self.retention.tensors().items()}
        retained["frames"] = torch.zeros(count, *batch["frames"].shape[1:])
        retained["weight"] = weight.mean().expand(count)
        return {name: torch.cat([value, retained[name].to(value.dtype)]) for name, value in batch.items()}


def cotrained(
    encoded: Sequence[EncodedEpisode], demonstrations: Sequence[EncodedEpisode], share: float, held_out: float
) -> Segments | None:
    """Return the segments of ``demonstrations``, without those that ``split`` holds out; None at share 0.

    Raises:
        UsageError: a share without demonstrations or the other way round, or a recording that is both practice and
            demonstration.
        RecordingError: the demonstrations are of another robot.
    """
    if bool(share) != bool(demonstrations):
        raise UsageError(
            "--cotrain is the share of each batch that comes from --demonstrations: give both, or neither."
        )
    if not share:
        return None
    for demonstration in demonstrations:
        if demonstration.robot != encoded[0].robot:
            raise RecordingError(
                f"{demonstration.path} was recorded with the robot {demonstration.robot}, but practice with "
                f"{encoded[0].robot}: use demonstrations of the robot that practised."
            )
    hashes = {episode.name.split()[-1] for episode in encoded}
    if repeated := next((each for each in demonstrations if each.name.split()[-1] in hashes), None):
        raise UsageError(f"{repeated.path} is named as practice and as a demonstration: name it once.")
    kept, _ = split([demonstration.name for demonstration in demonstrations], held_out)
    return join([demonstrations[i].whole for i in kept])
