"""The motion law: what the motors make of a command, measured on a robot's own recordings, whatever they achieved.

    displacement in one step = [action, 1] @ law

for the values that an action drives (action ``dx`` drives the measured ``x``), by least squares, trimmed: what a collision
kept from happening is no law. Where the law is not the one that the base's demonstrations obeyed, the base's chunks mean
displacements that no longer come about. Through both laws they become the actions that do bring them, and those are what an
adapter is taught: no reward, no label, no demonstration. A failed episode measures the motors as well as any other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from a2g_cli.learning.segments import Segments

TRIM = 0.9
"""The share of the steps that a law is fitted to: those that it fits best."""
LOOSE = 0.15
"""Error that a law leaves, relative to what was moved, beyond which it is none."""
FEWEST = 100
"""Steps below which nothing is measured."""


@dataclass(frozen=True)
class MotionLaw:
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

    def apart(self, other: "MotionLaw", command: Tensor) -> float:
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
    def from_json(cls, told: Any) -> "MotionLaw":
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


def driven(actions: Sequence[str], proprioception: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the values that an action drives."""
    return tuple(name for name in proprioception if f"d{name}" in actions)


def columns(names: Sequence[str], actions: Sequence[str], proprioception: Sequence[str]) -> tuple[list[int], list[int]]:
    """Return where ``names`` stand: their actions' columns, and their own."""
    acting, measured = list(actions), list(proprioception)
    return [acting.index(f"d{name}") for name in names], [measured.index(name) for name in names]


def measure(segments: Segments, actions: Sequence[str], proprioception: Sequence[str]) -> MotionLaw | None:
    """Return the law that episodes obey; None where no action drives a value, or too little was moved to say.

    Args:
        segments: episodes, successful or not.
        actions: names of the actions.
        proprioception: names of the measured values.
    """
    names = driven(actions, proprioception)
    steps = torch.cat([first + torch.arange(int(n)) for first, n in zip(segments.first, segments.length, strict=True)])
    if not names or len(steps) < FEWEST:
        return None
    acting, measured = columns(names, actions, proprioception)
    moved = (segments.proprioception[steps + 1] - segments.proprioception[steps])[:, measured].double()
    asked = segments.actions[steps][:, acting].double()
    rows = torch.cat([asked, torch.ones(len(asked), 1, dtype=asked.dtype)], 1)
    kept = torch.ones(len(rows), dtype=torch.bool)
    for _ in range(10):
        if int(torch.linalg.matrix_rank(rows[kept])) < rows.shape[1]:
            return None  # some direction was never tried
        matrix = torch.linalg.lstsq(rows[kept], moved[kept]).solution
        error = (rows @ matrix - moved).norm(dim=1)
        kept = error <= error.kthvalue(max(1, int(TRIM * len(error)))).values
    if error[kept].square().mean() > LOOSE**2 * moved[kept].square().sum(dim=1).mean():
        return None  # no one law: recordings of robots that differ, or a world that does not yield
    law = MotionLaw(names, matrix.float())
    return law if law.turns_round() else None
