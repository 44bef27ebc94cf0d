"""What a base keeps of its demonstrations, so that an adapted policy can be held against it without any of them at hand.

``retention.safetensors`` beside a base's weights; ``training/retention.py`` makes and uses it. A base without it acts and
adapts; what adapting costs at home is then not measured. It is no part of the base's hash.
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
    """N segments of demonstrations as latents, without pictures and without the frames between."""

    now: Tensor
    """(N, V, C, h, w), half precision."""
    goal: Tensor
    """(N, V, C, h, w), half precision."""
    proprioception: Tensor
    """(N, P), robot's units."""
    actions: Tensor
    """(N, n, A), robot's units: what the demonstrator did, dense and distal."""
    mask: Tensor
    """(N, n) bool: which of them lie before the goal."""
    steps_to_go: Tensor
    """(N,) int32: from now to the goal [steps]."""
    robot: Tensor
    """(N,) int32: whose each is, a place in ``robots``."""
    robots: tuple[str, ...]
    """Who they were, e.g. ``("sim:place", "sim:plug")``."""

    def __len__(self) -> int:
        return self.now.shape[0]

    def tensors(self) -> dict[str, Tensor]:
        """Return all arrays by name."""
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name != "robots"}

    def take(self, rows: Tensor) -> "Retention":
        """Return the segments ``rows``, as numbers or as a mask (N,)."""
        return Retention(**{name: value[rows] for name, value in self.tensors().items()}, robots=self.robots)

    def of(self, robot: str) -> "Retention":
        """Return the segments of ``robot``; all of them where none is its own, as with a base from other robots' data."""
        if robot not in self.robots:
            return self
        return self.take(self.robot == self.robots.index(robot))

    def save(self, folder: Path) -> None:
        """Write it beside a checkpoint. Raises A2GError."""
        save_part(folder / RETENTION, self.tensors(), ROBOTS, self.robots)


def join(parts: Sequence[Retention]) -> Retention:
    """Return all segments of ``parts``, in order."""
    robots = tuple(dict.fromkeys(name for part in parts for name in part.robots))
    tensors = {name: torch.cat([part.tensors()[name] for part in parts]) for name in parts[0].tensors()}
    whose = [torch.tensor([robots.index(name) for name in part.robots])[part.robot.long()] for part in parts]
    return Retention(**tensors | {"robot": torch.cat(whose).int()}, robots=robots)


def load_retention_set(folder: Path) -> Retention | None:
    """Return what the base in ``folder`` keeps of its demonstrations; None where it keeps nothing.

    Raises:
        CheckpointError: the base is missing, or what it keeps is damaged or not for its shape.
    """
    config, _ = checkpoint.read_config(folder)
    path = folder / RETENTION
    part = load_part(path, ROBOTS)
    if part is None:
        return None
    tensors, robots = part
    with parsing(path):
        found = Retention(**tensors, robots=robots)
    size = Autoencoder.downsampling
    latents = (len(config.cameras), config.latent_channels, config.height // size, config.width // size)
    slots = config.hashing.actions
    count = found.now.shape[0] if found.now.ndim else 0
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
    if not count or not ((found.robot >= 0) & (found.robot < len(robots))).all():
        raise CheckpointError(f"{path} is damaged: it holds no segments, or does not say whose they are.")
    if not found.mask.any(1).all() or not (found.steps_to_go > 0).all():
        raise CheckpointError(f"{path} is damaged: a segment of it holds no action.")
    return found
