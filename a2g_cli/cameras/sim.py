"""A camera in the simulator."""

from typing import TYPE_CHECKING

from a2g_cli.cameras.base import Frame
from a2g_cli.core.clock import Clock, WallClock
from a2g_cli.core.errors import HardwareError, UnknownNameError

if TYPE_CHECKING:
    from a2g_cli.simulator.tabletop import Tabletop

VIEWS = ("front", "side", "wrist")


class SimCamera:
    """One view of a tabletop: that of a SimRobot, or its own, in which nothing moves."""

    def __init__(
        self,
        view: str = "front",
        size: int = 64,
        shift: str = "none",
        tabletop: "Tabletop | None" = None,
        clock: Clock | None = None,
        scene: str = "place",
    ) -> None:
        if view not in VIEWS:
            raise UnknownNameError("camera view", view, VIEWS)
        self._view = view
        self._size = size
        self._shift = shift
        self._scene = scene
        self._shared = tabletop
        self._clock = clock or WallClock()
        self._tabletop: Tabletop | None = None
        self._sequence = 0

    def open(self) -> None:
        """Prepare the renderer. Raises HardwareError without OpenGL."""
        if self._tabletop is not None:
            return
        tabletop = self._shared or self._own_tabletop()
        tabletop.open_graphics()
        self._tabletop = tabletop

    def read(self, timeout: float) -> Frame:  # noqa: ARG002 - drawing takes a millisecond and never has to wait
        """Draw the present scene. Raises HardwareError if the camera is not open."""
        if self._tabletop is None:
            raise HardwareError(f"camera sim:{self._view} is not open; call open() first")
        self._sequence += 1
        return Frame(self._tabletop.draw(self._view), self._clock.now(), self._sequence)

    def close(self) -> None:
        """Stop drawing; harmless when called twice. A shared tabletop stays with its robot."""
        if self._tabletop is not None and self._shared is None:
            self._tabletop.close_graphics()
        self._tabletop = None

    def _own_tabletop(self) -> "Tabletop":
        from a2g_cli.simulator.scenes import scene
        from a2g_cli.simulator.shifts import parse_shift
        from a2g_cli.simulator.tabletop import Tabletop

        task = scene(self._scene, parse_shift(self._shift))
        tabletop = Tabletop(task, self._size)
        tabletop.set_state(task.default_state())
        return tabletop
