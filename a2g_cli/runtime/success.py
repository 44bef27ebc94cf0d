"""Who says whether an episode reached its goal, where there is no reward: the truth, the policy, a distance, or a person."""

from collections.abc import Callable
from dataclasses import replace
from typing import get_args

from a2g_cli.calibration.goal_distance import GoalScorer
from a2g_cli.core.errors import UnknownNameError, UsageError
from a2g_cli.core.types import Goal, Judge, Observation, Outcome
from a2g_cli.runtime.judge import Judgement

SLACK = 2.0
"""The policy says that a goal is reached when fewer steps are left than this many times the base's ``arrived_below``."""
NEAR = 0.9
"""The distance says so below this share of what it was at the start. The best bound differs: 0.35 to 0.53 where a scene is as
at home, some 1.1 under shifts; docs/judges.md says how often this one is right."""

Ask = Callable[[str], bool | None]
"""Asks a person whether the goal of that name is reached; None: they cannot tell."""


def check_judge(name: str) -> str:
    """Return ``name``, or raise UnknownNameError."""
    if name not in (known := ("auto", *get_args(Judge))):
        raise UnknownNameError("judge", name, known)
    return name


def make_judge(judge: str, onlooker: GoalScorer | None, arrived_below: float, ask: Ask | None = None) -> Judgement:
    """Return who judges episodes.

    Both automatic judges' numbers are kept with every episode of a policy that has a base, whoever judged it.

    Args:
        judge: ``auto``, or one of ``Judge``.
        onlooker: who looks on at the policy whose episodes they are; None where it sees no goals, as the floors.
        arrived_below: steps-to-go below which the base has arrived [steps].
        ask: for ``person``.

    Raises:
        UnknownNameError: no such judge.
        UsageError: one that needs to see goals, or nobody is there to be asked.
    """
    check_judge(judge)
    if judge in {"policy", "distance"} and onlooker is None:
        raise UsageError(f"who acts sees no goals, so the judge {judge} has nothing to go by: truth, person or none.")
    if judge == "person" and ask is None:
        raise UsageError("the judge is a person, and there is no terminal to ask one: truth, policy, distance or none.")

    def verdict(outcome: Outcome, goal: Goal, first: Observation, last: Observation) -> Outcome:
        if onlooker is not None:
            seen = onlooker.score(first, last, goal)
            outcome = replace(outcome, steps_to_go=seen.steps_to_go, distance=seen.distance)
        match judge:
            case "auto" if outcome.judge == "truth" or onlooker is None:
                return outcome
            case "auto" | "policy":
                left = outcome.steps_to_go
                return replace(outcome, success=left is not None and left < SLACK * arrived_below, judge="policy")
            case "distance":
                away = outcome.distance
                return replace(outcome, success=away is not None and away < NEAR, judge="distance")
            case "person" if ask is not None:
                return replace(outcome, success=ask(goal.name), judge="person")
            case "none":
                return replace(outcome, success=None, judge="none")
        return outcome

    return verdict
