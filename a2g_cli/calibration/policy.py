"""A policy behind a domain transform: it plans in the training domain, and its actions are mapped to the deployment."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from a2g_cli.calibration.actuators import driven_columns, driven_names
from a2g_cli.calibration.transform import DomainTransform
from a2g_cli.core.types import Goal, Observation
from a2g_cli.policies.base import Plan, PlanRequest, Policy, WrappedPolicy
from a2g_cli.robots.base import RobotSpec


class TransformedPolicy(WrappedPolicy):
    """Any policy behind a domain transform."""

    def __init__(self, policy: Policy, transform: DomainTransform, spec: RobotSpec) -> None:
        super().__init__(policy)
        self._transform, self._spec = transform, spec
        self._goals: dict[str, Goal] = {}

    def plan(self, requests: Sequence[PlanRequest]) -> list[Plan]:
        """Answer several requests at once, in order."""
        plans = self._policy.plan([self.to_nominal(request) for request in requests])
        return [self.from_nominal(plan) for plan in plans]

    def to_nominal(self, request: PlanRequest) -> PlanRequest:
        """Return the request as the training domain would pose it."""
        return replace(request, observation=self._observation(request.observation), goal=self._goal(request.goal))

    def from_nominal(self, plan: Plan) -> Plan:
        """Return a plan of the training domain with the actions that this deployment needs."""
        tail = None if plan.tail is None else self._actions(plan.tail)
        return replace(plan, chunk=self._actions(plan.chunk), tail=tail)

    def _observation(self, observation: Observation) -> Observation:
        measured = torch.from_numpy(np.asarray(observation.proprioception, np.float32))
        return replace(
            observation,
            images=self._transform.images(observation.images),
            proprioception=self._transform.proprioception(self._spec.proprioception_names, measured).numpy(),
        )

    def _goal(self, goal: Goal) -> Goal:
        if not self._transform.camera_warps:
            return goal
        key = goal.fingerprint
        if key not in self._goals:
            self._goals[key] = replace(goal, images=self._transform.images(goal.images))
        return self._goals[key]

    def _actions(self, actions: NDArray[np.float32]) -> NDArray[np.float32]:
        spec = self._spec
        mapped = self._transform.from_nominal(
            torch.from_numpy(actions), spec.action_names, spec.proprioception_names
        ).numpy()
        if np.array_equal(mapped, actions):
            return actions
        names = driven_names(spec.action_names, spec.proprioception_names)
        columns, _ = driven_columns(names, spec.action_names, spec.proprioception_names)
        low, high = np.array(spec.action_low, np.float32), np.array(spec.action_high, np.float32)
        # An action beyond the limits is scaled as a whole, which keeps its direction.
        driven = mapped[:, columns]
        size, limit = np.abs(driven), np.abs(np.where(driven < 0, low[columns], high[columns]))
        scale = np.divide(limit, size, out=np.ones_like(size), where=size > limit)
        mapped = mapped.copy()
        mapped[:, columns] = driven * scale.min(axis=1, keepdims=True)
        return np.clip(mapped, low, high)
