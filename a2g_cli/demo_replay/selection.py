"""Selects the trajectories that a base keeps: some demonstrations of each group, evenly spread."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import torch

from a2g_cli.data.recording.reader import Recording
from a2g_cli.demo_replay.trajectory import Trajectory

PER_GROUP = 80
"""Most trajectories of a group; fewer where the group has fewer demonstrations, or its share of ``BYTES`` is full."""
BYTES = 1_000_000
"""Most memory for all groups [bytes]."""


def select_trajectories(
    recordings: Sequence[Path], groups: Sequence[str], per_group: int = PER_GROUP
) -> list[Trajectory]:
    """Return the trajectories of up to ``per_group`` recordings of each of ``groups``. Raises RecordingError."""
    paths_of: dict[str, list[Path]] = defaultdict(list)
    for path, group in zip(recordings, groups, strict=True):
        paths_of[group].append(path)
    kept: list[Trajectory] = []
    for paths in paths_of.values():
        room = BYTES // len(paths_of)
        for i in torch.linspace(0, len(paths) - 1, min(per_group, len(paths))).round().long().tolist():
            trajectory = _read(paths[i])
            room -= 4 * (trajectory.proprioception.numel() + trajectory.actions.numel())
            if room < 0:
                break
            kept.append(trajectory)
    return kept


def _read(path: Path) -> Trajectory:
    with Recording(path) as recording:
        measured, actions = torch.from_numpy(recording.proprioception), torch.from_numpy(recording.actions)
        return Trajectory(measured.float(), actions.float(), recording.spec.name)
