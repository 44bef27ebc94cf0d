"""The retention set: some segments of the base's demonstrations, to measure a finetuned policy in the training domain.

It is the file ``retention.safetensors`` beside the base's weights; ``training/retention.py`` makes and uses it. It is
optional, and not part of the base's hash. Without it, the error in the training domain is not measured.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from torch import Tensor

from a2g_cli.core.errors import CheckpointError
from a2g_cli.models import checkpoint
from a2g_cli.models.autoencoder import Autoencoder
from a2g_cli.models.base_parts import check_part, load_part, parsing, save_part

RETENTION, ROBOTS = "retention.safetensors", "a2g_robots"


@dataclass(frozen=True)
class Retention:
    """N segments of demonstrations: first and goal frame as latents, and the actions between them."""

    now: Tensor
    """(N, V, C, h, w), half precision."""
    goal: Tensor
    """(N, V, C, h, w), half precision."""
    proprioception: Tensor
    """(N, P), robot's units."""
    actions: Tensor
    """(N, n, A), robot's units: the demonstrator's actions, dense and distal."""
    mask: Tensor
    """(N, n) bool: which of the actions lie before the goal."""
    steps_to_go: Tensor
    """(N,) int32: from now to the goal [steps]."""
    robot: Tensor
    """(N,) int32: the robot of each segment, an index into ``robots``."""
    robots: tuple[str, ...]
    """Names of the robots, e.g. ``("sim:place", "sim:plug")``."""

    def __len__(self) -> int:
        return self.now.shape[0]

    def tensors(self) -> dict[str, Tensor]:
        """Return all arrays by name."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "robots"}

    def take(self, rows: Tensor) -> "Retention":
        """Return the segments ``rows``, given as indices or as a mask (N,)."""
        return Retention(**{name: value[rows] for name, value in self.tensors().items()}, robots=self.robots)

    def of(self, robot: str) -> "Retention":
        """Return the segments of ``robot``; all segments if none is of that robot."""
        if robot not in self.robots:
            return self
        return self.take(self.robot == self.robots.index(robot))

    def save(self, folder: Path) -> None:
        """Write the set into the folder of a checkpoint. Raises A2GError."""
        save_part(folder / RETENTION, self.tensors(), ROBOTS, self.robots)


def join(parts: Sequence[Retention]) -> Retention:
    """Return all segments of ``parts``, in order."""
    robots = tuple(dict.fromkeys(name for part in parts for name in part.robots))
    tensors = {name: torch.cat([part.tensors()[name] for part in parts]) for name in parts[0].tensors()}
    robot = [torch.tensor([robots.index(name) for name in part.robots])[part.robot.long()] for part in parts]
    return Retention(**tensors | {"robot": torch.cat(robot).int()}, robots=robots)


def load_retention_set(folder: Path) -> Retention | None:
    """Return the retention set of the base in ``folder``; None if it has none.

    Raises:
        CheckpointError: the base is missing, or the set is damaged or does not fit the base.
    """
    config, _ = checkpoint.read_config(folder)
    path = folder / RETENTION
    part = load_part(path, ROBOTS)
    if part is None:
        return None
    tensors, robots = part
    with parsing(path):
        retention = Retention(**tensors, robots=robots)
    size = Autoencoder.downsampling
    latents = (len(config.cameras), config.latent_channels, config.height // size, config.width // size)
    slots = config.hashing.actions
    count = retention.now.shape[0] if retention.now.ndim else 0
    expected = {
        "now": ((count, *latents), torch.float16),
        "goal": ((count, *latents), torch.float16),
        "proprioception": ((count, len(config.proprioception_names)), torch.float32),
        "actions": ((count, slots, len(config.action_names)), torch.float32),
        "mask": ((count, slots), torch.bool),
        "steps_to_go": ((count,), torch.int32),
        "robot": ((count,), torch.int32),
    }
    check_part(path, tensors, expected)
    if not count or not ((retention.robot >= 0) & (retention.robot < len(robots))).all():
        raise CheckpointError(f"{path} is damaged: it has no segments, or does not name their robots.")
    if not retention.mask.any(1).all() or not (retention.steps_to_go > 0).all():
        raise CheckpointError(f"{path} is damaged: a segment has no action.")
    return retention
