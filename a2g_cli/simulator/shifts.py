"""Shifts: how a simulated deployment differs from training. A shift is a set of effects that grow with its strength.

Shifts are plugins: functions ``strength -> Shift`` in the entry-point group ``a2g.shifts``.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

from a2g_cli.core import plugins
from a2g_cli.core.errors import PluginError, UnknownNameError, UsageError

Colour = tuple[float, float, float]
"""Red, green, blue, 0 to 1."""
MAT: Colour = (0.86, 0.84, 0.78)


@dataclass(frozen=True)
class Shift:
    """The effects of a shift; without arguments, no effect."""

    name: str = "none"
    strength: float = 0.0
    camera_slide: float = 0.0
    """Sideways motion of the cameras, which still look at the same point [m]."""
    camera_roll: float = 0.0
    """Rotation of the cameras about their line of sight [rad]."""
    mount_yaw: float = 0.0
    """Base pose: the arm stands rotated by this angle about the workspace's centre, and faces it [rad]."""
    novelty: float = 0.0
    """How much the objects differ from those of the demonstrations, 0 to 1."""
    unseen: bool = False
    """Whether the tasks are ones that no demonstration shows: other words and figures, other objects."""
    mat_colour: Colour = MAT
    """Colour of the work surface."""
    light_swing: float = 0.0
    """Rotation of the light about the vertical [rad]."""
    light_scale: float = 1.0
    """Relative intensity of the light."""
    light_colour: Colour = (1.0, 1.0, 1.0)
    motor_gain: float = 1.0
    """Displacement by the motors, relative to the commanded one."""
    motor_pull: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Displacement that is added in every step, in the base frame [m]."""

    def __str__(self) -> str:
        """Return the shift as ``parse_shift`` reads it."""
        return self.name if self.name == "none" else f"{self.name}:{self.strength:g}"


def camera_bump(strength: float) -> Shift:
    """The cameras were pushed: moved sideways and rolled."""
    return Shift(camera_slide=0.12 * strength, camera_roll=math.radians(3.6) * strength)


def base_pose(strength: float) -> Shift:
    """The arm stands at another angle."""
    return Shift(mount_yaw=math.radians(25) * strength)


def new_object(strength: float) -> Shift:
    """The objects look different from those of the demonstrations."""
    return Shift(novelty=0.3 * strength)


def unseen(strength: float) -> Shift:
    """The task is one that no demonstration shows, at every strength; it looks stranger as strength grows."""
    return Shift(unseen=True, novelty=0.5 * strength, mat_colour=blend_colours(MAT, (0.62, 0.72, 0.66), strength))


def lighting(strength: float) -> Shift:
    """The light comes from elsewhere, dimmer and warmer."""
    return Shift(
        light_swing=math.radians(52) * strength,
        light_scale=math.exp(-0.24 * strength),
        light_colour=blend_colours((1.0, 1.0, 1.0), (1.0, 0.895, 0.77), strength),
    )


def actuator_gain(strength: float) -> Shift:
    """The motors move the arm less far than commanded, and pull it to one side."""
    # 0.585 at strength 1; the power keeps a gain above zero at every strength.
    return Shift(motor_gain=0.585**strength, motor_pull=(0.0016 * strength, 0.0039 * strength, 0.0))


def combined(strength: float) -> Shift:
    """The same robot set up anew: cameras, base pose, light and motors all differ a little."""
    parts = (camera_bump(0.5 * strength), base_pose(0.5 * strength), lighting(strength), actuator_gain(0.35 * strength))
    unchanged = vars(Shift())
    changed = (vars(part).items() for part in parts)
    return Shift(**dict(item for items in changed for item in items if item[1] != unchanged[item[0]]))


OLD_NAMES = {
    "other-bench": "combined",
    "relit": "lighting",
    "remounted": "base-pose",
    "weak-motors": "actuator-gain",
}
"""Version 0.1's names, as recordings, sessions and ``a2g.toml`` have them -> today's."""
MAX_STRENGTH = 2.0
"""Largest strength: beyond it, objects leave the image, the arm's reach or the gripper."""


def current_name(text: str) -> str:
    """Return ``"name:strength"`` with today's name in the place of version 0.1's."""
    name, colon, number = text.partition(":")
    return OLD_NAMES.get(name, name) + colon + number


def parse_shift(text: str) -> Shift:
    """Return the shift ``"name"`` or ``"name:strength"``; the strength is 1 if it is left out, and 0 is no shift.

    Names of version 0.1 are understood, because files have them; the command line refuses them (``cli/renamed.py``).

    Raises:
        UnknownNameError: there is no shift of that name.
        PluginError: the shift cannot be imported, or fails.
        UsageError: the strength is not a number from 0 to 2.
    """
    name, colon, number = current_name(text).partition(":")
    effect = None if name == "none" else _find(name)
    try:
        strength = float(number) if colon else 1.0
    except ValueError:
        strength = math.nan
    if not 0.0 <= strength <= MAX_STRENGTH:
        raise UsageError(f"shift {text!r}: the strength must be a number from 0 to {MAX_STRENGTH:g}, as in {name}:0.5")
    if effect is None or strength == 0.0:
        return Shift()
    with plugins.calling(f"shift {name!r}", "its call", plugins.is_built_in(effect), PluginError):
        return replace(effect(strength), name=name, strength=strength)


@cache
def _find(name: str) -> Callable[[float], Shift]:
    try:
        effect: Callable[[float], Shift] = plugins.load("shift", name)
    except UnknownNameError:
        raise UnknownNameError("shift", name, ["none", *plugins.known("shift")]) from None
    return effect


def blend(start: float, end: float, share: float) -> float:
    """Return the value ``share`` of the way from ``start`` to ``end``."""
    return start + (end - start) * share


def blend_colours(start: Colour, end: Colour, share: float) -> Colour:
    """Return the colour ``share`` of the way from ``start`` to ``end``, within 0 to 1."""
    red, green, blue = (min(1.0, max(0.0, blend(a, b, share))) for a, b in zip(start, end, strict=True))
    return red, green, blue
