"""The bounds of one robot: from the user's safety limits, the robot's own, and its spec, in this order."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from a2g_cli.core.errors import UnknownNameError, UsageError
from a2g_cli.core.safety_limits import SafetyLimits
from a2g_cli.robots.base import Robot, RobotSpec, safety_of

Row = NDArray[np.float64]

TARGET_STEP = 0.2
"""Default for the largest change of a target from one action to the next: a share of its range."""
TARGET_SPEED = 2.0
"""Default for the largest measured speed of a value with a target [ranges per second]."""
SLACK = 0.02
"""How far a measured value may lie beyond a bound, because servos overshoot: a share of the range."""
MOTION = 0.01
"""Smallest change that counts as motion: a share of the range, or this value if there is no range."""


@dataclass(frozen=True)
class Bounds:
    """One robot's bounds, in the order of its spec. An action with the name of a measured value is its *target*."""

    action_low: Row
    """(A,): requested actions are clipped to it."""
    action_high: Row
    """(A,)."""
    action_step: Row
    """(A,) largest change from one action to the next."""
    measured_low: Row
    """(P,), with the slack subtracted."""
    measured_high: Row
    """(P,)."""
    measured_step: Row
    """(P,) largest measured change from one observation to the next."""
    measured_speed: Row
    """(P,) largest measured speed [the value's unit per second]."""
    motion: Row
    """(P,) smallest change that counts as motion."""
    targets: tuple[tuple[int, int], ...]
    """(action, measured value) of the same name."""


_MAPPINGS = [field.name for field in fields(SafetyLimits) if field.name.startswith(("workspace", "max"))]
_SCALARS = [field.name for field in fields(SafetyLimits) if field.name not in _MAPPINGS]


def limits_of(robot: Robot, given: SafetyLimits) -> SafetyLimits:
    """Return the user's limits (``given``), with the robot's own in place of those that the user left at the default."""
    own, default = safety_of(robot), SafetyLimits()
    merged: dict[str, Any] = {name: {**getattr(own, name), **getattr(given, name)} for name in _MAPPINGS}
    defaults = [name for name in _SCALARS if getattr(given, name) == getattr(default, name)]
    return replace(given, **merged, **{name: getattr(own, name) for name in defaults})


def bounds_of(spec: RobotSpec, limits: SafetyLimits) -> Bounds:
    """Return the bounds that ``limits`` give for a robot.

    Raises:
        UnknownNameError: a limit for a value that is neither an action nor measured.
        UsageError: a lower limit that is not below the upper one, or a step or speed that is not positive.
    """
    _check(spec, limits)
    actions, measured = spec.action_names, spec.proprioception_names
    targets = tuple((actions.index(name), i) for i, name in enumerate(measured) if name in actions)
    action_low = np.maximum(_row(actions, limits.workspace_low, -math.inf), spec.action_low)
    action_high = np.minimum(_row(actions, limits.workspace_high, math.inf), spec.action_high)
    spec_low, spec_high = np.full(len(measured), -math.inf), np.full(len(measured), math.inf)
    for action, value in targets:
        spec_low[value], spec_high[value] = spec.action_low[action], spec.action_high[action]
    low, high = _over(measured, limits.workspace_low, spec_low), _over(measured, limits.workspace_high, spec_high)
    if not ((low < high).all() and (action_low < action_high).all()):
        names = [*np.array(measured)[~(low < high)], *np.array(actions)[~(action_low < action_high)]]
        listed = ", ".join(map(str, dict.fromkeys(names)))
        raise UsageError(f"safety: the limits of {listed} leave no range: a lower limit must be below the upper one.")
    span = high - low
    ranged = np.isfinite(span)
    step = np.full(len(actions), math.inf)
    speed = np.full(len(measured), math.inf)
    for action, value in targets:
        if ranged[value]:
            step[action] = TARGET_STEP * (spec.action_high[action] - spec.action_low[action])
            speed[value] = TARGET_SPEED * (spec.action_high[action] - spec.action_low[action])
    slack = np.where(ranged, SLACK * np.where(ranged, span, 0.0), 0.0)
    return Bounds(
        action_low=action_low,
        action_high=action_high,
        action_step=_over(actions, limits.max_step, step),
        measured_low=low - slack,
        measured_high=high + slack,
        measured_step=_row(measured, limits.max_step, math.inf),
        measured_speed=_over(measured, limits.max_speed, speed),
        motion=np.where(ranged, MOTION * np.where(ranged, span, 1.0), MOTION),
        targets=targets,
    )


def _check(spec: RobotSpec, limits: SafetyLimits) -> None:
    known = {*spec.action_names, *spec.proprioception_names}
    for table in _MAPPINGS:
        for name, value in getattr(limits, table).items():
            if name not in (known if table != "max_speed" else set(spec.proprioception_names)):
                raise UnknownNameError(f"value of {spec.name} in the safety limit {table}", name, known)
            if math.isnan(value) or (table.startswith("max") and value <= 0):
                raise UsageError(f"safety: {table} of {name} is {value:g}; expected a number greater than 0.")


def _row(names: tuple[str, ...], given: Mapping[str, float], default: float) -> Row:
    return np.array([given.get(name, default) for name in names], np.float64)


def _over(names: tuple[str, ...], given: Mapping[str, float], default: Row) -> Row:
    return np.array([given.get(name, value) for name, value in zip(names, default, strict=True)], np.float64)
