"""What a rehearsal teaches: at the places of a movement, what its demonstrator did there.

An arm that follows places repeats the pushes that its demonstrator met as well, by commands that nobody meant. Where it is
where the demonstrator was, the demonstrator's own action is the better lesson; where it is not, and where these motors want
other commands, what was done here is.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from a2g_cli.demo_replay.trajectory import Trajectory
from a2g_cli.encoding.episodes import ReplayLabels
from a2g_cli.encoding.segments import Segments

NEAR = 0.25
"""How far an arm may be beside its movement, and its commands beside the demonstrator's, relative to a usual step."""


def replay_labels(trajectories: Sequence[Trajectory]) -> ReplayLabels:
    """Return the rule that gives a recording which replayed one of ``trajectories`` its demonstrator's actions."""

    def relabel(which: object, segments: Segments, measured: Tensor) -> Segments:
        if not isinstance(which, int) or not 0 <= which < len(trajectories):
            return segments
        return demonstrated_actions(segments, measured, trajectories[which])

    return relabel


def demonstrated_actions(segments: Segments, measured: Tensor, movement: Trajectory) -> Segments:
    """Return one rehearsed episode with the demonstrator's actions, wherever they hold.

    Args:
        segments: of the rehearsal alone, actions as at home.
        measured: (T + 1, P), as it was recorded, robot's units.
        movement: which it followed.
    """
    steps = min(int(segments.length), len(movement.actions))
    done, meant = segments.actions[:steps], movement.actions[:steps].to(segments.actions)
    usual = movement.proprioception.diff(dim=0).norm(dim=1).median()
    there = (measured[:steps] - movement.proprioception[:steps]).norm(dim=1) <= NEAR * usual
    apart = (done - meant)[there].norm(dim=1)
    if not len(apart) or apart.median() > NEAR * meant.norm(dim=1).median():
        return segments
    actions = segments.actions.clone()
    actions[:steps] = torch.where(there[:, None], meant, done)
    return replace(segments, actions=actions)
