"""Expert trajectories that a base keeps: measured values and actions, no images.

``movements.safetensors`` beside a base's weights; ``selection.py`` selects them, ``policy.py`` replays them. The file is no
part of the base's hash, and a base without it acts and adapts.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from a2g_cli.models import checkpoint
from a2g_cli.models.base_parts import check_part, load_part, parsing, save_part

TRAJECTORIES, ROBOTS = "movements.safetensors", "a2g_robots"


@dataclass(frozen=True)
class Trajectory:
    """One demonstration of T steps."""

    proprioception: Tensor
    """(T + 1, P) float32, robot's units."""
    actions: Tensor
    """(T, A) float32, robot's units."""
    robot: str
    """The robot's name, e.g. ``"sim:write"``."""


def save_trajectories(trajectories: list[Trajectory], folder: Path) -> None:
    """Write trajectories beside a checkpoint. Raises A2GError."""
    robots = list(dict.fromkeys(trajectory.robot for trajectory in trajectories))
    tensors = {
        "proprioception": torch.cat([trajectory.proprioception.float() for trajectory in trajectories]),
        "actions": torch.cat([trajectory.actions.float() for trajectory in trajectories]),
        "length": torch.tensor([len(trajectory.actions) for trajectory in trajectories], dtype=torch.int32),
        "robot": torch.tensor([robots.index(trajectory.robot) for trajectory in trajectories], dtype=torch.int32),
    }
    save_part(folder / TRAJECTORIES, tensors, ROBOTS, robots)


def load_trajectories(folder: Path) -> list[Trajectory]:
    """Return the trajectories of the base in ``folder``; an empty list where it has none.

    Raises:
        CheckpointError: the base is missing, or its trajectories are damaged or do not fit its robot.
    """
    config, _ = checkpoint.read_config(folder)
    path = folder / TRAJECTORIES
    part = load_part(path, ROBOTS)
    if part is None:
        return []
    tensors, robots = part
    expected = {
        "proprioception": ((None, len(config.proprioception_names)), torch.float32),
        "actions": ((None, len(config.action_names)), torch.float32),
        "length": ((None,), torch.int32),
        "robot": ((None,), torch.int32),
    }
    check_part(path, tensors, expected)
    measured, actions = tensors["proprioception"], tensors["actions"]
    lengths, numbers = tensors["length"].tolist(), tensors["robot"].tolist()
    with parsing(path):
        of_robots = len(numbers) == len(lengths) and 0 <= min(numbers) <= max(numbers) < len(robots)
        if min(lengths, default=0) < 1 or not of_robots:
            raise ValueError("its lengths or robots are wrong")
        parts = zip(measured.split([length + 1 for length in lengths]), actions.split(lengths), numbers, strict=True)
        return [Trajectory(values, own_actions, robots[number]) for values, own_actions, number in parts]


def trajectories_of_robot(folder: Path, robot: str) -> list[Trajectory]:
    """Return the trajectories of ``robot``; recordings name them by their index in this list. Raises CheckpointError."""
    return [trajectory for trajectory in load_trajectories(folder) if trajectory.robot == robot]
