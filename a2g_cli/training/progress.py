"""Whether a training still makes progress, by what was measured on the way."""

from collections.abc import Mapping, Sequence
from typing import Any

ACTION_ERROR = "action_error"
"""Key of the error of actions on held-out demonstrations in an evaluation, in standard deviations of the actions."""
_NO_WORLD = {"iteration", ACTION_ERROR}


def worlds_of(evaluation: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the worlds in which success was measured, with what was measured."""
    return {str(name): row for name, row in evaluation.items() if name not in _NO_WORLD}


def score(evaluation: Mapping[str, Any]) -> float | None:
    """Return how good a base was: its success rate over all worlds, else minus its action error; None: not measured."""
    worlds = worlds_of(evaluation)
    if trials := sum(row["n"] for row in worlds.values()):
        return float(sum(row["successes"] for row in worlds.values()) / trials)
    error = evaluation.get(ACTION_ERROR)
    return None if error is None else -float(error)


def stalled(evaluations: Sequence[Mapping[str, Any]], patience: int) -> bool:
    """Return whether none of the last ``patience`` evaluations was better than the best before them; False for 0."""
    scores = [value for one in evaluations if (value := score(one)) is not None]
    if not patience or len(scores) <= patience:
        return False
    return max(scores[-patience:]) <= max(scores[:-patience])
