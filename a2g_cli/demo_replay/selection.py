"""Which movements a base remembers: those of some demonstrations of each group, spread over all of them."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import torch

from a2g_cli.data.recording.reader import Recording
from a2g_cli.demo_replay.trajectory import Trajectory

EACH = 80
"""Of a group; fewer where there are fewer demonstrations, or where they would take more than ``BYTES``."""
BYTES = 1_000_000
"""Of all groups."""


def select_trajectories(recordings: Sequence[Path], groups: Sequence[str], each: int = EACH) -> list[Trajectory]:
    """Return the movements of up to ``each`` recordings of each of ``groups``. Raises RecordingError."""
    of: dict[str, list[Path]] = defaultdict(list)
    for path, group in zip(recordings, groups, strict=True):
        of[group].append(path)
    kept: list[Trajectory] = []
    for paths in of.values():
        room = BYTES // len(of)
        for i in torch.linspace(0, len(paths) - 1, min(each, len(paths))).round().long().tolist():
            movement = _movement(paths[i])
            room -= 4 * (movement.proprioception.numel() + movement.actions.numel())
            if room < 0:
                break
            kept.append(movement)
    return kept


def _movement(path: Path) -> Trajectory:
    with Recording(path) as recording:
        measured, actions = torch.from_numpy(recording.proprioception), torch.from_numpy(recording.actions)
        return Trajectory(measured.float(), actions.float(), recording.spec.name)
