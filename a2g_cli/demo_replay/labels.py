"""Relabels the recording of a replayed trajectory with the actions of its demonstrator, where they hold.

A replay follows measured values. So it repeats the disturbances that the demonstrator met as well, by actions that nobody
intended. Where the arm is where the demonstrator was, the demonstrator's own action is the better label. Elsewhere, and where
the actuators need other commands, the recorded action is kept.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from a2g_cli.demo_replay.trajectory import Trajectory
from a2g_cli.encoding.episodes import ReplayLabels
from a2g_cli.encoding.segments import Segments

MAX_DEVIATION = 0.25
"""Largest deviation from the demonstrator, of measured values relative to a usual step, and of actions to a usual action."""


def replay_labels(trajectories: Sequence[Trajectory]) -> ReplayLabels:
    """Return the relabelling for recordings that replayed one of ``trajectories``."""

    def relabel(which: object, segments: Segments, measured: Tensor) -> Segments:
        if not isinstance(which, int) or not 0 <= which < len(trajectories):
            return segments
        return demonstrated_actions(segments, measured, trajectories[which])

    return relabel


def demonstrated_actions(segments: Segments, measured: Tensor, trajectory: Trajectory) -> Segments:
    """Return one replayed episode with the demonstrator's actions, where they hold.

    Args:
        segments: the episode alone, mapped to the training domain.
        measured: (T + 1, P), as recorded, robot's units.
        trajectory: what it replayed.
    """
    steps = min(int(segments.length), len(trajectory.actions))
    recorded, demonstrated = segments.actions[:steps], trajectory.actions[:steps].to(segments.actions)
    usual_step = trajectory.proprioception.diff(dim=0).norm(dim=1).median()
    deviation = (measured[:steps] - trajectory.proprioception[:steps]).norm(dim=1)
    near = deviation <= MAX_DEVIATION * usual_step
    difference = (recorded - demonstrated)[near].norm(dim=1)
    if not len(difference) or difference.median() > MAX_DEVIATION * demonstrated.norm(dim=1).median():
        return segments
    actions = segments.actions.clone()
    actions[:steps] = torch.where(near[:, None], demonstrated, recorded)
    return replace(segments, actions=actions)
