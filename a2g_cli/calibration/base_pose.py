"""The base pose: where the arm stands, relative to where it stood in the training domain."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

POSITION = ("x", "y", "z")
"""Names of the measured values that a base pose changes: the tool's position in the arm's own frame."""
MIN_YAW = math.radians(4)
"""A base pose differs from another when it is turned by more than this [rad] ..."""
MIN_SHIFT = 0.02
"""... or when it moves the mean tool position by more than this [m]."""
TRIM = 0.5
"""Share of the points, those with the smallest errors, that a base pose is fitted to: the tool is often out of sight."""


@dataclass(frozen=True)
class BasePose:
    """The arm's frame in the frame of the training domain: a rotation about the vertical, then a translation."""

    yaw: float
    """[rad]"""
    shift: tuple[float, float, float]
    """[m]"""
    middle: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """The mean position of the tool in the arm's own frame [m]; distances between base poses are measured there."""

    @classmethod
    def identity(cls) -> "BasePose":
        """Return the base pose of the training domain."""
        return cls(0.0, (0.0, 0.0, 0.0))

    def rotation(self) -> Tensor:
        """Return the matrix (3, 3) that rotates vectors of this arm's frame into the frame of the training domain."""
        cos, sin = math.cos(self.yaw), math.sin(self.yaw)
        return torch.tensor([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])

    def to_nominal(self, positions: Tensor) -> Tensor:
        """Return positions (..., 3) of this arm's frame in the frame of the training domain [m]."""
        return positions @ self.rotation().T + torch.tensor(self.shift)

    def distance(self, other: "BasePose") -> tuple[float, float]:
        """Return the angle [rad] and the distance [m] between two base poses, at the mean position of the tool."""
        middle = torch.tensor(self.middle)
        angle = math.remainder(self.yaw - other.yaw, math.tau)
        return abs(angle), float((self.to_nominal(middle) - other.to_nominal(middle)).norm())

    def differs(self, other: "BasePose") -> bool:
        """Whether the base poses differ by more than ``MIN_YAW`` or ``MIN_SHIFT``."""
        angle, distance = self.distance(other)
        return angle > MIN_YAW or distance > MIN_SHIFT

    def to_json(self) -> dict[str, Any]:
        """Return what ``from_json`` reads."""
        return dict(vars(self))

    @classmethod
    def from_json(cls, data: Any) -> "BasePose":
        """Read what ``to_json`` wrote. Raises KeyError, TypeError or ValueError for an invalid base pose."""
        yaw, shift, middle = (
            float(data["yaw"]),
            *(tuple(float(value) for value in data[name]) for name in ("shift", "middle")),
        )
        if not all(map(math.isfinite, (yaw, *shift, *middle))) or len(shift) != 3 or len(middle) != 3:
            raise ValueError(
                "its base pose is not made of finite numbers: one yaw, three for shift and three for middle"
            )
        return cls(yaw, shift, middle)


def fit_base_pose(measured: Tensor, seen: Tensor) -> tuple[BasePose, float]:
    """Return the base pose that maps ``measured`` (N, 3) to ``seen`` (N, 3), and the median error that remains [m].

    Trimmed least squares with a rotation about the vertical (Kabsch in the plane). A detector that is unsure pulls its
    estimates to the mean, which shrinks ``seen``; a rotation has no scale, so it does not shrink with them.
    """
    source, target = measured.double(), seen.double()
    kept = torch.ones(len(source), dtype=torch.bool)
    base_pose, error = BasePose.identity(), torch.zeros(1)
    for _ in range(15):
        source_mean, target_mean = source[kept].mean(0), target[kept].mean(0)
        a, b = (source[kept] - source_mean)[:, :2], (target[kept] - target_mean)[:, :2]
        yaw = math.atan2(float((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()), float((a * b).sum()))
        rotation = BasePose(yaw, (0.0, 0.0, 0.0)).rotation().double()
        shift = target_mean - source_mean @ rotation.T
        error = (source @ rotation.T + shift - target).norm(dim=1)
        kept = error <= error.quantile(TRIM)
        x, y, z = source.mean(0).tolist()
        base_pose = BasePose(yaw, (float(shift[0]), float(shift[1]), float(shift[2])), (x, y, z))
    return base_pose, float(error.median())
