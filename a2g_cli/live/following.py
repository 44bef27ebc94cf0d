"""Views that pass on what they are told, and publish it as well: of ``a2g run``, and of ``a2g improve``."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, Self

from a2g_cli.core.types import Goal, Image, Observation, Outcome
from a2g_cli.display.rollout_view import RolloutView
from a2g_cli.live.publisher import Publisher
from a2g_cli.runtime.rollout import RolloutWatcher
from a2g_cli.training.watcher import TrainingWatcher


class _Shown(Protocol):
    """What both views in the terminal do."""

    def planned(
        self, observation: Observation, imagined: Mapping[str, Sequence[Image]], steps_to_go: float, seconds: float
    ) -> None:
        """Show a plan."""

    def stepped(self, step: int, observation: Observation, steps_to_go: float) -> None:
        """Show a step."""

    def note(self, text: str) -> None:
        """Show a line."""


class _Followed:
    """What both views publish alike."""

    _view: _Shown
    _publisher: Publisher

    def planned(
        self, observation: Observation, imagined: Mapping[str, Sequence[Image]], steps_to_go: float, seconds: float
    ) -> None:
        """Show a plan."""
        self._publisher.planned(observation, imagined, steps_to_go, seconds)
        self._view.planned(observation, imagined, steps_to_go, seconds)

    def stepped(self, step: int, observation: Observation, steps_to_go: float) -> None:
        """Show a step."""
        self._publisher.stepped(step, observation, steps_to_go)
        self._view.stepped(step, observation, steps_to_go)

    def note(self, text: str) -> None:
        """Show a line."""
        self._publisher.said(text)
        self._view.note(text)


class FollowedRollout(_Followed):
    """The view of ``a2g run``, published."""

    _view: RolloutView

    def __init__(self, view: RolloutView, publisher: Publisher) -> None:
        self._view, self._publisher = view, publisher

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def episode_started(self, index: int, total: int, goal: Goal, limit: int) -> None:
        """Show it; the time of the run counts from the first episode."""
        if index == 0:
            self._publisher.part("rolling out episodes", total)
        self._publisher.began(goal, limit)
        self._view.episode_started(index, total, goal, limit)

    def episode_ended(self, index: int, outcome: Outcome, steps: int, path: Path | None) -> None:
        """Count it."""
        state = self._publisher.state
        counted = {"successes": state.successes + (outcome.success is True)}
        counted["judged"] = state.judged + (outcome.success is not None)
        self._publisher.advanced(index + 1, **counted)
        self._view.episode_ended(index, outcome, steps, path)


class ImproveShown(TrainingWatcher, RolloutWatcher, Protocol):
    """What shows an improvement run in the terminal."""

    def imagined(self, frames: Mapping[str, Sequence[Image]]) -> None:
        """Show the frames that the first robot's plan imagined; called from any thread."""

    def phase(self, text: str) -> None:
        """Show that something begins which has no steps to count."""

    def rolled(self, what: str, done: int, total: int, successes: int) -> None:
        """Show the progress of a batch of episodes."""

    def round_over(self, number: int, total: int, line: str) -> None:
        """Show the result of a round."""

    def run_begins(self, done: int, total: int) -> None:
        """Show how far the run is; of ``total`` rounds some may have been ``done`` before."""


class FollowedImprovement(_Followed):
    """The view of ``a2g improve``, published: what its first robot sees as well."""

    _view: ImproveShown

    def __init__(self, view: ImproveShown, publisher: Publisher, simulated: bool) -> None:
        """Wrap ``view``; successes are shown only where a simulator knows them: ``simulated``."""
        self._view, self._publisher, self._simulated = view, publisher, simulated
        self._what = ""
        self._rounds_began: tuple[float, int] | None = None

    def began(self, goal: Goal, limit: int) -> None:
        """Show that the first robot begins an episode."""
        self._publisher.began(goal, limit)
        self._view.began(goal, limit)

    def imagined(self, frames: Mapping[str, Sequence[Image]]) -> None:
        """Show the frames that its plan imagined."""
        self._publisher.imagined(frames)
        self._view.imagined(frames)

    def run_begins(self, done: int, total: int) -> None:
        """Show how far the run is."""
        self._publisher.tell(round=done, rounds=total)
        self._view.run_begins(done, total)

    def phase(self, text: str) -> None:
        """Show that something begins which has no steps to count."""
        self._what = ""
        self._publisher.part(text, 0)
        self._view.phase(text)

    def started(self, title: str, total: int) -> None:
        """Show a training."""
        self._what = ""
        self._publisher.part(title, total)
        self._view.started(title, total)

    def advanced(self, step: int, losses: dict[str, float], rate: float | None = None) -> None:
        """Show a training's progress."""
        self._publisher.advanced(step, losses={name: float(value) for name, value in losses.items()})
        self._view.advanced(step, losses, rate)

    def finished(self) -> None:
        """Show that a training has ended."""
        self._view.finished()

    def rolled(self, what: str, done: int, total: int, successes: int) -> None:
        """Show the progress of a batch of episodes."""
        if what != self._what:
            self._what = what
            self._publisher.part(what, total, done)
        self._publisher.advanced(done, successes=successes, judged=done if self._simulated else 0)
        if self._rounds_began is None and what.startswith("round "):
            self._rounds_began = (time.time(), self._publisher.state.round)
        self._view.rolled(what, done, total, successes)

    def counting(self, what: str, total: int) -> Callable[[int, int], None]:
        """Return a callback that shows the progress of an evaluation."""
        return lambda done, successes: self.rolled(what, done, total, successes)

    def round_over(self, number: int, total: int, line: str) -> None:
        """Show the result of a round, and when the last one would end at the pace of those before."""
        ends = None
        if self._rounds_began is not None and number > self._rounds_began[1]:
            began, first = self._rounds_began
            now = time.time()
            ends = now + (now - began) / (number - first) * (total - number)
        self._publisher.tell(round=number, rounds=total, run_ends=ends)
        self._publisher.said(f"round {number}/{total}: {line}")
        self._view.round_over(number, total, line)
