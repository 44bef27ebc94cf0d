"""What a base remembers of how its demonstrators moved: measured values and actions, no pictures.

``movements.safetensors`` beside a base's weights; ``demo_replay/selection.py`` makes it, ``demo_replay/policy.py`` moves by
it. It is no part of the base's hash, and a base without it acts and adapts.
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
    """Whose it is, e.g. ``"sim:write"``."""


def save_trajectories(movements: list[Trajectory], folder: Path) -> None:
    """Write movements beside a checkpoint. Raises A2GError."""
    robots = list(dict.fromkeys(one.robot for one in movements))
    tensors = {
        "proprioception": torch.cat([one.proprioception.float() for one in movements]),
        "actions": torch.cat([one.actions.float() for one in movements]),
        "length": torch.tensor([len(one.actions) for one in movements], dtype=torch.int32),
        "robot": torch.tensor([robots.index(one.robot) for one in movements], dtype=torch.int32),
    }
    temporary = folder / f"{TRAJECTORIES}.tmp"
    try:
        save_file(tensors, temporary, metadata={ROBOTS: json.dumps(robots)})
        temporary.replace(folder / TRAJECTORIES)
    except (OSError, SafetensorError) as error:
        raise A2GError(f"{folder / TRAJECTORIES} cannot be written: {error}") from error


def load_trajectories(folder: Path) -> list[Trajectory]:
    """Return what the base in ``folder`` remembers; nothing where it keeps nothing.

    Raises:
        CheckpointError: the base is missing, or what it remembers is damaged or not of its robots.
    """
    config, _ = checkpoint.read_config(folder)
    path = folder / TRAJECTORIES
    if not path.exists():
        return []
    try:
        with safe_open(path, "pt") as file:
            robots = [str(name) for name in json.loads((file.metadata() or {})[ROBOTS])]
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        length, whose = tensors["length"].tolist(), tensors["robot"].tolist()
        measured, actions = tensors["proprioception"], tensors["actions"]
        if min(length, default=0) < 1 or len(whose) != len(length) or not 0 <= min(whose) <= max(whose) < len(robots):
            raise ValueError("its movements are not told apart")
        parts = zip(measured.split([one + 1 for one in length]), actions.split(length), whose, strict=True)
        found = [Trajectory(values, done, robots[number]) for values, done, number in parts]
    except (OSError, SafetensorError, KeyError, RuntimeError, TypeError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is damaged: {error}") from error
    sizes = len(config.proprioception_names), len(config.action_names)
    if (measured.shape[1:], actions.shape[1:]) != (sizes[:1], sizes[1:]):
        raise CheckpointError(
            f"{path} does not fit its base: {measured.shape[1:]} values, {actions.shape[1:]} actions."
        )
    if not (measured.isfinite().all() and actions.isfinite().all()):
        raise CheckpointError(f"{path} is damaged: it holds values that are not finite.")
    return found


def trajectories_of_robot(folder: Path, robot: str) -> list[Trajectory]:
    """Return what the base in ``folder`` remembers of ``robot``, numbered as recordings say. Raises CheckpointError."""
    return [one for one in load_trajectories(folder) if one.robot == robot]
