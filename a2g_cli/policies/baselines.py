"""Baselines that every result is compared with: a policy that stands still and one that acts at random.

Neither depends on what happens, so the next plan is requested while the present action is executed (``ahead=1``): the robot
never waits for it.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from a2g_cli.policies.base import Plan, PlanRequest, Policy
from a2g_cli.robots.base import RobotSpec


class StillPolicy(Policy):
    """Stands still.

    An action that is a target for a measured value gets the value measured at the beginning of the episode; if it followed
    the measurement, an arm that sags under its weight would sink. Other actions are 0, or the middle of their range where
    0 is not inside it.
    """

    name = "still"

    def __init__(self, spec: RobotSpec) -> None:
        self._low, self._high = np.float32(np.array(spec.action_low)), np.float32(np.array(spec.action_high))
        self._idle = np.where((self._low < 0) & (self._high > 0), 0, (self._low + self._high) / 2).astype(np.float32)
        measured = spec.proprioception_names
        self._targets = [(i, measured.index(name)) for i, name in enumerate(spec.action_names) if name in measured]
        self._held: dict[int, NDArray[np.float32]] = {}

    def end_episode(self, seed: int) -> None:
        """Forget what the episode held."""
        self._held.pop(seed, None)

    def plan(self, requests: Sequence[PlanRequest]) -> list[Plan]:
        """Return one action for each request, the same throughout an episode."""
        return [Plan(self._action(request)[None], float("nan"), ahead=1.0) for request in requests]

    def _action(self, request: PlanRequest) -> NDArray[np.float32]:
        if request.index == 0 or request.seed not in self._held:
            action = self._idle.copy()
            for target, value in self._targets:
                action[target] = request.observation.proprioception[value]
            self._held[request.seed] = np.clip(action, self._low, self._high)
        return self._held[request.seed]


class RandomPolicy(Policy):
    """Draws every action uniformly within the limits."""

    name = "random"

    def __init__(self, spec: RobotSpec) -> None:
        self._low, self._high = np.array(spec.action_low), np.array(spec.action_high)

    def plan(self, requests: Sequence[PlanRequest]) -> list[Plan]:
        """Return one random action for each request, fixed by its seed and index."""
        plans = []
        for request in requests:
            rng = np.random.default_rng([request.seed, request.index])
            action = rng.uniform(self._low, self._high).astype(np.float32)
            plans.append(Plan(action[None], float("nan"), ahead=1.0))
        return plans
