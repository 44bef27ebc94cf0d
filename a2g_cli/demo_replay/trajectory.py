"""Expert trajectories that a base keeps: measured values and actions, no images.

``movements.safetensors`` beside a base's weights; ``selection.py`` selects them, ``policy.py`` replays them. The file is no
part of the base's hash, and a base without it acts and adapts.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from a2g_cli.core.errors import A2GError, CheckpointError
from a2g_cli.models import checkpoint

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
    temporary = folder / f"{TRAJECTORIES}.tmp"
    try:
        save_file(tensors, temporary, metadata={ROBOTS: json.dumps(robots)})
        temporary.replace(folder / TRAJECTORIES)
    except (OSError, SafetensorError) as error:
        raise A2GError(f"{folder / TRAJECTORIES} cannot be written: {error}") from error


def load_trajectories(folder: Path) -> list[Trajectory]:
    """Return the trajectories of the base in ``folder``; an empty list where it has none.

    Raises:
        CheckpointError: the base is missing, or its trajectories are damaged or do not fit its robot.
    """
    config, _ = checkpoint.read_config(folder)
    path = folder / TRAJECTORIES
    if not path.exists():
        return []
    try:
        with safe_open(path, "pt") as file:
            robots = [str(name) for name in json.loads((file.metadata() or {})[ROBOTS])]
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        lengths, numbers = tensors["length"].tolist(), tensors["robot"].tolist()
        measured, actions = tensors["proprioception"], tensors["actions"]
        of_robots = len(numbers) == len(lengths) and 0 <= min(numbers) <= max(numbers) < len(robots)
        if min(lengths, default=0) < 1 or not of_robots:
            raise ValueError("its lengths or robots are wrong")
        parts = zip(measured.split([length + 1 for length in lengths]), actions.split(lengths), numbers, strict=True)
        trajectories = [Trajectory(values, own_actions, robots[number]) for values, own_actions, number in parts]
    except (OSError, SafetensorError, KeyError, RuntimeError, TypeError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is damaged: {error}") from error
    sizes = len(config.proprioception_names), len(config.action_names)
    if (measured.shape[1:], actions.shape[1:]) != (sizes[:1], sizes[1:]):
        raise CheckpointError(
            f"{path} does not fit its base: it has {tuple(measured.shape[1:])} values and {tuple(actions.shape[1:])} "
            f"actions, expected {sizes[:1]} and {sizes[1:]}."
        )
    if not (measured.isfinite().all() and actions.isfinite().all()):
        raise CheckpointError(f"{path} is damaged: some of its values are not finite.")
    return trajectories


def trajectories_of_robot(folder: Path, robot: str) -> list[Trajectory]:
    """Return the trajectories of ``robot``; recordings name them by their index in this list. Raises CheckpointError."""
    return [trajectory for trajectory in load_trajectories(folder) if trajectory.robot == robot]
