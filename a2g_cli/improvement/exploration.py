"""How practice explores: by noise, and by aims that are off for a whole episode."""

from collections.abc import Sequence
from dataclasses import dataclass

from a2g_cli.improvement.state import Round

GOAL_TEMPERATURE = 1.0
"""Temperature of practice for named goals, unless another one is asked for ..."""
AIM_TEMPERATURE = 0.5
"""... and while aims are searched, once episodes have succeeded: from then on, good examples are worth more than new ways."""
LEAST = 0.25
"""Least share of the first round's persistent noise or aim offsets that is left when practice succeeds."""
AIM_STD = 0.012
"""Standard deviation of the first round's aim offsets, in x and in y [m]."""


@dataclass(frozen=True)
class Exploration:
    """What practice does otherwise than the policy, to find what it misses."""

    temperature: float | None = None
    """Of the actions; None: as the policy acts otherwise, or as the search of aims chooses."""
    persistent_noise: float = 0.0
    """Above 0, episodes of odd slots have this noise instead of the temperature (``policies/acting.py``)."""
    aim_std: float = 0.0
    """Above 0, each episode aims elsewhere: standard deviation of the offset before any episode has succeeded [m]."""

    @property
    def explores(self) -> bool:
        """Whether practice acts otherwise than the policy."""
        return self != Exploration()


def exploration(one_by_one: bool, aims: bool, temperature: float | None, done: Sequence[Round]) -> Exploration:
    """Return how the next round explores; less, the more often the last one succeeded.

    Args:
        one_by_one: whether named goals are practised until they work; others are practised as the policy acts.
        aims: whether the robot's aim can be moved.
        temperature: that was asked for.
        done: the rounds that have ended.
    """
    if not one_by_one:
        return Exploration(temperature)
    share = max(LEAST, 1.0 - done[-1].arrived) if done else 1.0
    if aims:
        return Exploration(temperature, aim_std=share * AIM_STD)
    return Exploration(GOAL_TEMPERATURE if temperature is None else temperature, persistent_noise=share)
