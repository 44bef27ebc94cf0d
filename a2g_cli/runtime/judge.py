"""The types of a judge, which is asked once whether an episode that ended by itself was a success."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from a2g_cli.core.types import Goal, GoalDistance, Observation, Outcome

Judgement = Callable[[Outcome, Goal, Observation, Observation], Outcome]
"""(outcome, goal, first observation, last observation) -> outcome with ``success`` and ``judge``."""

Ask = Callable[[str], bool | None]
"""Asks a person whether the goal of that name is reached; None: unknown."""


class FrameScorer(Protocol):
    """Measures how near a frame is to a goal."""

    def score(self, first: Observation, last: Observation, goal: Goal) -> GoalDistance:
        """Return how near ``last`` is to ``goal``, for an episode that began with ``first``."""
        ...


@dataclass(frozen=True)
class JudgeContext:
    """What a judge can use."""

    scorer: FrameScorer | None
    """Of the policy whose episodes are judged, by the base's networks; None for a policy without a base."""
    reached_below: float
    """Steps-to-go below which the policy ends an episode as reached [steps]."""
    ask: Ask | None
    """Asks a person; None where nobody can be asked."""


JudgeFactory = Callable[[JudgeContext], Judgement]
"""A judge as a plugin (entry-point group ``a2g.judges``). Raises UsageError if it cannot judge in this context."""

FINISHED = ("success", "arrived", "steps", "person")
"""``stopped_by`` of episodes that end by themselves; only these are judged."""
