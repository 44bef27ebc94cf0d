"""Practice trials for which a person resets the scene."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from a2g_cli.core.types import Goal
from a2g_cli.improvement.trials import Attempt, Stage, episode_index, stay
from a2g_cli.robots.base import Robot


class PromptedSampler:
    """The named goals in turn, each from the start that a person sets up."""

    paired = False

    def __init__(
        self, robot: Robot, count: int, goals: Sequence[Goal], ask: Callable[[str], bool], *, streams: bool = True
    ) -> None:
        """Prepare it.

        Args:
            robot: the one that practises.
            count: practice episodes a round.
            goals: the named goals.
            ask: asks for the start of the goal of that name, and returns whether to go on. Raises A2GError if nobody answers.
            streams: see ``episode_index``.
        """
        self.robots: Sequence[Robot] = [robot]
        self._count, self.goals, self._ask, self._streams = count, goals, ask, streams

    def of(self, number: int, stage: Stage, slots: Sequence[int]) -> Iterator[Attempt]:
        """Yield the attempts in ``slots``, each after the person has answered; stops when the person interrupts."""
        for slot in slots:
            goal = self.goals[slot % len(self.goals)]
            self.robots[0].rest()
            if not self._ask(goal.name):
                return
            index = episode_index(stage, number, slot, self._count, repeat=False, streams=self._streams)
            yield Attempt(slot, index, goal, "fresh", stay)

    def ended(self, path: Path) -> None:
        """Do nothing: no trial depends on the one before."""
