"""All robots of the installed LeRobot and its plugins. LeRobot is imported when one is made."""

import logging
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from a2g_cli.cameras.base import Frame
from a2g_cli.cameras.metadata import Framing
from a2g_cli.core.clock import WallClock
from a2g_cli.core.errors import HardwareError, SafetyStop, UsageError
from a2g_cli.core.safety_limits import SafetyLimits
from a2g_cli.core.types import Observation, Vector
from a2g_cli.robots.base import RobotSpec
from a2g_cli.robots.lerobot_types import (
    Dimension,
    actions_of,
    calling_lerobot,
    image_sizes,
    make,
    measured_of,
    words_of,
)

VELOCITY = ".vel"
"""End of LeRobot's names for speeds: to rest, a speed is set to 0, and everything else stays."""
HOME_STEP = 0.01
"""Largest move of a joint in one step of ``action_to_rest_pose``, as a share of its range: from end to end in 100 steps."""
NEAR = 5.0
"""How far a joint may lag behind its command [steps of ``action_to_rest_pose``]."""

_log = logging.getLogger(__name__)


class LeRobotRobot:
    """A LeRobot robot, by its type: ``lerobot:so101_follower``.

    Actions and proprioception have the names of LeRobot's ``action_features`` and ``observation_features``, and its units.
    An arm's limits come from its calibration file; ``low`` and ``high`` give them for robots without one.

    Args:
        type: LeRobot's name of the robot, as in ``--robot.type`` of its own commands.
        config: LeRobot's own settings, as in ``--robot.*``: ``port``, ``id``, ``max_relative_target``, ``cameras``, ...
        rate: control rate [Hz].
        size: height and width of the images [px], cropped about the centre; None for the size of LeRobot's cameras.
        low: name -> least action in its unit, instead of the calibration's.
        high: name -> greatest action, in the same way.
        units: name -> unit, if LeRobot does not say it.
        home: name -> action of the rest pose, to which ``--reset home`` drives; None: the arm is never driven to one.

    Raises:
        HardwareError: LeRobot, or a package that this robot needs, is not installed; the arm was never calibrated.
        UnknownNameError: LeRobot knows no such robot.
        UsageError: LeRobot refuses the settings; limits are missing.
    """

    def __init__(
        self,
        type: str,  # noqa: A002 - LeRobot's own word for it
        config: Mapping[str, Any] | None = None,
        rate: float = 30.0,
        size: tuple[int, int] | None = None,
        low: Mapping[str, float] | None = None,
        high: Mapping[str, float] | None = None,
        units: Mapping[str, str] | None = None,
        home: Mapping[str, float] | None = None,
    ) -> None:
        if not 0 < rate <= 1000:
            raise UsageError(f"a control rate of {rate} Hz cannot be kept: expected more than 0, at most 1000.")
        self._robot = make(type, dict(config or {}))
        self._clock = WallClock()
        self._framing = Framing(size=None if size is None else (int(size[0]), int(size[1])))
        actions = actions_of(self._robot, low or {}, high or {}, units or {})
        measured = measured_of(self._robot, units or {})
        sizes = image_sizes(self._robot)
        self._spec = RobotSpec(
            name=f"lerobot:{type}",
            action_names=tuple(one.name for one in actions),
            action_units=tuple(one.unit for one in actions),
            action_low=tuple(one.low for one in actions),
            action_high=tuple(one.high for one in actions),
            rate=float(rate),
            proprioception_names=tuple(one.name for one in measured),
            proprioception_units=tuple(one.unit for one in measured),
            cameras={name: self._framing.size or shape for name, shape in sizes.items()},
        )
        self._sent: dict[str, float] = {}
        self._ours = False
        if home is not None:
            self._home = _complete(home, actions)
            # Only an arm with a rest pose has this method, which makes it a RestPoseRobot.
            self.action_to_rest_pose = self._action_to_rest_pose

    @property
    def spec(self) -> RobotSpec:
        """The robot's names, units, limits and rate."""
        return self._spec

    @property
    def clock(self) -> WallClock:
        """The machine's monotonic clock."""
        return self._clock

    @property
    def safety(self) -> SafetyLimits:
        """Limits of the measured angles: those of the calibration."""
        spec = self._spec
        both = [name for name in spec.action_names if name in spec.proprioception_names]
        low = dict(zip(spec.action_names, spec.action_low, strict=True))
        high = dict(zip(spec.action_names, spec.action_high, strict=True))
        return SafetyLimits({name: low[name] for name in both}, {name: high[name] for name in both})

    def connect(self) -> None:
        """Open the robot and LeRobot's own cameras. Moves nothing and asks nothing.

        Raises:
            HardwareError: it does not answer, or its calibration is not the one in the file.
        """
        if self._ours:
            return
        try:
            with calling_lerobot(f"{self._spec.name} does not connect"):
                self._robot.connect(calibrate=False)
                calibrated = self._robot.is_calibrated
            # LeRobot would ask at the terminal which calibration is right; its own command can do that.
            if not calibrated:
                raise HardwareError(
                    f"{self._spec.name}: its motors have another calibration than {self._robot.calibration_fpath}: run "
                    f"lerobot-calibrate --robot.type={self._spec.name.partition(':')[2]} --robot.id={self._robot.id} "
                    "with its port."
                )
        except HardwareError as error:
            try:
                self._abandon()
            except Exception as another:
                error.add_note(f"It could not be closed either: {words_of(another)}")
            raise
        self._ours = True

    def observe(self) -> Observation:
        """Return the present observation. Raises HardwareError if LeRobot cannot give one."""
        self._check_connected()
        before = self._clock.now()
        with calling_lerobot(f"{self._spec.name} cannot be observed"):
            seen = self._robot.get_observation()
            values = np.array([float(seen[name]) for name in self._spec.proprioception_names], np.float32)
            frames = {name: self._frame(name, seen[name], before) for name in self._spec.cameras}
        if not np.isfinite(values).all():
            raise HardwareError(f"{self._spec.name} measures {values!r}: not all of them are numbers.")
        return Observation(
            images={name: frame.image for name, frame in frames.items()},
            proprioception=values,
            captured_at={name: frame.captured_at for name, frame in frames.items()},
            time=self._clock.now(),
        )

    def act(self, action: Vector) -> Vector:
        """Send one action (A,) and return it as LeRobot sent it, after ``max_relative_target`` and limits.

        Raises:
            SafetyStop: an action that is not A finite numbers.
            HardwareError: the robot does not accept it.
        """
        self._check_connected()
        names = self._spec.action_names
        if np.shape(action) != (len(names),) or not np.isfinite(action).all():
            raise SafetyStop(f"{self._spec.name} was sent {action!r}; an action is {len(names)} finite numbers")
        wanted = dict(zip(names, self._spec.clip(action).tolist(), strict=True))
        sent = self._send(wanted)
        return np.array([sent[name] for name in names], np.float32)

    def reset(self) -> None:
        """Move nothing: a person arranges the scene, and ``action_to_rest_pose`` leads to the rest pose."""
        self._check_connected()

    def rest(self) -> None:
        """Hold the measured positions, and set speeds to 0. Before the first action nothing is sent."""
        if not self._sent or not self._ours:
            return
        try:
            seen = self._robot.get_observation()
        except Exception as error:
            # A camera that hangs must not keep an arm from stopping: then it holds the last command.
            _log.warning("%s could not be measured while it stopped: %s", self._spec.name, words_of(error))
            seen = {}
        names = self._spec.action_names
        self._send(
            {name: 0.0 if name.endswith(VELOCITY) else float(seen.get(name, self._sent[name])) for name in names}
        )

    def close(self) -> None:
        """Disconnect, as LeRobot does: most arms go limp. Harmless when called twice."""
        was, self._ours = self._ours, False
        self._sent = {}
        if was:
            with calling_lerobot(f"{self._spec.name} did not disconnect"):
                self._robot.disconnect()

    def _abandon(self) -> None:
        """Close what a failed ``connect`` opened: LeRobot's ``disconnect`` refuses a robot that is half open."""
        if self._robot.is_connected:
            self._robot.disconnect()
            return
        parts = [getattr(self._robot, "bus", None), *getattr(self._robot, "cameras", {}).values()]
        for part in parts:
            if part is not None and part.is_connected:
                part.disconnect()

    def _action_to_rest_pose(self, observation: Observation) -> tuple[Vector, float]:
        """Return the next action (A,) to the rest pose, and about how many are left [steps]; 0 when it is there."""
        spec = self._spec
        measured = dict(zip(spec.proprioception_names, observation.proprioception.tolist(), strict=True))
        home = np.array(list(self._home.values()))
        step = HOME_STEP * np.subtract(spec.action_high, spec.action_low)
        sent = np.array([self._sent.get(name, measured.get(name, value)) for name, value in self._home.items()])
        at = np.array([measured.get(name, sent[i]) for i, name in enumerate(self._home)])
        # Servos lag and sag: continue from the last command, unless the arm is far from it.
        start = np.where(np.abs(sent - at) <= NEAR * step, sent, at)
        left = float(np.max(np.abs(home - start) / step))
        return spec.clip(start + np.clip(home - start, -step, step)), left

    def _send(self, wanted: dict[str, float]) -> dict[str, float]:
        with calling_lerobot(f"{self._spec.name} did not accept an action"):
            sent = self._robot.send_action(dict(wanted))
        self._sent = {name: float(sent.get(name, value)) for name, value in wanted.items()}
        return self._sent

    def _frame(self, name: str, pixels: Any, before: float) -> Frame:
        image = np.asarray(pixels)
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise TypeError(f"camera {name!r} gave {image.dtype} of shape {image.shape}, not uint8 HxWx3")
        # LeRobot's cameras stamp on another clock of the machine; without a stamp, the time of the request is used.
        stamp = getattr(getattr(self._robot, "cameras", {}).get(name), "latest_timestamp", None)
        taken = before if stamp is None else self._clock.now() - (time.perf_counter() - float(stamp))
        return Frame(self._framing.apply(image), min(taken, self._clock.now()), 0)

    def _check_connected(self) -> None:
        if not self._ours:
            raise HardwareError(f"{self._spec.name} is not connected; call connect() first")


def _complete(home: Mapping[str, float], actions: list[Dimension]) -> dict[str, float]:
    """Return the rest pose in the order of the actions. Raises UsageError if it is incomplete or beyond the limits."""
    names = [one.name for one in actions]
    if set(home) != set(names):
        raise UsageError(f"home names {', '.join(home) or 'nothing'}; expected a value for each of {', '.join(names)}.")
    for one in actions:
        if not one.low <= home[one.name] <= one.high:
            raise UsageError(f"home {one.name} = {home[one.name]}: expected {one.low:g} to {one.high:g} {one.unit}.")
    return {name: float(home[name]) for name in names}
