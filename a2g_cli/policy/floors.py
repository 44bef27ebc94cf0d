"""The floor that every result stands on: a policy that does nothing and one that does anything.

Neither looks, so its next action is asked for while the present one is carried out: a robot never waits for it.
"""

from collections.abc import Sequence

import numpy as np

from a2g_cli.policy.policy import Plan, PlanRequest
from a2g_cli.robots.robot import RobotSpec


class StillPolicy:
    """Asks for no change: zero where the limits lie on both sides of zero, else the middle of the range."""

    name = "still"

    def __init__(self, spec: RobotSpec) -> None:
        low, high = np.float32(np.array(spec.action_low)), np.float32(np.array(spec.action_high))
        self._action = np.where((low < 0) & (high > 0), 0, (low + high) / 2).astype(np.float32)

    def plan(self, requests: Sequence[PlanRequest]) -> list[Plan]:
        """Return one still action each."""
        return [Plan(self._action[None], float("nan"), ahead=1.0) for _ in requests]


class RandomPolicy:
    """Draws every action uniformly within the limits."""

    name = "random"

    def __init__(self, spec: RobotSpec) -> None:
        self._low, self._high = np.array(spec.action_low), np.array(spec.action_high)

    def plan(self, requests: Sequence[PlanRequest]) -> list[Plan]:
        """Return one random action each, fixed by the request's seed and index."""
        plans = []
        for request in requests:
            rng = np.random.default_rng([request.seed, request.index])
            action = rng.uniform(self._low, self._high).astype(np.float32)
            plans.append(Plan(action[None], float("nan"), ahead=1.0))
        return plans
