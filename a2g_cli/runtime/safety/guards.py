"""Every guard of one episode on one robot. Each stop names its cause; whoever runs the episode brings the robot to rest."""

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
"""Whether a person holds the key without which nothing may move."""


def check_room(limits: SafetyLimits, where: Path) -> None:
    """Raise SafetyStop when the disk that ``where`` will be on has less room than an episode may begin with.

    A full disk must stop a robot before it moves, not on its way.
    """
    folder = where.absolute()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    free = shutil.disk_usage(folder).free / GIGA
    if free < limits.disk_floor_gb:
        raise SafetyStop(
            f"only {free:.3g} GB are free for {where}, {limits.disk_floor_gb:g} GB are the least: no episode was begun. "
            "Free some, choose another --workspace, or say less with --safety disk_floor_gb=N.",
            "disk-floor",
        )


def always_held() -> bool:
    """Nobody has to hold anything."""
    return True


class Guards:
    """Watches one robot during one episode.

    Every method raises SafetyStop, whose ``cause`` is the guard's name and whose message says what was so, what is allowed
    and, through the name, what to change.

    Args:
        robot: whose own declared bounds hold where ``limits`` says nothing.
        limits: what the user says.
        held: the dead-man's switch.

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
        """Check what can change while nothing else happens: the key, and the time that the episode has taken."""
        if not self._held():
            raise SafetyStop(
                f"the key {self.limits.hold_key!r} is not held down: the robot was stopped.", "hold-released"
            )
        lasted = self._clock.now() - self._begun
        if lasted > self.limits.episode_seconds:
            most = self.limits.episode_seconds
            raise SafetyStop(
                f"the episode took {lasted:.1f} s, {most:g} s is the most: it was stopped.", "episode-time"
            )

    def allow(self, action: Vector) -> Vector:
        """Return ``action`` (A,) as it may be sent: brought to the limits that the user set.

        What is beyond the limits by more than their whole range is no overshoot: it stops the robot, as do NaN and a jump.
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
            lambda i: f"the policy asked for a jump of {change[i]:.4g}, {bounds.action_step[i]:.4g} is the most",
            names,
            self._spec.action_units,
            "action-jump",
        )
        self._commanded = allowed
        inside = (asked >= bounds.action_low) & (asked <= bounds.action_high)
        return action if inside.all() else allowed.astype(np.float32)

    def _from_measured(self, allowed: Row) -> Row:
        """Return what the first action of an episode must not jump from: where its targets are measured to be."""
        before = allowed.copy()
        if self._before is not None:
            for action, value in self._bounds.targets:
                before[action] = self._before.proprioception[value]
        return before

    def sent(self, timing: StepTiming, action: Vector) -> None:
        """Take note of what went out and when. Too many missed deadlines in a row are a loop that has lost its time."""
        self._frames.sent(action)
        late = missed(self._timing, timing, self._spec.rate)
        self._timing, self._missed = timing, self._missed + 1 if late else 0
        if self._missed > self.limits.missed_deadlines:
            raise SafetyStop(
                f"{self._missed} control deadlines in a row were missed, {self.limits.missed_deadlines} is the most at "
                f"{self._spec.rate:g} Hz: the robot was stopped.",
                "missed-deadline",
            )

    def readable(self, observation: Observation) -> None:
        """Check that an observation shows the world as it is now; one that does not is neither acted on nor kept."""
        measured = observation.proprioception
        if not np.isfinite(measured).all():
            bad = [
                name for name, ok in zip(self._spec.proprioception_names, np.isfinite(measured), strict=True) if not ok
            ]
            raise SafetyStop(f"{', '.join(bad)}: measured as no number: the robot was stopped.", "reading-not-finite")
        self._frames.check(observation)

    def measured(self, observation: Observation) -> None:
        """Check where the robot is and how fast it came there."""
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
            lambda i: f"moved by {change[i]:.4g} within a step, {bounds.measured_step[i]:.4g} is the most",
            names,
            units,
            "jump",
        )
        # Time between readings, never less than half a period: two readings at once have no speed.
        seconds = max(observation.time - before.time, 0.5 / self._spec.rate)
        speed = change / seconds
        self._hold(
            speed > bounds.measured_speed,
            lambda i: f"measured to move at {speed[i]:.4g} a second, {bounds.measured_speed[i]:.4g} is the most",
            names,
            units,
            "speed",
        )

    def _hold(
        self,
        broken: np.ndarray[tuple[int], np.dtype[np.bool_]],
        said: Callable[[int], str],
        names: tuple[str, ...],
        units: tuple[str, ...],
        cause: str,
    ) -> None:
        if broken.any():
            worst = int(np.flatnonzero(broken)[0])
            raise SafetyStop(f"{names[worst]} [{units[worst]}]: {said(worst)}: the robot was stopped.", cause)


def _range(low: float, high: float) -> str:
    if math.isinf(low):
        return f"at most {high:.4g}"
    return f"at least {low:.4g}" if math.isinf(high) else f"{low:.4g} to {high:.4g}"
