"""The motion law as numbers: what a command makes the motors do. ``calibration/actuator_fit.py`` measures it.

    displacement in one step = [action, 1] @ law

for the values that an action drives: action ``dx`` drives the measured ``x``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class ActuatorModel:
    """What a command brings about in one step."""

    names: tuple[str, ...]
    """The D values that are driven; the action that drives ``x`` is ``dx``."""
    matrix: Tensor
    """(D + 1, D), in the robot's units: gains, then what is added in every step whatever was asked."""

    def displacement(self, command: Tensor) -> Tensor:
        """Return the displacements (..., D) that commands (..., D) bring."""
        return command @ self.matrix[:-1] + self.matrix[-1]

    def command(self, displacement: Tensor) -> Tensor:
        """Return the commands (..., D) that bring ``displacement`` (..., D)."""
        return (displacement - self.matrix[-1]) @ torch.linalg.inv(self.matrix[:-1])

    def apart(self, other: "ActuatorModel", command: Tensor) -> float:
        """Return how far the displacements that ``command`` (N, D) brings by both laws lie apart, relative to their size."""
        ours, theirs = self.displacement(command), other.displacement(command)
        return float((ours - theirs).square().mean().sqrt() / theirs.square().mean().sqrt().clamp(min=1e-9))

    def to_json(self) -> dict[str, Any]:
        """Return what ``from_json`` reads."""
        return {
            "names": list(self.names),
            "matrix": [[round(value, 6) for value in row] for row in self.matrix.tolist()],
        }

    @classmethod
    def from_json(cls, told: Any) -> "ActuatorModel":
        """Read what ``to_json`` wrote. Raises KeyError, TypeError or ValueError for what cannot be a law."""
        names = tuple(str(name) for name in told["names"])
        law = cls(names, torch.tensor(told["matrix"], dtype=torch.float32))
        if law.matrix.shape != (len(names) + 1, len(names)) or not law.turns_round():
            raise ValueError(f"a matrix of {tuple(law.matrix.shape)} for {len(names)} values is no motion law")
        return law

    def turns_round(self) -> bool:
        """Whether every displacement has its command, by numbers that are finite."""
        gains = self.matrix[:-1]
        return bool(self.matrix.isfinite().all()) and float(torch.linalg.svdvals(gains).min()) > 0.05


def driven_names(actions: Sequence[str], proprioception: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the values that an action drives."""
    return tuple(name for name in proprioception if f"d{name}" in actions)


def driven_columns(
    names: Sequence[str], actions: Sequence[str], proprioception: Sequence[str]
) -> tuple[list[int], list[int]]:
    """Return where ``names`` stand: their actions' columns, and their own."""
    acting, measured = list(actions), list(proprioception)
    return [acting.index(f"d{name}") for name in names], [measured.index(name) for name in names]
