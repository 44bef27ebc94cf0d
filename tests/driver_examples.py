"""A third party's drivers, installed by their entry points: an arm, a camera and a simulator whose calls fail on demand.

What fails is said by the driver's first setting, e.g. ``faulty:act=RuntimeError,rest=OSError``.
"""

import os
import time
from pathlib import Path

import numpy as np

from a2g_cli.cameras.base import Frame
from a2g_cli.core.clock import WallClock
from a2g_cli.core.types import Image, Observation, Vector
from a2g_cli.robots.base import RobotSpec
from a2g_cli.robots.sim import SimRobot

SOUND = 3
"""Calls of ``observe``, ``act`` and ``read`` that succeed before one fails."""
SIZE = 32


class SerialException(OSError):  # noqa: N818 - its own name
    """As pyserial's."""


ERRORS: dict[str, type[BaseException]] = {
    **{one.__name__: one for one in (SerialException, OSError, RuntimeError, KeyError, ValueError, TimeoutError)},
    **{one.__name__: one for one in (StopIteration, AssertionError, TypeError, KeyboardInterrupt)},
}


def install(folder: Path) -> Path:
    """Announce the drivers of this module in ``folder``, which is put on ``sys.path`` to install them."""
    about = folder / "faulty_drivers-0.1.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: faulty-drivers\nVersion: 0.1\n")
    names = "[a2g.robots]\nfaulty = driver_examples:Arm\nfaultysim = driver_examples:World\n"
    (about / "entry_points.txt").write_text(f"{names}[a2g.cameras]\nfaulty = driver_examples:Camera\n")
    return folder


class _Faults:
    """Which call fails with what, and what was called."""

    def __init__(self, faults: str) -> None:
        self._faults = dict(word.split("=") for word in faults.split(",") if "=" in word)
        self._calls: dict[str, int] = {}

    def __call__(self, name: str, sound: int = 0) -> None:
        self._calls[name] = self._calls.get(name, 0) + 1
        if "A2G_DRIVER_LOG" in os.environ and name not in {"observe", "act", "read"}:
            with Path(os.environ["A2G_DRIVER_LOG"]).open("a") as file:
                file.write(f"{name}\n")
        kind = self._faults.get(name)
        if kind is not None and kind.startswith("slow"):
            time.sleep(float(kind[4:]))
        elif kind is not None and self._calls[name] > sound:
            raise ERRORS[kind](f"{name} went wrong:\nno status packet")


def sharp_image(step: int) -> Image:
    """Return a sharp image that is another one at every step."""
    image = np.full((SIZE, SIZE, 3), 120, np.uint8)
    image[::3] = (200, 40, 40)
    image[step % 24 :][:8] = (20, 40, 220)
    return image


class Arm:
    """Two joints and a camera; it is where it was sent."""

    def __init__(self, faults: str = "") -> None:
        self.fail = _Faults(faults)
        self.fail("constructor")
        self.clock = WallClock()
        self.spec = RobotSpec(
            "faulty",
            ("a", "b"),
            ("rad", "rad"),
            (-1.0, -1.0),
            (1.0, 1.0),
            20.0,
            ("a", "b"),
            ("rad", "rad"),
            {"front": (SIZE, SIZE)},
        )
        self._at, self._step = np.array([0.5, 0.5], np.float32), 0

    def connect(self) -> None:
        self.fail("connect")

    def observe(self) -> Observation:
        self.fail("observe", SOUND)
        self._step += 1
        now = self.clock.now()
        return Observation({"front": sharp_image(self._step)}, self._at.copy(), {"front": now}, now)

    def act(self, action: Vector) -> Vector:
        self.fail("act", SOUND)
        self._at = np.array(action, np.float32)
        return self._at.copy()

    def reset(self) -> None:
        self.fail("reset")

    def rest(self) -> None:
        self.fail("rest")
        self.fail("rested")

    def close(self) -> None:
        self.fail("close")
        self.fail("closed")


class World(SimRobot):
    """A simulator of somebody else's."""

    def __init__(self, faults: str = "") -> None:
        super().__init__()
        self.fail = _Faults(faults)

    def act(self, action: Vector) -> Vector:
        self.fail("act", SOUND)
        return super().act(action)

    def rest(self) -> None:
        self.fail("rest")
        super().rest()

    def close(self) -> None:
        super().close()
        self.fail("close")


class Camera:
    """Looks at nothing in particular."""

    def __init__(self, faults: str = "") -> None:
        self.fail, self._step = _Faults(faults), 0

    def open(self) -> None:
        self.fail("open")

    def read(self, timeout: float) -> Frame:
        time.sleep(0.02)
        self.fail("read", 10 * SOUND)
        self._step += 1
        return Frame(sharp_image(self._step), time.monotonic(), self._step)

    def close(self) -> None:
        self.fail("close")
