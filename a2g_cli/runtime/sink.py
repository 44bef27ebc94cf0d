"""Sinks receive an episode step by step: a recording, timing statistics, or nothing."""

from typing import Protocol

from a2g_cli.core.types import Observation, Outcome, StepTiming, Vector
from a2g_cli.policies.base import Imagination
from a2g_cli.runtime.timing import TimingStats


class Sink(Protocol):
    """Receives an episode step by step."""

    def begin(self, first: Observation) -> None:
        """Take the first observation."""

    def append(self, requested: Vector, sent: Vector, observation: Observation, timing: StepTiming) -> None:
        """Take one step."""

    def imagine(self, step: int, imagination: Imagination) -> None:
        """Take what the plan that was made from observation ``step`` imagines. Does not wait for its frames."""

    def finish(self, outcome: Outcome) -> None:
        """Take the outcome of a complete episode."""

    def abandon(self) -> None:
        """The episode was cut off: keep what there is."""


class NullSink:
    """Keeps nothing; for held-out episodes, from which nothing may learn."""

    def _ignore(self, *_: object, **__: object) -> None: ...

    begin = append = imagine = finish = abandon = _ignore


class Timed:
    """Passes an episode on to another sink, and collects its timing."""

    def __init__(self, sink: Sink, timing_stats: TimingStats) -> None:
        self._sink, self._timing_stats = sink, timing_stats
        self.imagine, self.abandon = sink.imagine, sink.abandon
        self.steps = 0
        self.outcome: Outcome | None = None

    def begin(self, first: Observation) -> None:
        """Start a new schedule, and pass on."""
        self._timing_stats.begin()
        self._sink.begin(first)

    def append(self, requested: Vector, sent: Vector, observation: Observation, timing: StepTiming) -> None:
        """Collect the timing, and pass on."""
        self._timing_stats.add(timing, observation)
        self._sink.append(requested, sent, observation, timing)
        self.steps += 1

    def finish(self, outcome: Outcome) -> None:
        """Pass the outcome on, and keep it if that succeeded."""
        self._sink.finish(outcome)
        self.outcome = outcome
