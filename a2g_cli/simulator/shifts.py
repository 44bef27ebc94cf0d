"""Shifts: how a deployment differs from the demonstrations. Each is a set of effects that grow with its strength."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from a2g_cli.core.errors import UnknownNameError, UsageError

Colour = tuple[float, float, float]
"""Red, green, blue, 0 to 1."""
MAT: Colour = (0.86, 0.84, 0.78)


@dataclass(frozen=True)
class Shift:
    """The effects of a shift. As constructed without arguments: none."""

    name: str = "none"
    strength: float = 0.0
    camera_slide: float = 0.0
    """Cameras moved sideways, still looking at the same point [m]."""
    camera_roll: float = 0.0
    """Cameras rolled about their line of sight [rad]."""
    mount_yaw: float = 0.0
    """The arm walked round the workspace's centre by this angle, facing it [rad]."""
    novelty: float = 0.0
    """How far the things are on their way to others, unlike any in the demonstrations: 0 none, 1 all of it."""
    unseen: bool = False
    """Ask for what no demonstration shows: other words and figures, other things."""
    mat_colour: Colour = MAT
    """What the arm works on."""
    light_swing: float = 0.0
    """The light carried round the vertical by this angle [rad]."""
    light_scale: float = 1.0
    """The light's intensity, relative."""
    light_colour: Colour = (1.0, 1.0, 1.0)
    motor_gain: float = 1.0
    """Displacement that the motors make of a commanded one, relative."""
    motor_pull: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Displacement added in every step, in the base frame [m]."""

    def __str__(self) -> str:
        """Return what parse_shift reads."""
        return self.name if self.name == "none" else f"{self.name}:{self.strength:g}"


def _camera_bump(strength: float) -> Shift:
    return Shift(camera_slide=0.12 * strength, camera_roll=math.radians(3.6) * strength)


def _remounted(strength: float) -> Shift:
    return Shift(mount_yaw=math.radians(25) * strength)


def _new_object(strength: float) -> Shift:
    return Shift(novelty=0.3 * strength)


def _unseen(strength: float) -> Shift:
    # What is asked is unseen at every strength; how strange it looks grows.
    return Shift(unseen=True, novelty=0.5 * strength, mat_colour=blend_colours(MAT, (0.62, 0.72, 0.66), strength))


def _relit(strength: float) -> Shift:
    return Shift(
        light_swing=math.radians(52) * strength,
        light_scale=math.exp(-0.24 * strength),
        light_colour=blend_colours((1.0, 1.0, 1.0), (1.0, 0.895, 0.77), strength),
    )


def _weak_motors(strength: float) -> Shift:
    # 0.585 at strength 1; the power keeps a gain above zero at every strength.
    return Shift(motor_gain=0.585**strength, motor_pull=(0.0016 * strength, 0.0039 * strength, 0.0))


def _other_bench(strength: float) -> Shift:
    # The same robot put up anew: nothing is where it was, and none of it by much.
    parts = (_camera_bump(0.5 * strength), _remounted(0.5 * strength), _relit(strength), _weak_motors(0.35 * strength))
    unchanged = vars(Shift())
    changed = (vars(part).items() for part in parts)
    return Shift(**dict(item for items in changed for item in items if item[1] != unchanged[item[0]]))


SHIFTS: dict[str, Callable[[float], Shift]] = {
    "camera-bump": _camera_bump,
    "new-object": _new_object,
    "other-bench": _other_bench,
    "relit": _relit,
    "remounted": _remounted,
    "unseen": _unseen,
    "weak-motors": _weak_motors,
}
MAX_STRENGTH = 2.0
"""Beyond this the scene leaves the picture, the reach or the gripper's grasp."""


def parse_shift(text: str) -> Shift:
    """Return the shift that ``"name"`` or ``"name:strength"`` describes; strength 1 is meant, 0 is no shift at all.

    Raises:
        UnknownNameError: there is no shift of that name.
        UsageError: the strength is not a number from 0 to 2.
    """
    name, colon, number = text.partition(":")
    if name != "none" and name not in SHIFTS:
        raise UnknownNameError("shift", name, ["none", *SHIFTS])
    try:
        strength = float(number) if colon else 1.0
    except ValueError:
        strength = math.nan
    if not 0.0 <= strength <= MAX_STRENGTH:
        raise UsageError(f"shift {text!r}: the strength must be a number from 0 to {MAX_STRENGTH:g}, as in {name}:0.5")
    if name == "none" or strength == 0.0:
        return Shift()
    effects = SHIFTS[name](strength)
    return Shift(**{**vars(effects), "name": name, "strength": strength})


def blend(start: float, end: float, share: float) -> float:
    """Return the value ``share`` of the way from ``start`` to ``end``."""
    return start + (end - start) * share


def blend_colours(start: Colour, end: Colour, share: float) -> Colour:
    """Return the colour ``share`` of the way from ``start`` to ``end``, within 0 to 1."""
    red, green, blue = (min(1.0, max(0.0, blend(a, b, share))) for a, b in zip(start, end, strict=True))
    return red, green, blue
