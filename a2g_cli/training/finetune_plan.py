"""What one finetuning does: the domain transform that practice shows, and the episodes that are learned from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from a2g_cli.adapters.files import Adapter
from a2g_cli.calibration.actuators import driven_columns, driven_names
from a2g_cli.calibration.estimate import estimate_transform
from a2g_cli.calibration.nominal import NominalDomain
from a2g_cli.calibration.transform import IDENTITY, DomainTransform
from a2g_cli.encoding.episodes import EncodedEpisode, ReplayLabels, as_recorded, encode_episode, select, split
from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.training.finetune import FinetuneSettings


@dataclass(frozen=True)
class FinetunePlan:
    """What ``finetune`` is to do."""

    kept: list[EncodedEpisode]
    """Episodes that are learned from; empty: there is nothing to learn."""
    how: str
    """How episodes were chosen or what was measured, for people."""
    calibration: DomainTransform = IDENTITY
    """The domain transform of the new adapter."""
    train: bool = True
    """Whether weights are trained. False when the transform is new: episodes that a wrong transform produced are poor
    examples, so the next round practises with the new one first."""

    def held_out(self, settings: FinetuneSettings) -> int:
        """Return how many of the episodes to learn from will not be trained on, to test the result."""
        names = [episode.name for episode in self.kept]
        return len(split(names, settings.held_out, settings.held_out_always)[1]) if self.train else 0


def plan_finetuning(
    base: Act2Goal,
    nominal: NominalDomain | None,
    parent: Adapter | None,
    encoded: Sequence[EncodedEpisode],
    settings: FinetuneSettings,
    arrived_below: float,
    refused: DomainTransform = IDENTITY,
    measured: DomainTransform | None = None,
    relabel: ReplayLabels = as_recorded,
    note: Callable[[str], None] = lambda _text: None,
) -> FinetunePlan:
    """Return what to learn from episodes of one deployment.

    Args:
        base: the base model, without an adapter.
        nominal: reference data of the training domain, where the base has it.
        parent: the adapter to continue from.
        encoded: all episodes, as they were recorded.
        settings: of the finetuning.
        arrived_below: an episode reached its goal if its nearest frame is fewer steps than this away [steps].
        refused: the transform that the gate has just refused. If the same one is measured again, it is ignored and the
            episodes are imitated instead.
        measured: the transform that practice shows; None: it is estimated here.
        relabel: gives the actions that are learned from replayed trajectories.
        note: told what is not calibrated although it seems to differ.
    """
    current = IDENTITY if parent is None else parent.calibration
    transform = measured
    if transform is None:
        transform = (
            current if settings.calibrate == "off" else estimate_transform(base, nominal, encoded, current, note)
        )
    commands = _driven_actions(base, encoded)
    if refused and not transform.differs(refused, commands):
        transform = current
    if transform.differs(current, commands):
        return FinetunePlan(list(encoded), f"measured: {transform}", transform, train=False)
    if transform:
        encoded = [_through(base, episode, transform, relabel) for episode in encoded]
    how = f"{settings.keep}; {transform}" if transform else settings.keep
    return FinetunePlan(select(encoded, settings.keep, arrived_below), how, transform)


def _through(
    base: Act2Goal, episode: EncodedEpisode, transform: DomainTransform, relabel: ReplayLabels
) -> EncodedEpisode:
    """Return the episode mapped to the training domain. A judgement that compared frames with the photo stays."""
    mapped = encode_episode(base, episode.path, transform, relabel)
    if episode.judge == "policy":
        return mapped
    return mapped.judged(episode.judge, episode.judgement)


def _driven_actions(base: Act2Goal, encoded: Sequence[EncodedEpisode]) -> torch.Tensor | None:
    """Return the actions (N, D) of all episodes that drive a measured value; None where no action does."""
    names = base.config.action_names, base.config.proprioception_names
    columns, _ = driven_columns(driven_names(*names), *names)
    return torch.cat([episode.whole.actions[:, columns] for episode in encoded]) if columns and encoded else None
