"""Where an episode goes while it happens: a recording, a table of times, or nowhere."""

from typing import Protocol

from a2g_cli.core.types import Observation, Outcome, StepTiming, Vector
from a2g_cli.runtime.timing import TimingStats


class Sink(Protocol):
    """Whoever keeps an episode."""

    def begin(self, first: Observation) -> None:
        """The first observation is there."""

    def append(self, requested: Vector, sent: Vector, observation: Observation, timing: StepTiming) -> None:
        """One step was taken."""

    def finish(self, outcome: Outcome) -> None:
        """The episode is complete."""

    def abandon(self) -> None:
        """The episode broke off: keep what there is."""


class NullSink:
    """A sink that keeps nothing: held-out episodes are never learned from."""

    def _ignore(self, *_: object, **__: object) -> None: ...

    begin = append = finish = abandon = _ignore


class Timed:
    """Passes an episode on to another sink, and takes note of its times."""

    def __init__(self, sink: Sink, timing_stats: TimingStats) -> None:
        self._sink, self._timing_stats = sink, timing_stats
        self.abandon = sink.abandon
        self.steps = 0
        self.outcome: Outcome | None = None

    def begin(self, first: Observation) -> None:
        """A new schedule begins."""
        self._timing_stats.begin()
        self._sink.begin(first)

    def append(self, requested: Vector, sent: Vector, observation: Observation, timing: StepTiming) -> None:
        """Take note, and pass on."""
        self._timing_stats.add(timing, observation)
        self._sink.append(requested, sent, observation, timing)
        self.steps += 1

    def finish(self, outcome: Outcome) -> None:
        """Pass it on; ``outcome`` is known when it is kept."""
        self._sink.finish(outcome)
        self.outcome = outcome
