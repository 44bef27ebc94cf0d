"""The floor that every result stands on: a policy that does nothing and one that does anything.

What either wants next does not depend on what happens, so it is asked for while the present action is carried out: a robot
never waits for it.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from a2g_cli.policies.base import Plan, PlanRequest
from a2g_cli.robots.base import RobotSpec


class StillPolicy:
    """Asks for no change: where an action is a target for a measured value, for what was measured when the episode began.

    Held from then on, since an arm that sags a little under its weight would sink if each new measurement were its target.
    Of other actions, zero where the limits lie on both sides of zero, else the middle of the range.
    """

    name = "still"

    def __init__(self, spec: RobotSpec) -> None:
        self._low, self._high = np.float32(np.array(spec.action_low)), np.float32(np.array(spec.action_high))
        self._idle = np.where((self._low < 0) & (self._high > 0), 0, (self._low + self._high) / 2).astype(np.float32)
        measured = spec.proprioception_names
        self._targets = [(i, measured.index(name)) for i, name in enumerate(spec.action_names) if name in measured]
        self._held: dict[int, NDArray[np.float32]] = {}

    def plan(self, requests: Sequence[PlanRequest]) -> list[Plan]:
        """Return one still action each, the same throughout an episode."""
        return [Plan(self._action(request)[None], float("nan"), ahead=1.0) for request in requests]

    def _action(self, request: PlanRequest) -> NDArray[np.float32]:
        if request.index == 0 or request.seed not in self._held:
            action = self._idle.copy()
            for target, value in self._targets:
                action[target] = request.observation.proprioception[value]
            self._held[request.seed] = np.clip(action, self._low, self._high)
        return self._held[request.seed]


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
