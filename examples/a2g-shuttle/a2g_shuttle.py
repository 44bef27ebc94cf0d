"""A complete driver package for a2g: a shuttle on a rail, and a camera that looks at it. Here the rail is a number."""

import numpy as np

from a2g_cli.cameras.base import Frame
from a2g_cli.core.clock import WallClock
from a2g_cli.core.errors import HardwareError, SafetyStop
from a2g_cli.core.types import Observation
from a2g_cli.robots.base import RobotSpec

SIZE = 64
_rail = {"x": 0.5}  # what the hardware would be: where the shuttle stands [m]


class ShuttleCamera:
    """Sees the rail from above."""

    def __init__(self, clock=None):
        self._clock, self._open, self._taken = clock or WallClock(), False, 0

    def open(self):
        self._open = True

    def read(self, timeout):
        if not self._open:
            raise HardwareError("camera shuttle is not open; call open() first.")
        self._taken += 1
        image = np.full((SIZE, SIZE, 3), 230, np.uint8)
        column = int(_rail["x"] * (SIZE - 8))
        image[28:36, column : column + 8] = (30, 90, 200)
        return Frame(image, self._clock.now(), self._taken)

    def close(self):
        self._open = False


class Shuttle:
    """Goes where it is sent, at most 5 cm a step. Settings under [robot] in a2g.toml are this constructor's."""

    def __init__(self, rate: float = 10.0):
        self.clock = WallClock()
        self._camera, self._connected, self._target = ShuttleCamera(self.clock), False, _rail["x"]
        # Name; the action's names, units and limits; the rate; what is measured, its units; camera -> height and width.
        action, images = (("x",), ("m",), (0.0,), (1.0,)), {"front": (SIZE, SIZE)}
        self.spec = RobotSpec("shuttle", *action, rate, ("x",), ("m",), images)

    def connect(self):
        self._camera.open()
        self._connected = True

    def observe(self):
        self._check()
        frame = self._camera.read(timeout=1.0)
        x = np.array([_rail["x"]], np.float32)
        return Observation({"front": frame.image}, x, {"front": frame.captured_at}, self.clock.now())

    def act(self, action):
        self._check()
        if np.shape(action) != (1,) or not np.isfinite(action).all():
            raise SafetyStop(f"the shuttle was sent {action!r}; an action is one finite number.")
        sent = self.spec.clip(_rail["x"] + np.clip(action - _rail["x"], -0.05, 0.05))
        _rail["x"] = float(sent[0])  # the hardware would begin to move here, and be there one period later
        return sent

    def reset(self):
        self._check()  # a person puts the shuttle back

    def rest(self):
        pass  # it stands still between actions

    def close(self):
        self._connected = False
        self._camera.close()

    def _check(self):
        if not self._connected:
            raise HardwareError("the shuttle is not connected; call connect() first.")
