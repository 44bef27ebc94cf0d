"""What a judge is to an episode: something that is asked once, when the episode has come to its end by itself."""

from collections.abc import Callable

from a2g_cli.core.types import Goal, Observation, Outcome

Judgement = Callable[[Outcome, Goal, Observation, Observation], Outcome]
"""Takes how an episode ended, its goal, its first and its last observation; returns how it ended, and who says so."""

FINISHED = ("success", "arrived", "steps")
"""How an episode ends by itself. One that was broken off is not judged by looks."""
