"""Practice with a person beside it, who puts the scene back before each episode and says so."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from a2g_cli.core.types import Goal
from a2g_cli.improvement.trials import Attempt, Stage, episode_index, stay
from a2g_cli.robots.base import Robot


class PromptedSampler:
    """Goals that were named, in turn, each from where the person left things."""

    paired = False

    def __init__(
        self, robot: Robot, count: int, goals: Sequence[Goal], ask: Callable[[str], bool], *, streams: bool = True
    ) -> None:
        """``ask`` asks for a goal's start, and returns whether to go on. It raises A2GError when nobody answers in time."""
        self.robots: Sequence[Robot] = [robot]
        self._count, self._goals, self._ask, self._streams = count, goals, ask, streams

    def of(self, number: int, stage: Stage, slots: Sequence[int]) -> Iterator[Attempt]:
        """Yield the attempts in ``slots``, each after the person's word; none when that is an interruption."""
        for slot in slots:
            goal = self._goals[slot % len(self._goals)]
            self.robots[0].rest()
            if not self._ask(goal.name):
                return
            index = episode_index(stage, number, slot, self._count, repeat=False, streams=self._streams)
            yield Attempt(slot, index, goal, "fresh", stay)

    def ended(self, path: Path) -> None:
        """Nothing depends on it."""
