"""A policy that acts with its own weights on the goals that it practised, and with those that it began from on others."""

from collections.abc import Callable, Sequence
from typing import Any

from a2g_cli.core.types import Goal
from a2g_cli.policies.base import Plan, PlanRequest, Policy, WrappedPolicy, plan_each


class GoalSwitchPolicy(WrappedPolicy):
    """Two policies; the goal of a request chooses between them."""

    def __init__(self, practised: Policy, other: Policy, is_practised: Callable[[Goal], bool]) -> None:
        """Wrap both; they have one name."""
        super().__init__(practised)
        self._other, self._is_practised = other, is_practised
        self._known: dict[str, bool] = {}

    def start_episode(self, seed: int, slot: int) -> dict[str, Any]:
        """Start the episode of both policies: which of them acts is known with the first request."""
        return self._other.start_episode(seed, slot) | super().start_episode(seed, slot)

    def end_episode(self, seed: int) -> None:
        """End the episode of both policies."""
        self._other.end_episode(seed)
        super().end_episode(seed)

    def plan(self, requests: Sequence[PlanRequest]) -> list[Plan]:
        """Answer several requests at once, in order."""
        return plan_each([self._policy if self._own(one.goal) else self._other for one in requests], requests)

    def _own(self, goal: Goal) -> bool:
        key = goal.fingerprint
        if key not in self._known:
            self._known[key] = self._is_practised(goal)
        return self._known[key]
