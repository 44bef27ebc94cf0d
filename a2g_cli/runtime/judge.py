"""The types of a judge: what decides, once an episode has ended by itself, whether it reached its goal."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from a2g_cli.core.types import Goal, GoalDistance, Observation, Outcome

Judgement = Callable[[Outcome, Goal, Observation, Observation], Outcome]
"""Takes an episode's outcome so far, its goal, its first and its last observation; returns the outcome with ``success``
and ``judge`` set."""

Ask = Callable[[str], bool | None]
"""Asks a person whether the goal of that name is reached; None: they cannot tell."""


class FrameScorer(Protocol):
    """Measures how near a frame is to a goal."""

    def score(self, first: Observation, last: Observation, goal: Goal) -> GoalDistance:
        """Return how near ``last`` is to ``goal``, for an episode that began with ``first``."""
        ...


@dataclass(frozen=True)
class JudgeContext:
    """What a judge can decide by."""

    scorer: FrameScorer | None
    """Scores how near a frame is to a goal, by the base's networks; None for a policy without a base."""
    reached_below: float
    """Steps-to-go below which the policy ends an episode as reached [steps]."""
    ask: Ask | None
    """Asks a person; None where nobody can be asked."""


JudgeFactory = Callable[[JudgeContext], Judgement]
"""A judge as a plugin (entry-point group ``a2g.judges``). Raises UsageError if it cannot judge in this context."""

FINISHED = ("success", "arrived", "steps")
"""How an episode ends by itself. One that was broken off is not judged."""
