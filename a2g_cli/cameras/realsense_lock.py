"""Sets exposure, gain and white balance of a RealSense colour sensor, or locks them at the values of its automatic.

While the automatic exposure is on, the colour sensor of a D400 reports the last manual value, not the one in use. So the
value is found by trying exposures until the images are equally bright.
"""

from collections.abc import Callable, Mapping
from typing import Any

from a2g_cli.core.errors import UsageError
from a2g_cli.core.types import Image

SETTLING = 6
"""Frames until a new setting takes effect [frames]."""
_STEPS = 10
_CLOSE = 0.04
"""Relative difference below which two brightnesses count as equal."""


def check_wanted(rs: Any, sensor: Any, wanted: Mapping[str, float | None]) -> None:
    """Raise UsageError for a setting that the sensor does not have, or a value outside its range."""
    for name, value in wanted.items():
        if value is None:
            continue
        option = getattr(rs.option, name)
        if not sensor.supports(option):
            raise UsageError(f"this RealSense has no setting {name}.")
        bounds = sensor.get_option_range(option)
        if not bounds.min <= value <= bounds.max:
            raise UsageError(f"{name} {value:g} is outside what the camera allows: {bounds.min:g} to {bounds.max:g}.")


def lock(rs: Any, sensor: Any, wanted: Mapping[str, float | None], take: Callable[[], Image]) -> dict[str, float]:
    """Switch the automatics off and return the sensor's settings.

    Args:
        rs: the SDK's module.
        sensor: a streaming sensor whose automatics have settled.
        wanted: exposure, gain and white_balance in the camera's own units; None for the value of the automatic.
        take: returns the next image.
    """
    option = rs.option
    if sensor.supports(option.enable_auto_exposure):
        target = brightness(take())
        was_automatic = bool(sensor.get_option(option.enable_auto_exposure))
        sensor.set_option(option.enable_auto_exposure, 0.0)
        for name in ("gain", "exposure"):
            if wanted[name] is not None:
                sensor.set_option(getattr(option, name), float(wanted[name] or 0.0))
        if wanted["exposure"] is None and was_automatic and sensor.supports(option.exposure):
            _match(sensor, option.exposure, target, take)
    if sensor.supports(option.enable_auto_white_balance):
        sensor.set_option(option.enable_auto_white_balance, 0.0)
    if wanted["white_balance"] is not None:
        sensor.set_option(option.white_balance, float(wanted["white_balance"]))
    return current(rs, sensor)


def current(rs: Any, sensor: Any) -> dict[str, float]:
    """Return exposure, gain and white balance as the sensor reports them, if it has them."""
    names = ("exposure", "gain", "white_balance")
    options = {name: getattr(rs.option, name) for name in names}
    return {name: float(sensor.get_option(which)) for name, which in options.items() if sensor.supports(which)}


def restore(rs: Any, sensor: Any, settings: Mapping[str, float]) -> None:
    """Set the values that ``lock`` returned again, after a reset."""
    for automatic in (rs.option.enable_auto_exposure, rs.option.enable_auto_white_balance):
        if sensor.supports(automatic):
            sensor.set_option(automatic, 0.0)
    for name, value in settings.items():
        sensor.set_option(getattr(rs.option, name), value)


def brightness(image: Image) -> float:
    """Return the mean of all pixel values, 0 to 255."""
    return float(image.mean())


def _match(sensor: Any, option: Any, target: float, take: Callable[[], Image]) -> None:
    """Set ``option`` so that images are as bright as ``target``, by bisection on a logarithmic scale."""
    bounds = sensor.get_option_range(option)
    low, high = max(bounds.min, bounds.step, 1e-6), bounds.max
    value = float(sensor.get_option(option))
    for _ in range(_STEPS):
        sensor.set_option(option, value)
        for _ in range(SETTLING):
            take()
        seen = brightness(take())
        if abs(seen - target) <= _CLOSE * max(target, 1.0):
            return
        low, high = (value, high) if seen < target else (low, value)
        middle = (low * high) ** 0.5
        value = bounds.min + round((middle - bounds.min) / bounds.step) * bounds.step if bounds.step else middle
