"""All guards of one episode on one robot. Each stop names its cause; the control loop then brings the robot to rest."""

import math
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from a2g_cli.core.errors import SafetyStop
from a2g_cli.core.safety_limits import SafetyLimits
from a2g_cli.core.types import Observation, StepTiming, Vector
from a2g_cli.robots.base import Robot
from a2g_cli.runtime.safety.bounds import Row, bounds_of, limits_of
from a2g_cli.runtime.safety.frames import FrameGuard
from a2g_cli.runtime.timing import missed

GIGA = 1e9
"""[bytes]"""

Held = Callable[[], bool]
"""Whether a person holds the deadman key down."""


def check_room(limits: SafetyLimits, where: Path) -> None:
    """Raise SafetyStop if the disk of ``where`` has less free space than an episode needs to start.

    A full disk must stop a robot before it moves, not during the episode.
    """
    folder = where.absolute()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    free = shutil.disk_usage(folder).free / GIGA
    if free < limits.disk_floor_gb:
        raise SafetyStop(
            f"only {free:.3g} GB are free for {where}, at least {limits.disk_floor_gb:g} GB are required: no episode was "
            "started. Free some space, choose another --workspace, or lower the limit with --safety disk_floor_gb=N.",
            "disk-floor",
        )


def always_held() -> bool:
    """Return True: no key is required."""
    return True


class Guards:
    """Watches one robot during one episode.

    Every method may raise SafetyStop. Its ``cause`` is the guard's name; its message says what was measured and what is
    allowed.

    Args:
        robot: its declared limits apply where ``limits`` has defaults.
        limits: the user's.
        held: the deadman key.

    Raises:
        UsageError: the limits do not fit the robot.
    """

    def __init__(self, robot: Robot, limits: SafetyLimits, held: Held = always_held) -> None:
        self.limits = limits_of(robot, limits)
        self._spec, self._clock, self._held = robot.spec, robot.clock, held
        self._bounds = bounds_of(robot.spec, self.limits)
        self._frames = FrameGuard(self.limits.frame_age, self.limits.frozen_frames, self._bounds.motion)
        self._begun = self._clock.now()
        self._before: Observation | None = None
        self._commanded: Row | None = None
        self._timing: StepTiming | None = None
        self._missed = 0

    def alive(self) -> None:
        """Check the deadman key, and the duration of the episode."""
        if not self._held():
            raise SafetyStop(
                f"the key {self.limits.hold_key!r} is not held down: the robot was stopped.", "hold-released"
            )
        lasted = self._clock.now() - self._begun
        if lasted > self.limits.episode_seconds:
            most = self.limits.episode_seconds
            raise SafetyStop(
                f"the episode took {lasted:.1f} s, at most {most:g} s are allowed: it was stopped.", "episode-time"
            )

    def allow(self, action: Vector) -> Vector:
        """Return ``action`` (A,), clipped to the limits.

        An action beyond the limits by more than their whole range stops the robot, as do NaN and a jump.
        """
        self.alive()
        bounds, names = self._bounds, self._spec.action_names
        asked = np.asarray(action, np.float64)
        if not np.isfinite(asked).all():
            stop = "the policy asked for an action that is not a number: the robot was stopped."
            raise SafetyStop(stop, "action-not-finite")
        span = bounds.action_high - bounds.action_low
        self._hold(
            (asked < bounds.action_low - span) | (asked > bounds.action_high + span),
            lambda i: (
                f"the policy asked for {asked[i]:.4g}, far beyond {_range(bounds.action_low[i], bounds.action_high[i])}"
            ),
            names,
            self._spec.action_units,
            "action-range",
        )
        allowed = np.clip(asked, bounds.action_low, bounds.action_high)
        before = self._commanded if self._commanded is not None else self._from_measured(allowed)
        change = np.abs(allowed - before)
        self._hold(
            change > bounds.action_step,
            lambda i: f"the policy asked for a jump of {change[i]:.4g}, at most {bounds.action_step[i]:.4g} is allowed",
            names,
            self._spec.action_units,
            "action-jump",
        )
        self._commanded = allowed
        inside = (asked >= bounds.action_low) & (asked <= bounds.action_high)
        return action if inside.all() else allowed.astype(np.float32)

    def _from_measured(self, allowed: Row) -> Row:
        """Return the measured position of the targets, from which the first action of an episode must not jump."""
        before = allowed.copy()
        if self._before is not None:
            for action, value in self._bounds.targets:
                before[action] = self._before.proprioception[value]
        return before

    def sent(self, timing: StepTiming, action: Vector) -> None:
        """Take note of a sent action; stop after too many missed deadlines in a row."""
        self._frames.sent(action)
        late = missed(self._timing, timing, self._spec.rate)
        self._timing, self._missed = timing, self._missed + 1 if late else 0
        if self._missed > self.limits.missed_deadlines:
            raise SafetyStop(
                f"{self._missed} control deadlines in a row were missed at {self._spec.rate:g} Hz, at most "
                f"{self.limits.missed_deadlines} are allowed: the robot was stopped.",
                "missed-deadline",
            )

    def readable(self, observation: Observation) -> None:
        """Check that an observation is valid and up to date; if not, it is neither used nor recorded."""
        measured = observation.proprioception
        if not np.isfinite(measured).all():
            bad = [
                name for name, ok in zip(self._spec.proprioception_names, np.isfinite(measured), strict=True) if not ok
            ]
            raise SafetyStop(
                f"{', '.join(bad)}: the measured value is not a number: the robot was stopped.", "reading-not-finite"
            )
        self._frames.check(observation)

    def measured(self, observation: Observation) -> None:
        """Check the measured position and speed."""
        bounds, names, units = self._bounds, self._spec.proprioception_names, self._spec.proprioception_units
        now = observation.proprioception.astype(np.float64)
        low, high = bounds.measured_low, bounds.measured_high
        self._hold(
            (now < low) | (now > high),
            lambda i: f"measured at {now[i]:.4g}, outside {_range(low[i], high[i])}",
            names,
            units,
            "workspace",
        )
        before, self._before = self._before, observation
        if before is None:
            return
        change = np.abs(now - before.proprioception)
        self._hold(
            change > bounds.measured_step,
            lambda i: f"moved by {change[i]:.4g} within a step, at most {bounds.measured_step[i]:.4g} is allowed",
            names,
            units,
            "jump",
        )
        # At least half a period: two readings at the same time give no speed.
        seconds = max(observation.time - before.time, 0.5 / self._spec.rate)
        speed = change / seconds
        self._hold(
            speed > bounds.measured_speed,
            lambda i: f"moves at {speed[i]:.4g} per second, at most {bounds.measured_speed[i]:.4g} is allowed",
            names,
            units,
            "speed",
        )

    def _hold(
        self,
        broken: np.ndarray[tuple[int], np.dtype[np.bool_]],
        describe: Callable[[int], str],
        names: tuple[str, ...],
        units: tuple[str, ...],
        cause: str,
    ) -> None:
        if broken.any():
            worst = int(np.flatnonzero(broken)[0])
            raise SafetyStop(f"{names[worst]} [{units[worst]}]: {describe(worst)}: the robot was stopped.", cause)


def _range(low: float, high: float) -> str:
    if math.isinf(low):
        return f"at most {high:.4g}"
    return f"at least {low:.4g}" if math.isinf(high) else f"{low:.4g} to {high:.4g}"
