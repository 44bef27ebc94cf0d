"""A policy that acts here as it would at home: what it sees and measures is brought home, what it plans is brought here."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from a2g_cli.calibration.actuators import driven_columns, driven_names
from a2g_cli.calibration.transform import DomainTransform
from a2g_cli.core.types import Goal, Observation
from a2g_cli.policies.base import Plan, PlanRequest, Policy
from a2g_cli.robots.base import RobotSpec


class TransformedPolicy:
    """Any policy, behind a calibration."""

    def __init__(self, policy: Policy, calibration: DomainTransform, spec: RobotSpec) -> None:
        self._policy, self.calibration, self._spec = policy, calibration, spec
        self._goals: dict[str, Goal] = {}

    @property
    def name(self) -> str:
        """Of the policy that acts."""
        return self._policy.name

    def plan(self, requests: Sequence[PlanRequest]) -> list[Plan]:
        """Answer several requests at once, in order."""
        return [self.returned(plan) for plan in self._policy.plan([self.brought(request) for request in requests])]

    def brought(self, request: PlanRequest) -> PlanRequest:
        """Return a request as it would be made at home."""
        return replace(request, observation=self._observation(request.observation), goal=self._goal(request.goal))

    def returned(self, plan: Plan) -> Plan:
        """Return a plan of home's as it is carried out here."""
        tail = None if plan.tail is None else self._actions(plan.tail)
        return replace(plan, chunk=self._actions(plan.chunk), tail=tail)

    def _observation(self, observation: Observation) -> Observation:
        measured = torch.from_numpy(np.asarray(observation.proprioception, np.float32))
        return replace(
            observation,
            images=self.calibration.pictures(observation.images),
            proprioception=self.calibration.measured(self._spec.proprioception_names, measured).numpy(),
        )

    def _goal(self, goal: Goal) -> Goal:
        if not self.calibration.views:
            return goal
        key = goal.fingerprint
        if key not in self._goals:
            self._goals[key] = replace(goal, images=self.calibration.pictures(goal.images))
        return self._goals[key]

    def _actions(self, actions: NDArray[np.float32]) -> NDArray[np.float32]:
        spec = self._spec
        here = self.calibration.from_nominal(
            torch.from_numpy(actions), spec.action_names, spec.proprioception_names
        ).numpy()
        if np.array_equal(here, actions):
            return actions
        moving = driven_names(spec.action_names, spec.proprioception_names)
        acting, _ = driven_columns(moving, spec.action_names, spec.proprioception_names)
        low, high = np.array(spec.action_low, np.float32), np.array(spec.action_high, np.float32)
        # Shortened as a whole where it asks for more than the robot does, so that its direction is kept.
        wanted = here[:, acting]
        size, bound = np.abs(wanted), np.abs(np.where(wanted < 0, low[acting], high[acting]))
        share = np.divide(bound, size, out=np.ones_like(size), where=size > bound)
        here = here.copy()
        here[:, acting] = wanted * share.min(axis=1, keepdims=True)
        return np.clip(here, low, high)
