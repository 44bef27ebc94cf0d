"""The schedule of control steps, and statistics of how well it was kept."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from a2g_cli.core.clock import Clock, goes_on
from a2g_cli.core.types import Observation, StepTiming

LATE = 0.5
"""A deadline is missed if an action comes this much more than a control period after the one before [periods]."""


PHASE = 0.1
"""On a real clock, an action is sent this long after the start of its step [periods].

That leaves time for the observation and for a plan that is slightly late, so that neither causes jitter.
"""


def missed(before: StepTiming | None, now: StepTiming, rate: float) -> bool:
    """Whether the action of ``now`` missed its deadline at ``rate`` [Hz].

    The time for which a robot stands still until its plan is ready does not count.
    """
    if before is None:
        return False
    waited = now.planning if math.isnan(now.due_at) and not math.isnan(now.planning) else 0.0
    return (now.acted_at - before.acted_at - waited) * rate > 1 + LATE


class Schedule:
    """The start times of steps on the robot's clock: a fixed grid, so that delays do not add up."""

    def __init__(self, clock: Clock, rate: float) -> None:
        self._clock, self._period = clock, 1.0 / rate
        self._phase = PHASE * self._period if goes_on(clock) else 0.0
        self.due: float | None = None
        """Start time of the next step [s]; None: whenever it starts."""

    def reset(self) -> None:
        """Start a new schedule with the next step, because the robot waits for a plan."""
        self.due = None

    def deadline(self) -> float:
        """Return the end of the current control period [s]; a period that has passed already is skipped."""
        now = self._clock.now()
        started = now - self._phase
        deadline = (started if self.due is None else self.due) + self._period
        return deadline if deadline > now else started + self._period

    def wait(self) -> None:
        """Wait until the next action is to be sent."""
        if self.due is not None and self._phase:
            self._clock.sleep_until(self.due + self._phase)

    def grace(self) -> float:
        """Return how long the next action can still wait for its plan [s]."""
        return 0.0 if self.due is None else self.due + self._phase - self._clock.now()


@dataclass
class TimingStats:
    """Collects the timing of steps of any number of episodes on one robot."""

    rate: float
    """Requested control rate [Hz]."""
    steps: int = 0
    missed: int = 0
    intervals: list[float] = field(default_factory=list)
    """Times between actions of one schedule [s]."""
    planning: list[float] = field(default_factory=list)
    """Times of plans [s]."""
    ages: list[float] = field(default_factory=list)
    """Ages of the oldest frame of each observation [s]."""
    _before: StepTiming | None = None

    def begin(self) -> None:
        """Start a new episode."""
        self._before = None

    def add(self, timing: StepTiming, observation: Observation) -> None:
        """Add one step and the observation after it."""
        if self._before is not None and not math.isnan(timing.due_at):
            self.intervals.append(timing.acted_at - self._before.acted_at)
        self.missed += missed(self._before, timing, self.rate)
        self._before = timing
        self.steps += 1
        if not math.isnan(timing.planning):
            self.planning.append(timing.planning)
        if observation.captured_at:
            self.ages.append(observation.time - min(observation.captured_at.values()))

    def to_json(self) -> dict[str, Any]:
        """Return the timing object of ``--json``; null for values without measurements."""
        jitter = [abs(interval - 1 / self.rate) for interval in self.intervals]
        mean = float(np.mean(self.intervals)) if self.intervals else 0.0
        return {
            "steps": self.steps,
            "rate_hz": self.rate,
            "achieved_hz": round(1 / mean, 3) if mean > 0 else None,
            "jitter_ms": _spread(jitter),
            "frame_age_ms": _spread(self.ages),
            "planning_ms": _spread(self.planning),
            "missed": self.missed,
        }


def _spread(seconds: Sequence[float]) -> dict[str, float] | None:
    if not seconds:
        return None
    median, high = np.percentile(seconds, [50, 99])
    return {"median": round(1000 * float(median), 3), "p99": round(1000 * float(high), 3)}


def in_words(timing: dict[str, Any], waits: bool = False) -> str:
    """Return a timing object (``TimingStats.to_json``) as one line of text.

    Args:
        timing: the object.
        waits: whether the robot's clock stands still while a plan is made, as a simulator's does.
    """
    rate = "" if timing["achieved_hz"] is None else f"{timing['achieved_hz']:.2f} of "
    parts = [f"{rate}{timing['rate_hz']:g} Hz"]
    for word, name in {"jitter": "jitter_ms", "frame age": "frame_age_ms", "planning latency": "planning_ms"}.items():
        if (spread := timing[name]) is not None:
            parts.append(f"{word} median {spread['median']:.1f}, p99 {spread['p99']:.1f} ms")
    why = " (the simulator waits for the plan)" if waits else ""
    return "; ".join([*parts, f"missed deadlines {timing['missed']} of {timing['steps']}{why}"])
