"""Demonstrations beside practice: a share of every batch, so that what they taught is not forgotten.

SOAR (arXiv 2407.20635) adapts on such mixtures of offline data and practice. What is held out, and so what an adapter is
judged by, is practice alone.
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


@dataclass(frozen=True)
class Cotraining:
    """A lesson of which a share is drawn from demonstrations, relabelled by the same mixture of rules."""

    practice: BatchSource
    demonstrations: Segments
    share: float
    hashing: TemporalHashing

    def subset(self, episodes: list[int]) -> "Cotraining":
        """Return the lesson with its practice restricted to ``episodes``."""
        return replace(self, practice=self.practice.subset(episodes))

    def batch(self, size: int, mixture: Mapping[str, float], generator: torch.Generator) -> dict[str, Tensor]:
        """Draw practice first, then demonstrations; at least one segment is practice.

        A demonstration weighs what practice weighs on average: the share of the batch is the share of its loss.
        """
        shown = min(round(self.share * size), size - 1)
        batch = self.practice.batch(size - shown, mixture, generator)
        if not shown:
            return batch
        weight = batch.setdefault("weight", torch.ones(size - shown))
        other = self.demonstrations.batch(shown, mixture, self.hashing, generator)
        other["weight"] = weight.mean().expand(shown)
        return {name: torch.cat([value, other[name]]) for name, value in batch.items()}


def cotrained(
    encoded: Sequence[EncodedEpisode], demonstrations: Sequence[EncodedEpisode], share: float, held_out: float
) -> Segments | None:
    """Return what is mixed in of ``demonstrations``, whole, without those that ``split`` holds out; None at share 0.

    Raises:
        UsageError: a share and nothing to take it from, or the other way round, or a recording that is both.
        RecordingError: another robot demonstrated.
    """
    if bool(share) != bool(demonstrations):
        raise UsageError(
            "--cotrain is the share of each batch that comes from --demonstrations: give both, or neither."
        )
    if not share:
        return None
    for one in demonstrations:
        if one.robot != encoded[0].robot:
            raise RecordingError(
                f"{one.path} was recorded with the robot {one.robot}, and practice with {encoded[0].robot}: mix in "
                "demonstrations of the robot that practised."
            )
    hashes = {one.name.split()[-1] for one in encoded}
    if twice := next((one for one in demonstrations if one.name.split()[-1] in hashes), None):
        raise UsageError(f"{twice.path} is named as practice and as a demonstration: name it once.")
    kept, _ = split([one.name for one in demonstrations], held_out)
    return join([demonstrations[i].whole for i in kept])
