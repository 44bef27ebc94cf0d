"""A policy that acts in each episode on a guess of its own of where the arm stands, and lets the recording say which."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from a2g_cli.calibration.policy import TransformedPolicy
from a2g_cli.calibration.transform import BasePose, DomainTransform
from a2g_cli.policies.base import Plan, PlanRequest, Policy
from a2g_cli.robots.base import RobotSpec


class PosteriorSamplingPolicy:
    """Any policy, behind a calibration whose mount is another in each episode."""

    def __init__(
        self, policy: Policy, calibration: DomainTransform, spec: RobotSpec, sampled_poses: Mapping[int, BasePose]
    ) -> None:
        """``sampled_poses``: number of an attempt -> where the arm is said to stand in it."""
        self._policy, self._calibration, self._spec = policy, calibration, spec
        self._sampled_poses = sampled_poses
        self._acting: dict[int, TransformedPolicy] = {}

    @property
    def name(self) -> str:
        """Of the policy that acts."""
        return self._policy.name

    def begun(self, slot: int, seed: int) -> dict[str, Any]:
        """Take note that attempt ``slot`` is the episode of ``seed``; return what its recording is to say of it."""
        sampled_pose = self._sampled_poses[slot]
        self._acting[seed] = TransformedPolicy(
            self._policy, replace(self._calibration, base_pose=sampled_pose), self._spec
        )
        return {"guess": {"yaw": sampled_pose.yaw, "shift": list(sampled_pose.shift)}}

    def plan(self, requests: Sequence[PlanRequest]) -> list[Plan]:
        """Answer several requests at once, in order."""
        acting = [self._acting[request.seed] for request in requests]
        asked = [one.brought(request) for one, request in zip(acting, requests, strict=True)]
        return [one.returned(plan) for one, plan in zip(acting, self._policy.plan(asked), strict=True)]
