"""Shifts of any Gymnasium environment: its cameras moved (MuJoCo's), its actions weakened and pulled to one side.

A shift is the simulator's, by the same name (``camera-bump:0.5``, ``actuator-gain``), as far as an environment that nobody
here wrote can have it. What it cannot have is refused, never left out.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from a2g_cli.core.errors import UsageError
from a2g_cli.core.types import Vector
from a2g_cli.robots.sim import MAX_STEP
from a2g_cli.simulator.shifts import Shift

POSSIBLE = ("camera_slide", "camera_roll", "motor_gain", "motor_pull", "name", "strength")
"""What of a Shift an environment can have."""


def check_shift(robot: str, shift: Shift, names: tuple[str, ...]) -> None:
    """Check that an environment can have ``shift``; ``names`` are its actions'. Raises UsageError."""
    nominal = vars(Shift())
    changed = [name for name, value in vars(shift).items() if value != nominal[name]]
    if impossible := [name for name in changed if name not in POSSIBLE]:
        raise UsageError(
            f"{robot} cannot have the shift {shift}: {', '.join(impossible)} is the simulator's alone. It can have "
            "camera-bump and actuator-gain; others are options of the environment: options = { ... } under [robot]."
        )
    if {"motor_gain", "motor_pull"} & set(changed) and not driven(names):
        raise UsageError(
            f"{robot} cannot have the shift {shift}: none of its actions is a displacement. Name them: "
            'actions = ["dx", "dy", ...] under [robot] in a2g.toml.'
        )


def driven(names: tuple[str, ...]) -> list[int]:
    """Return the indices of the actions that are displacements: ``d`` and the name of what they move (``dx``)."""
    return [i for i, name in enumerate(names) if name.startswith("d") and len(name) > 1]


def weakened(shift: Shift, action: Vector, names: tuple[str, ...], low: Vector, high: Vector) -> Vector:
    """Return the action (A,) that the environment gets for ``action``.

    Displacements are multiplied by ``motor_gain``. The first three of them are pulled by ``motor_pull``, which is taken as
    a share of the largest displacement, as it is of the simulator's.
    """
    if shift.motor_gain == 1.0 and not any(shift.motor_pull):
        return action
    moved = action.copy()
    for place, i in enumerate(driven(names)):
        pull = shift.motor_pull[place] / MAX_STEP if place < len(shift.motor_pull) else 0.0
        moved[i] = shift.motor_gain * action[i] + pull * (high[i] - low[i]) / 2
    return np.clip(moved, low, high).astype(np.float32)


def move_cameras(robot: str, env: Any, shift: Shift) -> None:
    """Move the cameras of an environment's MuJoCo model that stand in the world. Raises UsageError if there are none.

    A camera slides sideways, still looks at the point that it looked at, and is rolled about its line of sight.
    """
    if not shift.camera_slide and not shift.camera_roll:
        return
    model = getattr(env.unwrapped, "model", None)
    if model is None or not hasattr(model, "cam_pos"):
        raise UsageError(
            f"{robot} cannot have the shift {shift}: no MuJoCo model with cameras is reachable (env.model)."
        )
    standing = [i for i in range(model.ncam) if model.cam_bodyid[i] == 0]
    if not standing:
        raise UsageError(f"{robot} cannot have the shift {shift}: no camera of its MuJoCo model stands in the world.")
    for i in standing:
        turned = _matrix(np.asarray(model.cam_quat[i], np.float64))
        position = np.asarray(model.cam_pos[i], np.float64)
        right, backward = turned[:, 0], turned[:, 2]
        away = max(float((position - model.stat.center) @ backward), 0.1)
        point, moved = position - away * backward, position + shift.camera_slide * right
        new_backward = (moved - point) / np.linalg.norm(moved - point)
        new_right = np.cross(turned[:, 1], new_backward)
        new_right /= np.linalg.norm(new_right)
        up = np.cross(new_backward, new_right)
        cos, sin = np.cos(shift.camera_roll), np.sin(shift.camera_roll)
        model.cam_pos[i] = moved
        model.cam_quat[i] = _quaternion(
            np.stack([cos * new_right + sin * up, cos * up - sin * new_right, new_backward], 1)
        )


def _matrix(quaternion: NDArray[np.float64]) -> NDArray[np.float64]:
    w, x, y, z = quaternion / np.linalg.norm(quaternion)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def _quaternion(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a unit quaternion (w, x, y, z): the eigenvector of the largest eigenvalue (Bar-Itzhack 2000)."""
    m = matrix
    k = np.array(
        [
            [m[0, 0] + m[1, 1] + m[2, 2], m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]],
            [m[2, 1] - m[1, 2], m[0, 0] - m[1, 1] - m[2, 2], m[0, 1] + m[1, 0], m[0, 2] + m[2, 0]],
            [m[0, 2] - m[2, 0], m[0, 1] + m[1, 0], m[1, 1] - m[0, 0] - m[2, 2], m[1, 2] + m[2, 1]],
            [m[1, 0] - m[0, 1], m[0, 2] + m[2, 0], m[1, 2] + m[2, 1], m[2, 2] - m[0, 0] - m[1, 1]],
        ]
    )
    values, vectors = np.linalg.eigh(k)
    chosen: NDArray[np.float64] = vectors[:, int(np.argmax(values))]
    return chosen
