"""A policy that assumes another base pose in each episode, and notes it in the recording."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from a2g_cli.calibration.base_pose import BasePose
from a2g_cli.calibration.policy import TransformedPolicy
from a2g_cli.calibration.transform import DomainTransform
from a2g_cli.policies.base import Plan, PlanRequest, Policy, WrappedPolicy
from a2g_cli.robots.base import RobotSpec


class PosteriorSamplingPolicy(WrappedPolicy):
    """Any policy behind a domain transform whose base pose is sampled for each episode."""

    def __init__(
        self, policy: Policy, transform: DomainTransform, spec: RobotSpec, sampled_poses: Mapping[int, BasePose]
    ) -> None:
        """Wrap ``policy``; ``sampled_poses`` maps an episode's slot to the base pose that it assumes."""
        super().__init__(policy)
        self._transform, self._spec = transform, spec
        self._sampled_poses = sampled_poses
        self._of_episode: dict[int, TransformedPolicy] = {}

    def start_episode(self, seed: int, slot: int) -> dict[str, Any]:
        """Assume the base pose of ``slot``; return it, for the recording (``guess``, as version 0.1 called it)."""
        pose = self._sampled_poses[slot]
        transform = replace(self._transform, base_pose=pose)
        self._of_episode[seed] = TransformedPolicy(self._policy, transform, self._spec)
        return self._policy.start_episode(seed, slot) | {"guess": {"yaw": pose.yaw, "shift": list(pose.shift)}}

    def end_episode(self, seed: int) -> None:
        """Forget the episode's base pose."""
        self._of_episode.pop(seed, None)
        self._policy.end_episode(seed)

    def plan(self, requests: Sequence[PlanRequest]) -> list[Plan]:
        """Answer several requests at once, in order. Raises KeyError for an episode that was not started."""
        policies = [self._of_episode[request.seed] for request in requests]
        nominal = [policy.to_nominal(request) for policy, request in zip(policies, requests, strict=True)]
        plans = self._policy.plan(nominal)
        return [policy.from_nominal(plan) for policy, plan in zip(policies, plans, strict=True)]
