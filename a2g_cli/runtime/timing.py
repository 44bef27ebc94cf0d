"""Control that keeps time: the fixed schedule of an episode's steps, and what became of it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from a2g_cli.core.clock import Clock, goes_on
from a2g_cli.core.types import Observation, StepTiming

LATE = 0.5
"""A deadline is missed when an action follows the one before it by so much more than a control period [periods]."""


PHASE = 0.1
"""Where time goes on by itself an action goes out so long after its step is due [periods].

By then the robot has looked and a plan that is nearly in time is there: what either takes is no jitter.
"""


def missed(before: StepTiming | None, now: StepTiming, rate: float) -> bool:
    """Whether the action of ``now`` missed its deadline at ``rate`` [Hz].

    A robot that stands still until its plan is made is not late for as long as that took, but for whatever else did.
    """
    if before is None:
        return False
    waited = now.planning if math.isnan(now.due_at) and not math.isnan(now.planning) else 0.0
    return (now.acted_at - before.acted_at - waited) * rate > 1 + LATE


class Schedule:
    """When steps are due, on a robot's clock: a fixed grid, so that what a step takes does not add to every period."""

    def __init__(self, clock: Clock, rate: float) -> None:
        self._clock, self._period = clock, 1.0 / rate
        self._phase = PHASE * self._period if goes_on(clock) else 0.0
        self.due: float | None = None
        """When the next step ought to begin [s]; None: whenever it does."""

    def reset(self) -> None:
        """Begin a new schedule with the next step: the robot waits, and planning takes what it takes."""
        self.due = None

    def deadline(self) -> float:
        """Return the end of the control period that begins now [s]; one that is over already is not made up for."""
        now = self._clock.now()
        begun = now - self._phase
        deadline = (begun if self.due is None else self.due) + self._period
        return deadline if deadline > now else begun + self._period

    def wait(self) -> None:
        """Return when the next action is to go out."""
        if self.due is not None and self._phase:
            self._clock.sleep_until(self.due + self._phase)

    def grace(self) -> float:
        """Return how long the next action may still wait for its plan [s]."""
        return 0.0 if self.due is None else self.due + self._phase - self._clock.now()


@dataclass
class TimingStats:
    """Collects the timing of steps, of any number of episodes on one robot."""

    rate: float
    """Control rate that was asked for [Hz]."""
    steps: int = 0
    missed: int = 0
    intervals: list[float] = field(default_factory=list)
    """Between actions of one schedule [s]."""
    planning: list[float] = field(default_factory=list)
    """[s]"""
    ages: list[float] = field(default_factory=list)
    """Of the oldest frame of each observation [s]."""
    _before: StepTiming | None = None

    def begin(self) -> None:
        """A new episode: its first action follows none."""
        self._before = None

    def add(self, timing: StepTiming, observation: Observation) -> None:
        """Take note of one step and the observation that it led to."""
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
        """Return the documented timing object; null for what nothing was measured of."""
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


def in_words(timing: dict[str, Any]) -> str:
    """Return what was measured of a timing object (``TimingStats.to_json``) on one line."""
    rate = "" if timing["achieved_hz"] is None else f"{timing['achieved_hz']:.2f} of "
    parts = [f"{rate}{timing['rate_hz']:g} Hz"]
    for word, name in {"jitter": "jitter_ms", "frame age": "frame_age_ms", "plan": "planning_ms"}.items():
        if (found := timing[name]) is not None:
            parts.append(f"{word} {found['median']:.1f} ms (99 %: {found['p99']:.1f})")
    return ", ".join([*parts, f"missed {timing['missed']} of {timing['steps']} deadlines"])
