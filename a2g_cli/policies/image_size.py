"""Images of another size than a base was trained at are cropped and resized to it, as goal photos are."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from a2g_cli.cameras.metadata import Framing
from a2g_cli.core.types import Goal, Image
from a2g_cli.policies.base import AssignedPolicy, Plan, PlanRequest, Policy
from a2g_cli.robots.base import RobotSpec

Size = tuple[int, int]
"""Height and width [px]."""


def resized(image: Image, size: Size) -> Image:
    """Return ``image`` (H, W, 3) cropped about its centre and resized to ``size``; itself where it has that size."""
    return image if image.shape[:2] == size else Framing(size=size).apply(image)


def resized_images(images: Mapping[str, Image], size: Size) -> Mapping[str, Image]:
    """Return camera -> image at ``size``; ``images`` itself where all of them have it."""
    if all(image.shape[:2] == size for image in images.values()):
        return images
    return {camera: resized(image, size) for camera, image in images.items()}


def resized_spec(spec: RobotSpec, size: Size) -> RobotSpec:
    """Return ``spec`` as if every camera gave images of ``size``."""
    return replace(spec, cameras=dict.fromkeys(spec.cameras, size))


def in_words(found: Mapping[str, Size], size: Size) -> str:
    """Return what is done to the images of cameras, camera -> their size; empty where all have ``size`` already."""
    others: dict[Size, list[str]] = {}
    for camera, one in found.items():
        if one != size:
            others.setdefault(one, []).append(camera)
    told = " and ".join(f"{width}x{height} ({', '.join(names)})" for (height, width), names in others.items())
    height, width = size
    return f"images of {told} are cropped about the centre and resized to {width}x{height}" if told else ""


class ResizingPolicy:
    """Any policy, on a robot whose cameras give images of another size than it was trained at."""

    def __init__(self, policy: Policy, size: Size) -> None:
        self._policy, self._size = policy, size
        self._goals: dict[str, Goal] = {}

    @property
    def name(self) -> str:
        """Of the policy that acts."""
        return self._policy.name

    def plan(self, requests: Sequence[PlanRequest]) -> list[Plan]:
        """Answer several requests at once, in order."""
        return self._policy.plan([self._resized(request) for request in requests])

    def _resized(self, request: PlanRequest) -> PlanRequest:
        seen = replace(request.observation, images=resized_images(request.observation.images, self._size))
        return replace(request, observation=seen, goal=self._goal(request.goal))

    def _goal(self, goal: Goal) -> Goal:
        key = goal.fingerprint
        if key not in self._goals:
            self._goals[key] = replace(goal, images=resized_images(goal.images, self._size))
        return self._goals[key]


class ResizingAssignedPolicy(ResizingPolicy):
    """The same for a policy that is told which attempt an episode is."""

    def __init__(self, policy: AssignedPolicy, size: Size) -> None:
        super().__init__(policy, size)
        self._assigned = policy

    def begun(self, slot: int, seed: int) -> dict[str, Any]:
        """Take note that attempt ``slot`` is the episode of ``seed``; return what its recording is to say of it."""
        return self._assigned.begun(slot, seed)
