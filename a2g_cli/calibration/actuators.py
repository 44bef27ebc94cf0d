"""The actuator model: what a command makes the actuators do in one step.

    displacement = [action, 1] @ matrix

for the measured values that an action drives: action ``dx`` drives the measured value ``x``. ``fit_actuators`` measures it on
a robot's own recordings, successful or not: no reward, no label, no demonstration. Where the model differs from that of the
base's demonstrations, the base's actions have another effect; both models together give the actions with the right effect.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from a2g_cli.encoding.segments import Segments

MIN_CHANGE = 0.15
"""Models differ when their displacements differ by more than this, relative to their size."""
TRIM = 0.9
"""Share of the steps, those with the smallest errors, that a model is fitted to: a collision keeps a command from acting."""
MAX_ERROR = 0.2
"""Error relative to the displacement beyond which a fit is rejected."""
LEAST_GAIN = 0.05
"""The direction that commands move least, as a share of the one that they move most; below it is noise."""
MIN_STEPS = 100
"""Number of steps that a fit needs."""


@dataclass(frozen=True)
class ActuatorModel:
    """The displacement that a command causes in one step."""

    names: tuple[str, ...]
    """The D values that are driven; action ``dx`` drives ``x``."""
    matrix: Tensor
    """(D + 1, D), in the robot's units: D rows of gains, then one row that is added whatever the command."""

    @classmethod
    def identity(cls, names: tuple[str, ...]) -> "ActuatorModel":
        """Return the model of actuators that move by exactly what is commanded."""
        return cls(names, torch.eye(len(names) + 1, len(names)))

    def displacement(self, command: Tensor) -> Tensor:
        """Return the displacements (..., D) that commands (..., D) cause."""
        return command @ self.matrix[:-1] + self.matrix[-1]

    def inverse(self, displacement: Tensor) -> Tensor:
        """Return the commands (..., D) that cause displacements (..., D)."""
        return (displacement - self.matrix[-1]) @ torch.linalg.inv(self.matrix[:-1])

    def distance(self, other: "ActuatorModel", commands: Tensor) -> float:
        """Return the RMS difference of the displacements that ``commands`` (N, D) cause, relative to those of ``other``."""
        mine, reference = self.displacement(commands), other.displacement(commands)
        return float((mine - reference).square().mean().sqrt() / reference.square().mean().sqrt().clamp(min=1e-9))

    def differs(self, other: "ActuatorModel", commands: Tensor) -> bool:
        """Whether the models differ by more than ``MIN_CHANGE`` for ``commands`` (N, D)."""
        return self.distance(other, commands) > MIN_CHANGE

    def invertible(self) -> bool:
        """Whether all numbers are finite and every displacement has a command, in whatever unit commands are given."""
        if not self.matrix.isfinite().all():
            return False
        gains = torch.linalg.svdvals(self.matrix[:-1])
        return bool(gains.min() > LEAST_GAIN * gains.max())

    def to_json(self) -> dict[str, Any]:
        """Return what ``from_json`` reads."""
        return {
            "names": list(self.names),
            "matrix": [[round(value, 6) for value in row] for row in self.matrix.tolist()],
        }

    @classmethod
    def from_json(cls, data: Any) -> "ActuatorModel":
        """Read what ``to_json`` wrote. Raises KeyError, TypeError or ValueError for an invalid model."""
        names = tuple(str(name) for name in data["names"])
        model = cls(names, torch.tensor(data["matrix"], dtype=torch.float32))
        if model.matrix.shape != (len(names) + 1, len(names)) or not model.invertible():
            raise ValueError(
                f"a matrix of shape {tuple(model.matrix.shape)} for {len(names)} values is no actuator model: expected "
                f"{(len(names) + 1, len(names))}, finite and invertible"
            )
        return model


def driven_names(actions: Sequence[str], proprioception: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the measured values that an action drives."""
    return tuple(name for name in proprioception if f"d{name}" in actions)


def driven_columns(
    names: Sequence[str], actions: Sequence[str], proprioception: Sequence[str]
) -> tuple[list[int], list[int]]:
    """Return the columns of ``names`` among the actions that drive them, and among the measured values."""
    acting, measured = list(actions), list(proprioception)
    return [acting.index(f"d{name}") for name in names], [measured.index(name) for name in names]


def displacements(
    segments: Segments, names: Sequence[str], actions: Sequence[str], proprioception: Sequence[str]
) -> tuple[Tensor, Tensor]:
    """Return the commands (N, D) that drive ``names``, and the displacements (N, D) that they were followed by."""
    steps = torch.cat([first + torch.arange(int(n)) for first, n in zip(segments.first, segments.length, strict=True)])
    acting, measured = driven_columns(names, actions, proprioception)
    displacement = (segments.proprioception[steps + 1] - segments.proprioception[steps])[:, measured]
    return segments.actions[steps][:, acting], displacement


def fit_actuators(segments: Segments, actions: Sequence[str], proprioception: Sequence[str]) -> ActuatorModel | None:
    """Return the actuator model of some episodes, by trimmed least squares.

    Args:
        segments: episodes, successful or not.
        actions: names of the actions.
        proprioception: names of the measured values.

    Returns:
        None where no action drives a value, there are too few steps, some direction was never commanded, or no single
        model fits.
    """
    names = driven_names(actions, proprioception)
    command, displacement = displacements(segments, names, actions, proprioception)
    command, displacement = command.double(), displacement.double()
    if not names or len(command) < MIN_STEPS:
        return None
    rows = torch.cat([command, torch.ones(len(command), 1, dtype=command.dtype)], 1)
    kept = torch.ones(len(rows), dtype=torch.bool)
    for _ in range(10):
        if int(torch.linalg.matrix_rank(rows[kept])) < rows.shape[1]:
            return None
        matrix = torch.linalg.lstsq(rows[kept], displacement[kept]).solution
        error = (rows @ matrix - displacement).norm(dim=1)
        kept = error <= error.kthvalue(max(1, int(TRIM * len(error)))).values
    if error[kept].square().mean() > MAX_ERROR**2 * displacement[kept].square().sum(dim=1).mean():
        return None  # recordings of robots that differ, or of an arm that is blocked
    model = ActuatorModel(names, matrix.float())
    return model if model.invertible() else None
