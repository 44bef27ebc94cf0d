"""The guard for camera frames: stops on frames that are too old, or the same again and again while the robot moves."""

import numpy as np

from a2g_cli.core.errors import SafetyStop
from a2g_cli.core.types import Image, Observation, Vector
from a2g_cli.runtime.safety.bounds import Row

CLOCKS = 0.05
"""Largest difference between the clocks of camera and robot [s]."""


class FrameGuard:
    """Checks every observation of one episode. Needs only capture times and pixels, so it works with any driver.

    Args:
        age: largest age of a frame [s].
        frozen: observations in a row with the same pixels, while the robot moves, that mean a frozen camera; 0: never.
        motion: (P,) smallest measured change that counts as motion. Without proprioception, a changed action counts.
    """

    def __init__(self, age: float, frozen: int, motion: Row) -> None:
        self._age, self._frozen, self._motion = age, frozen, motion
        self._seen: dict[str, _Seen] = {}
        self._sent: list[Vector] = []

    def sent(self, action: Vector) -> None:
        """Take note of an action (A,) that was sent to the robot."""
        if not self._motion.size:
            self._sent.append(action)

    def check(self, observation: Observation) -> None:
        """Raise SafetyStop if a frame is too old, from the future, or frozen."""
        for camera, image in observation.images.items():
            age = observation.time - observation.captured_at[camera]
            if not -CLOCKS <= age <= self._age:
                problem = (
                    f"{age:.2f} s old, at most {self._age:g} s are allowed"
                    if age > 0
                    else f"{-age:.2f} s in the future"
                )
                raise SafetyStop(
                    f"camera {camera!r}: its newest frame is {problem}: the robot was stopped.", "stale-frame"
                )
            if self._frozen:
                self._compare(camera, image, observation.proprioception)

    def _compare(self, camera: str, image: Image, at: Vector) -> None:
        seen = self._seen.get(camera)
        if seen is None or not np.array_equal(seen.image, image):
            self._seen[camera] = _Seen(image, at, len(self._sent))
            return
        seen.count += 1
        if seen.count >= self._frozen and self._moved(seen, at):
            raise SafetyStop(
                f"camera {camera!r} is frozen: the same image {seen.count} times in a row while the robot moved: "
                "the robot was stopped.",
                "frozen-frame",
            )

    def _moved(self, seen: "_Seen", at: Vector) -> bool:
        if self._motion.size:
            return bool((np.abs(at - seen.at) > self._motion).any())
        sent = self._sent[seen.since :]
        return any(not np.array_equal(sent[0], action) for action in sent[1:])


class _Seen:
    """An image, and the robot's position when it first appeared."""

    def __init__(self, image: Image, at: Vector, since: int) -> None:
        self.image, self.at, self.since, self.count = image, at, since, 1
