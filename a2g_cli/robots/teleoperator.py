"""What a person moves to show a robot what to do: a leader arm, or any device that gives the robot's actions."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from a2g_cli.core import plugins
from a2g_cli.core.errors import HardwareError, UsageError
from a2g_cli.core.types import Vector
from a2g_cli.robots.base import RobotSpec


class Teleoperator(Protocol):
    """A teleoperator driver (entry-point group ``a2g.teleoperators``); its constructor's arguments are its settings."""

    @property
    def units(self) -> Mapping[str, str]:
        """Name -> unit of the numbers of an action; an empty unit means unknown."""
        ...

    def connect(self) -> None:
        """Open the device. Raises HardwareError."""

    def action(self) -> Mapping[str, float]:
        """Return name -> value of the present action. Raises HardwareError."""
        ...

    def close(self) -> None:
        """Close the device; harmless when called twice."""


class CheckedTeleoperator:
    """A teleoperator for one robot: every error of the driver is a HardwareError, every action has the robot's order.

    Args:
        driver: the device, not connected.
        what: its name in messages.
        spec: the robot's.

    Raises:
        UsageError: the device's names or units are not the robot's.
    """

    def __init__(self, driver: Teleoperator, what: str, spec: RobotSpec) -> None:
        self._driver, self._what, self._spec = driver, what, spec
        self._built_in = plugins.is_built_in(type(driver))
        with plugins.calling(what, "units", self._built_in):
            units = dict(driver.units)
        lacking = [name for name in spec.action_names if name not in units]
        if lacking:
            raise UsageError(
                f"{what} does not move {', '.join(lacking)} of {spec.name}: it gives {', '.join(units) or 'nothing'}."
            )
        for name, unit in zip(spec.action_names, spec.action_units, strict=True):
            if units[name] and units[name] != unit:
                raise UsageError(
                    f"{what} gives {name} in {units[name]}, {spec.name} takes it in {unit}: set both to the same unit "
                    "(LeRobot: use_degrees)."
                )

    def connect(self) -> None:
        """Open the device. Raises HardwareError."""
        with plugins.calling(self._what, "connect", self._built_in):
            self._driver.connect()

    def action(self) -> Vector:
        """Return the present action (A,), within the robot's limits. Raises HardwareError if the device gives none."""
        with plugins.calling(self._what, "action", self._built_in):
            given = self._driver.action()
            row = np.array([float(given[name]) for name in self._spec.action_names], np.float32)
        if not np.isfinite(row).all():
            raise HardwareError(f"{self._what} gave {row!r}: not all of them are numbers.")
        return self._spec.clip(row)

    def close(self) -> None:
        """Close the device. Raises HardwareError."""
        with plugins.calling(self._what, "close", self._built_in):
            self._driver.close()


def make_teleoperator(name: str, settings: Mapping[str, Any], spec: RobotSpec) -> CheckedTeleoperator:
    """Return the teleoperator ``DRIVER`` or ``DRIVER:WHAT`` for a robot; WHAT is the value of the driver's first setting.

    Raises:
        UnknownNameError: no such driver.
        UsageError: a setting that it does not have; names or units that are not the robot's.
        HardwareError: it cannot be made.
    """
    driver, what = plugins.split(name)
    asked = {} if what is None else {plugins.first("teleoperator", driver): what}
    made = plugins.make("teleoperator", driver, {**asked, **settings}, "teleoperator")
    return CheckedTeleoperator(made, f"teleoperator {name!r}", spec)
