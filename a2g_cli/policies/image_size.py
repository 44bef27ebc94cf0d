"""Crops and resizes images to the size that a base was trained at, in the same way as goal photos."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from a2g_cli.cameras.metadata import Framing
from a2g_cli.core.types import Goal, Image
from a2g_cli.policies.base import Plan, PlanRequest, Policy, WrappedPolicy
from a2g_cli.robots.base import RobotSpec

Size = tuple[int, int]
"""Height and width [px]."""


def resized(image: Image, size: Size) -> Image:
    """Return ``image`` (H, W, 3) cropped about its centre and resized to ``size``; the same object if it has that size."""
    return image if image.shape[:2] == size else Framing(size=size).apply(image)


def resized_images(images: Mapping[str, Image], size: Size) -> Mapping[str, Image]:
    """Return camera -> image at ``size``; the same mapping if all images have that size."""
    if all(image.shape[:2] == size for image in images.values()):
        return images
    return {camera: resized(image, size) for camera, image in images.items()}


def resized_spec(spec: RobotSpec, size: Size) -> RobotSpec:
    """Return ``spec`` as if every camera gave images of ``size``."""
    return replace(spec, cameras=dict.fromkeys(spec.cameras, size))


def in_words(camera_sizes: Mapping[str, Size], size: Size) -> str:
    """Return a message about the cameras whose images are resized to ``size``; empty if there are none."""
    cameras_of_size: dict[Size, list[str]] = {}
    for camera, camera_size in camera_sizes.items():
        if camera_size != size:
            cameras_of_size.setdefault(camera_size, []).append(camera)
    if not cameras_of_size:
        return ""
    sizes = " and ".join(f"{width}x{height} ({', '.join(names)})" for (height, width), names in cameras_of_size.items())
    height, width = size
    return f"images of {sizes} are cropped about the centre and resized to {width}x{height}"


class ResizingPolicy(WrappedPolicy):
    """Any policy, for a robot whose cameras give images of another size than the policy was trained at."""

    def __init__(self, policy: Policy, size: Size) -> None:
        super().__init__(policy)
        self._size = size
        self._goals: dict[str, Goal] = {}

    def plan(self, requests: Sequence[PlanRequest]) -> list[Plan]:
        """Answer several requests at once, in order."""
        return self._policy.plan([self._resized(request) for request in requests])

    def _resized(self, request: PlanRequest) -> PlanRequest:
        images = resized_images(request.observation.images, self._size)
        return replace(request, observation=replace(request.observation, images=images), goal=self._goal(request.goal))

    def _goal(self, goal: Goal) -> Goal:
        key = goal.fingerprint
        if key not in self._goals:
            self._goals[key] = replace(goal, images=resized_images(goal.images, self._size))
        return self._goals[key]
