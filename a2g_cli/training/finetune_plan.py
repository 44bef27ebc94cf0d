"""What an adaptation is about: what practice measured, what is learned from, and what is taught."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from a2g_cli.adapters.files import Adapter
from a2g_cli.calibration.actuators import driven_columns, driven_names
from a2g_cli.calibration.estimate import estimate_transform
from a2g_cli.calibration.nominal import NominalDomain
from a2g_cli.calibration.transform import IDENTITY, DomainTransform
from a2g_cli.encoding.episodes import EncodedEpisode, ReplayLabels, as_recorded, encode_episode, select
from a2g_cli.encoding.segments import join
from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.training.batch_sources import Distillation
from a2g_cli.training.finetune import FinetuneSettings


@dataclass(frozen=True)
class FinetunePlan:
    """What ``adapt`` is to do."""

    kept: list[EncodedEpisode]
    """Recordings that are learned from; none: there is nothing to learn."""
    how: str
    """In words."""
    calibration: DomainTransform = IDENTITY
    """What the adapter is to carry."""
    correction: Distillation | None = None
    """What is taught instead of imitating."""
    train: bool = True
    """Whether weights are trained. What was practised under a wrong calibration is no example: first it is put right."""


def plan_finetuning(
    base: Act2Goal,
    home: NominalDomain | None,
    parent: Adapter | None,
    encoded: Sequence[EncodedEpisode],
    settings: FinetuneSettings,
    arrived_below: float,
    refused: DomainTransform = IDENTITY,
    measured: DomainTransform | None = None,
    relabel: ReplayLabels = as_recorded,
) -> FinetunePlan:
    """Return what to learn from episodes of one deployment.

    Args:
        base: without any adapter.
        home: what the base knows of its home.
        parent: the adapter to go on from.
        practised: all episodes, as they were recorded.
        settings: how.
        arrived_below: an episode arrived when fewer steps than this are left at its nearest frame [steps].
        refused: what was measured and did not prove itself a moment ago. Measured again, it is left aside, so that
            practice is imitated as it is.
        measured: what ``estimate_transform`` found, and what was tried besides; None: it is measured here.
        relabel: gives the actions that are learned from replayed trajectories.
    """
    known = IDENTITY if parent is None else parent.calibration
    found = measured
    if found is None:
        found = known if settings.calibrate == "off" else estimate_transform(base, home, encoded, known)
    if settings.calibrate == "teach" and found:
        return FinetunePlan(
            list(encoded), f"teaching what practice measured: {found}", correction=_taught(base, encoded, found)
        )
    commands = _commands(base, encoded)
    if refused and not found.differs(refused, commands):
        found = known
    if found.differs(known, commands):
        return FinetunePlan(list(encoded), f"measured: {found}", found, train=False)
    again = [encode_episode(base, one.path, found, relabel) for one in encoded] if found else list(encoded)
    how = f"{settings.keep}; {found}" if found else settings.keep
    return FinetunePlan(select(again, settings.keep, arrived_below), how, found)


def _commands(base: Act2Goal, encoded: Sequence[EncodedEpisode]) -> torch.Tensor | None:
    """Return the driven actions (N, D) of all episodes; None where nothing is driven."""
    names = base.config.action_names, base.config.proprioception_names
    acting, _ = driven_columns(driven_names(*names), *names)
    return torch.cat([one.whole.actions[:, acting] for one in encoded]) if acting and encoded else None


def _taught(base: Act2Goal, encoded: Sequence[EncodedEpisode], found: DomainTransform) -> Distillation:
    told = [encode_episode(base, one.path, found) for one in encoded]
    low, high = (torch.tensor(limit) for limit in encoded[0].limits)
    return Distillation(
        join([one.whole for one in encoded]),
        torch.stack([one.goal for one in encoded]),
        join([one.whole for one in told]),
        torch.stack([one.goal for one in told]),
        base,
        found,
        low,
        high,
    )
