"""A robot without physics or graphics, whose clock the tests own: what the guards and the timing are tried on."""

from typing import TYPE_CHECKING

import numpy as np

from a2g_cli.core.safety_limits import SafetyLimits
from a2g_cli.core.types import Goal, Image, Observation, Vector
from a2g_cli.robots.base import RobotSpec

if TYPE_CHECKING:
    from collections.abc import Callable

SPEC = RobotSpec(
    name="bench",
    action_names=("joint", "dx"),
    action_units=("rad", "m"),
    action_low=(-2.0, -0.05),
    action_high=(2.0, 0.05),
    rate=10.0,
    proprioception_names=("joint", "x"),
    proprioception_units=("rad", "m"),
    cameras={"eye": (8, 8)},
)
GOAL = Goal("anything", {"eye": np.zeros((8, 8, 3), np.uint8)}, "bench")


class BenchClock:
    """Moves when it is slept on. ``real`` says that time goes on by itself."""

    def __init__(self, real: bool = False) -> None:
        self.moment, self.real = 100.0, real

    def now(self) -> float:
        return self.moment

    def sleep_until(self, moment: float) -> None:
        self.moment = max(self.moment, moment)


class BenchRobot:
    """The joint goes where it is told, x by dx; every image is another. Keeps what was done to it."""

    def __init__(self, real: bool = False, safety: SafetyLimits | None = None) -> None:
        self.spec, self.clock = SPEC, BenchClock(real)
        self.safety = safety or SafetyLimits()
        self.at = np.zeros(2, np.float32)
        self.images = 0
        self.done: list[str] = []
        self.sent: list[Vector] = []
        self.moved: list[float] = []
        self.scorer: Callable[[], Image] | None = None

    def connect(self) -> None: ...

    def close(self) -> None: ...

    def observe(self) -> Observation:
        self.images += 1
        image = np.full((8, 8, 3), self.images % 256, np.uint8) if self.scorer is None else self.scorer()
        now = self.clock.now()
        return Observation({"eye": image}, self.at.copy(), {"eye": now}, now)

    def act(self, action: Vector) -> Vector:
        sent = self.spec.clip(action)
        self.moved.append(self.clock.now())
        self.sent.append(sent)
        self.done.append("act")
        self.at = np.array([sent[0], self.at[1] + sent[1]], np.float32)
        return sent

    def reset(self) -> None:
        self.done.append("reset")

    def rest(self) -> None:
        self.done.append("rest")

    def action_to_rest_pose(self, observation: Observation) -> tuple[Vector, float]:
        left = float(abs(observation.proprioception[0])) / 0.2
        joint = observation.proprioception[0] - np.clip(observation.proprioception[0], -0.2, 0.2)
        return np.array([joint, 0], np.float32), left
