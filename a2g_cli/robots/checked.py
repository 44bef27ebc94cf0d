"""Wraps any robot: its driver's exceptions become HardwareError, and what it returns is checked."""

from collections.abc import Callable
from typing import Any

import numpy as np

from a2g_cli.core.clock import Clock, SteppedClock, WallClock, goes_on
from a2g_cli.core.plugins import calling, is_built_in
from a2g_cli.core.types import Observation, Vector
from a2g_cli.robots.base import Robot, RobotSpec
from a2g_cli.robots.promises import check_observation, check_row, check_spec, check_step

_MISSING = object()
_TO_REST = "action_to_rest_pose"
_UNDONE_BY = "undone_by"
_OPTIONAL = (
    *("trial", "start_for", "begin", "photograph", "state_from", "state", "succeeded"),  # InstrumentedRobot
    *("reported_success", "expert_action"),  # ReportingRobot, ExpertRobot
    *("next_goal", "out_of_reach", "rearranged"),  # ResetFreeRobot
)
"""Optional methods of a robot: the wrapper has those that the driver has."""


class CheckedRobot:
    """``robot``, whose driver may come from any package.

    A plain exception of the driver becomes HardwareError (``plugins.calling``). So does a spec, an observation or a sent
    action that is not what ``Robot`` requires; the message says what was expected. Numbers of any numpy type are accepted
    and converted.

    Args:
        robot: a robot that is not connected.
        what: the robot in messages, e.g. ``"robot 'myarm:left'"``.
    """

    def __init__(self, robot: Robot, what: str) -> None:
        self._robot, self._what, self._built_in = robot, what, is_built_in(robot)
        self._said: RobotSpec | None = None
        self._spec: RobotSpec | None = None
        # Real attributes: the optional Protocols are checked by which attributes a robot has.
        for name in _OPTIONAL:
            if self._has(name):
                setattr(self, name, self._calling(name))
        if self._has(_TO_REST):
            self.action_to_rest_pose = self._action_to_rest_pose
        if self._has(_UNDONE_BY):
            self.undone_by = self.__getattr__(_UNDONE_BY)

    def __getattr__(self, name: str) -> Any:
        """Return an optional attribute of the driver: ``limit``, ``shift``, ``safety``, ``views``."""
        if name.startswith("_"):
            raise AttributeError(name)
        with calling(self._what, name, self._built_in):
            value = getattr(self._robot, name, _MISSING)
        if value is _MISSING:
            raise AttributeError(f"{self._what} has no {name}")
        return value

    @property
    def spec(self) -> RobotSpec:
        """The driver's spec, checked. Raises HardwareError."""
        with calling(self._what, "spec", self._built_in):
            said = self._robot.spec
        if self._spec is None or said is not self._said:
            self._said, self._spec = said, check_spec(self._what, said)
        return self._spec

    @property
    def clock(self) -> Clock:
        """The driver's clock. Raises HardwareError."""
        with calling(self._what, "clock", self._built_in):
            clock = self._robot.clock
        return clock if isinstance(clock, WallClock | SteppedClock) else _CheckedClock(clock, self._what)

    def connect(self) -> None:
        """Open the hardware, and check the spec. Raises HardwareError."""
        self._call("connect")
        _ = self.spec

    def observe(self) -> Observation:
        """Return the present observation. Raises HardwareError."""
        clock = self.clock
        before = clock.now()
        seen = self._call("observe")
        return check_observation(self._what, self.spec, seen, before, clock.now())

    def act(self, action: Vector) -> Vector:
        """Start a copy of one action (A,) and return the action that was sent. Raises HardwareError."""
        sent = self._call("act", np.array(action, np.float32))
        return check_row(self._what, "act returned", sent, self.spec.action_names)

    def reset(self) -> None:
        """Bring robot and scene to the start of an episode. Raises HardwareError."""
        self._call("reset")

    def rest(self) -> None:
        """Come to a soft stop and hold. Raises HardwareError."""
        self._call("rest")

    def close(self) -> None:
        """Release the hardware. Raises HardwareError."""
        self._call("close")

    def _has(self, name: str) -> bool:
        with calling(self._what, name, self._built_in):
            return hasattr(self._robot, name)

    def _action_to_rest_pose(self, observation: Observation) -> tuple[Vector, float]:
        return check_step(self._what, self._call(_TO_REST, observation), self.spec)

    def _calling(self, name: str) -> Callable[..., Any]:
        return lambda *words: self._call(name, *words)

    def _call(self, name: str, *words: Any) -> Any:
        with calling(self._what, name, self._built_in):
            return getattr(self._robot, name)(*words)


class _CheckedClock:
    """A driver's own clock."""

    def __init__(self, clock: Clock, what: str) -> None:
        self._clock, self._what = clock, what
        self.real = goes_on(clock)

    def now(self) -> float:
        """Return the time on this clock [s]. Raises HardwareError."""
        with calling(self._what, "clock.now"):
            return float(self._clock.now())

    def sleep_until(self, moment: float) -> None:
        """Return when ``now() >= moment`` [s]. Raises HardwareError."""
        with calling(self._what, "clock.sleep_until"):
            self._clock.sleep_until(moment)
