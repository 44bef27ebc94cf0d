"""Checks of what a driver returns: spec, observations, actions. A message says what was found and what was expected."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NoReturn

import numpy as np

from a2g_cli.core.errors import HardwareError
from a2g_cli.core.types import Observation, Vector
from a2g_cli.robots.base import RobotSpec

AHEAD = 1.0
"""A time further in the future is from another clock, or in another unit [s]. The guards check smaller differences."""
BEHIND = 10.0
"""The same for an observation's time in the past [s]. The guards check the age of frames."""
SECONDS = "seconds on the robot's clock (`clock.now()`), not milliseconds and not the time of day"


def check_spec(what: str, said: object) -> RobotSpec:
    """Return a driver's spec with Python's own numbers. Raises HardwareError for an invalid one."""
    if not isinstance(said, RobotSpec):
        _refuse(what, f"spec is {kind_of(said)}", "a RobotSpec")
    if not isinstance(said.name, str) or not said.name:
        _refuse(what, f"spec.name is {said.name!r}", "text")
    rate = _number(said.rate)
    if rate is None or not 0 < rate < math.inf:
        _refuse(what, f"spec.rate is {said.rate!r}", "the control rate in Hz, a number greater than 0")
    actions = _names(what, "action_names", said.action_names)
    if not actions:
        _refuse(what, "spec.action_names is empty", "a name for each action")
    measured = _names(what, "proprioception_names", said.proprioception_names)
    _texts(what, "action_units", said.action_units, "action_names", actions)
    _texts(what, "proprioception_units", said.proprioception_units, "proprioception_names", measured)
    low = _numbers(what, "action_low", said.action_low, actions)
    high = _numbers(what, "action_high", said.action_high, actions)
    for name, least, most in zip(actions, low, high, strict=True):
        if not least < most:
            _refuse(what, f"spec.action_low of {name} is {least:g} and its action_high {most:g}", "low < high")
    cameras = _cameras(what, said.cameras)
    depth = _names(what, "depth", said.depth)
    if unknown := [name for name in depth if name not in cameras]:
        _refuse(
            what, f"spec.depth names {', '.join(unknown)}", f"names of its cameras ({', '.join(cameras) or 'none'})"
        )
    return replace(said, rate=rate, action_low=low, action_high=high, cameras=cameras)


def check_observation(what: str, spec: RobotSpec, seen: object, before: float, now: float) -> Observation:
    """Return a driver's observation with its proprioception as float32.

    Args:
        what: the robot in messages.
        spec: its spec.
        seen: what ``observe`` returned.
        before: when ``observe`` was called, on the robot's clock [s].
        now: when it returned [s].

    Raises:
        HardwareError: it does not fit the spec. The guards check for values that are not numbers.
    """
    if not isinstance(seen, Observation):
        _refuse(what, f"observe returned {kind_of(seen)}", "an Observation")
    if not isinstance(seen.images, Mapping) or seen.images.keys() != spec.cameras.keys():
        given = ", ".join(map(str, seen.images)) if isinstance(seen.images, Mapping) else kind_of(seen.images)
        _refuse(
            what,
            f"observe returned images of {given or 'no camera'}",
            f"one of each camera in spec.cameras ({', '.join(spec.cameras) or 'none'})",
        )
    for name, size in spec.cameras.items():
        check_image(f"{what}: camera {name!r}", seen.images[name], size)
    for name in spec.depth:
        check_depth(f"{what}: camera {name!r}", seen.depth.get(name), spec.cameras[name])
    values = seen.proprioception
    if not isinstance(values, np.ndarray):
        _refuse(what, f"observe returned proprioception as {kind_of(values)}", _row_of(spec.proprioception_names))
    values = _row(what, "observe returned proprioception", values, spec.proprioception_names)
    check_time(what, "observe returned the time", seen.time, now, before - BEHIND)
    for name in spec.cameras:
        if not isinstance(seen.captured_at, Mapping) or name not in seen.captured_at:
            _refuse(what, f"observe returned no captured_at of camera {name!r}", SECONDS)
        check_time(what, f"observe returned the captured_at of camera {name!r}", seen.captured_at[name], now)
    return seen if values is seen.proprioception else replace(seen, proprioception=values)


def check_image(what: str, image: object, size: tuple[int, int] | None = None) -> None:
    """Raise HardwareError unless ``image`` is an image, of ``size`` (height, width) [px] if given."""
    height, width = size or ("height", "width")
    expected = f"a numpy array of uint8, ({height}, {width}, 3): height, width, RGB"
    if not isinstance(image, np.ndarray):
        _refuse(what, f"the image is {kind_of(image)}", expected)
    fits = image.ndim == 3 and image.shape[2] == 3 and image.size and (size is None or image.shape[:2] == tuple(size))
    if image.dtype != np.uint8 or not fits:
        _refuse(what, f"the image is {image.dtype}, {image.shape}", expected)


def check_depth(what: str, depth: object, size: tuple[int, int]) -> None:
    """Raise HardwareError unless ``depth`` is a depth image of ``size`` (height, width) [px]."""
    if not isinstance(depth, np.ndarray) or depth.dtype != np.uint16 or depth.shape != tuple(size):
        found = f"{depth.dtype}, {depth.shape}" if isinstance(depth, np.ndarray) else kind_of(depth)
        _refuse(what, f"its depth is {found}", f"a numpy array of uint16, {tuple(size)}: height, width")


def check_time(what: str, said: str, moment: object, now: float, least: float = -math.inf) -> None:
    """Raise HardwareError for a moment that is not a number, is later than ``now``, or earlier than ``least`` [s]."""
    at = _number(moment)
    if at is None or math.isinf(at):
        _refuse(what, f"{said} as {moment!r}", SECONDS)
    if not least <= at <= now + AHEAD:
        _refuse(what, f"{said} {at:.2f}, while the clock says {now:.2f}", SECONDS)


def check_row(what: str, said: str, values: object, names: Sequence[str]) -> Vector:
    """Return a new float32 array with one finite number for each of ``names``. Raises HardwareError for anything else."""
    try:
        row = np.array(values)
    except (TypeError, ValueError):  # ragged, or of an unknown type
        _refuse(what, f"{said} {kind_of(values)}", _row_of(names))
    if values is None:
        _refuse(what, f"{said} None", _row_of(names))
    row = _row(what, said, row, names)
    if not np.isfinite(row).all():
        _refuse(what, f"{said} {row.tolist()}", f"finite numbers, {_row_of(names)}")
    return row


def check_step(what: str, said: object, spec: RobotSpec) -> tuple[Vector, float]:
    """Return the result of ``action_to_rest_pose``. Raises HardwareError unless it is an action and the steps left."""
    left = _number(said[1]) if isinstance(said, tuple) and len(said) == 2 else None
    if not isinstance(said, tuple) or left is None:
        _refuse(
            what,
            f"action_to_rest_pose returned {kind_of(said)}",
            "a tuple of the next action and the number of steps left",
        )
    return check_row(what, "action_to_rest_pose returned the action", said[0], spec.action_names), left


def _row(what: str, said: str, values: np.ndarray[Any, Any], names: Sequence[str]) -> Vector:
    if values.dtype.kind not in "fiu" or values.shape != (len(names),):
        _refuse(what, f"{said} as {values.dtype}, {values.shape}", _row_of(names))
    return values.astype(np.float32, copy=False)


def _row_of(names: Sequence[str]) -> str:
    return f"a numpy array of float32, ({len(names)},): one number for each of {', '.join(names) or 'no names'}"


def _tuple(what: str, field: str, said: object, of: str) -> tuple[Any, ...]:
    if not isinstance(said, tuple):
        _refuse(what, f"spec.{field} is {kind_of(said)}", f"a tuple of {of}, such as tuple(values)")
    return said


def _names(what: str, field: str, said: object) -> tuple[str, ...]:
    names = _tuple(what, field, said, "names")
    if not all(isinstance(name, str) and name for name in names) or len(set(names)) != len(names):
        _refuse(what, f"spec.{field} is {names!r}", "names, each of them once")
    return names


def _texts(what: str, field: str, said: object, of: str, names: tuple[str, ...]) -> None:
    texts = _tuple(what, field, said, "text")
    if len(texts) != len(names) or not all(isinstance(text, str) for text in texts):
        _refuse(what, f"spec.{field} is {texts!r}", _each(of, names))


def _numbers(what: str, field: str, said: object, names: tuple[str, ...]) -> tuple[float, ...]:
    numbers = _tuple(what, field, said, "numbers")
    found = tuple(value for one in numbers if (value := _number(one)) is not None)
    if not len(found) == len(numbers) == len(names):
        _refuse(what, f"spec.{field} is {numbers!r}", f"a number for each of action_names ({', '.join(names)})")
    return found


def _number(value: object) -> float | None:
    """Return a number of Python or numpy as float; None for anything else, and for NaN."""
    if not isinstance(value, int | float | np.integer | np.floating) or math.isnan(value):
        return None
    return float(value)


def _each(of: str, names: tuple[str, ...]) -> str:
    return f"one for each of {of} ({', '.join(names) or 'none'})"


def _cameras(what: str, said: object) -> dict[str, tuple[int, int]]:
    if not isinstance(said, Mapping):
        _refuse(what, f"spec.cameras is {kind_of(said)}", "a dictionary, camera name -> (height, width)")
    cameras = {}
    for name, size in said.items():
        pixels = [int(one) for one in size if isinstance(one, int | np.integer)] if isinstance(size, tuple) else []
        if not isinstance(name, str) or not name or len(pixels) != 2 or len(size) != 2 or min(pixels) < 1:
            _refuse(what, f"spec.cameras says {size!r} for {name!r}", "a tuple of pixels, (height, width)")
        cameras[name] = (pixels[0], pixels[1])
    return cameras


def kind_of(value: object) -> str:
    """Return the type of ``value`` in words."""
    kind = type(value)
    if value is None or kind in (list, tuple, dict):
        return "None" if value is None else f"a {kind.__name__}"
    return "a numpy array" if kind is np.ndarray else f"an object of type {kind.__module__}.{kind.__qualname__}"


def _refuse(what: str, found: str, expected: str) -> NoReturn:
    raise HardwareError(f"{what}: {found}; expected {expected}.")
