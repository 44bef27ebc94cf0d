"""Policies that explore: an aim that is off for a whole episode, and noise that lasts in every second episode.

Noise that is drawn anew at each action averages out within a plan, and the next plan aims again. Where a policy aims wrongly
in the same way each time, only what stays the same throughout an episode moves it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from a2g_cli.policies.base import Plan, PlanRequest, Policy, WrappedPolicy, plan_each

AIMED = ("x", "y")
"""Measured values, in metres, by which an aim can be moved."""


def can_aim(proprioception_names: Sequence[str]) -> bool:
    """Whether a robot measures where its tool is, so that its aim can be moved."""
    return set(AIMED) <= set(proprioception_names)


class AimOffsetPolicy(WrappedPolicy):
    """Any policy, told in each episode that the tool is elsewhere by a constant: so it aims elsewhere by that constant.

    What is recorded is the measured place.
    """

    def __init__(
        self, policy: Policy, proprioception_names: Sequence[str], offsets: Mapping[int, tuple[float, float]]
    ) -> None:
        """Wrap ``policy``.

        Args:
            policy: of any kind.
            proprioception_names: of the robot; ``can_aim`` says whether they suffice.
            offsets: slot of an episode -> what is added to the measured x and y [m].
        """
        super().__init__(policy)
        self._columns = [list(proprioception_names).index(name) for name in AIMED]
        self._offsets = offsets
        self._of_episode: dict[int, tuple[float, float]] = {}

    def start_episode(self, seed: int, slot: int) -> dict[str, Any]:
        """Take the offset of ``slot``; return it, for the recording."""
        self._of_episode[seed] = self._offsets[slot]
        return super().start_episode(seed, slot) | {"aim_offset": list(self._offsets[slot])}

    def end_episode(self, seed: int) -> None:
        """Forget the episode's offset."""
        self._of_episode.pop(seed, None)
        super().end_episode(seed)

    def plan(self, requests: Sequence[PlanRequest]) -> list[Plan]:
        """Answer several requests at once, in order. Raises KeyError for an episode that was not started."""
        return self._policy.plan([self._moved(request) for request in requests])

    def _moved(self, request: PlanRequest) -> PlanRequest:
        measured = np.array(request.observation.proprioception, np.float32)
        measured[self._columns] += np.array(self._of_episode[request.seed], np.float32)
        return replace(request, observation=replace(request.observation, proprioception=measured))


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
        return plan_each(
            [self._odd if request.seed in self._odd_episodes else self._policy for request in requests], requests
        )
