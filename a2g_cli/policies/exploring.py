"""A policy that explores: in every second episode by noise that lasts, else by independent noise."""

from collections.abc import Sequence
from typing import Any

from a2g_cli.policies.base import Plan, PlanRequest, Policy, WrappedPolicy


class AlternatingPolicy(WrappedPolicy):
    """Acts as one policy in episodes of even slots, and as another in those of odd slots."""

    def __init__(self, even: Policy, odd: Policy) -> None:
        """Wrap both; they have one name."""
        super().__init__(even)
        self._odd = odd
        self._odd_episodes: set[int] = set()

    def start_episode(self, seed: int, slot: int) -> dict[str, Any]:
        """Start the episode of the policy that acts in it."""
        if slot % 2:
            self._odd_episodes.add(seed)
            return self._odd.start_episode(seed, slot)
        return super().start_episode(seed, slot)

    def end_episode(self, seed: int) -> None:
        """End the episode of the policy that acted in it."""
        if seed in self._odd_episodes:
            self._odd_episodes.remove(seed)
            self._odd.end_episode(seed)
        else:
            super().end_episode(seed)

    def plan(self, requests: Sequence[PlanRequest]) -> list[Plan]:
        """Answer several requests at once, in order."""
        odd = [request.seed in self._odd_episodes for request in requests]
        plans: dict[int, Plan] = {}
        for policy, own in ((self._policy, False), (self._odd, True)):
            rows = [i for i, is_odd in enumerate(odd) if is_odd is own]
            plans |= zip(rows, policy.plan([requests[i] for i in rows]), strict=True) if rows else {}
        return [plans[i] for i in range(len(requests))]
