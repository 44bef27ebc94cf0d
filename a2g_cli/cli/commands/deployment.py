"""The robot and its cameras: from the command line and ``a2g.toml`` to connected drivers."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from a2g_cli.cameras.choice import CameraChoice
from a2g_cli.cameras.choice import choose as choose_cameras
from a2g_cli.core import config, plugins
from a2g_cli.core.errors import closed
from a2g_cli.core.safety_limits import SafetyLimits
from a2g_cli.core.workspace import Workspace
from a2g_cli.display.console import stderr_console
from a2g_cli.display.lines import say
from a2g_cli.robots.base import InstrumentedRobot, Robot, RobotSpec, notes_of, shift_of
from a2g_cli.robots.checked import CheckedRobot
from a2g_cli.robots.with_cameras import WithCameras

IMAGE = (64, 64)
"""Height and width of a camera's images without ``size`` [px]: those of the shipped base."""


@dataclass(frozen=True)
class Deployment:
    """A robot driver's name and its settings."""

    robot: str = "sim"
    """``DRIVER`` or ``DRIVER:WHAT``; WHAT is the value of the driver's first setting."""
    settings: dict[str, Any] = field(default_factory=dict)
    cameras: Mapping[str, CameraChoice] = field(default_factory=dict)
    """Added to the robot's own cameras; one of the same name replaces it."""
    safety: SafetyLimits = field(default_factory=SafetyLimits)
    """The workspace's limits."""
    goals: tuple[str, ...] = ()
    """The workspace's goals: the default of ``a2g run``."""
    typed: tuple[str, ...] = field(default=(), compare=False)
    """The options that were typed for it; commands that messages suggest repeat them."""

    @classmethod
    def choose(cls, workspace: Workspace, robot: str | None, cameras: Sequence[str] = (), **given: Any) -> "Deployment":
        """Merge ``[robot]`` and ``[cameras]`` of ``a2g.toml`` with what the command line gave; the command line wins.

        The tables belong to the file's robot; another robot on the command line gets neither.

        Args:
            workspace: of the ``a2g.toml``.
            robot: ``DRIVER`` or ``DRIVER:WHAT``; None: the file's, else the simulator.
            cameras: each ``NAME=DRIVER:ADDRESS``; added to the robot.
            **given: settings of the robot; those that are None are left out.

        Raises:
            UsageError: the file, or an option, has an unusable value.
        """
        configured = config.read(workspace)
        usual = configured.robot or "sim"
        chosen = robot or usual
        settings = dict(configured.robot_settings) if chosen == usual else {}
        settings |= {key: value for key, value in given.items() if value is not None}
        beside = choose_cameras(workspace, cameras) if chosen == usual else choose_cameras(None, cameras)
        typed = [
            *([] if robot is None else [f"--robot={robot}"]),
            *(f"--camera={camera}" for camera in cameras),
            *(f"--{key}={value}" for key, value in given.items() if value is not None),
        ]
        return cls(chosen, settings, beside, configured.safety, configured.goals, tuple(typed))

    def make(self, **changed: Any) -> Robot:
        """Create a driver; nothing is opened, and nothing moves.

        Raises:
            UnknownNameError: no such driver.
            UsageError: a setting that the driver does not have, or a value that it cannot use.
            HardwareError: the driver cannot be created.
        """
        name, what = plugins.split(self.robot)
        asked = {} if what is None else {plugins.first("robot", name): what}
        made = plugins.make("robot", name, {**asked, **self.settings, **changed}, "robot")
        robot = CheckedRobot(made, f"robot {self.robot!r}")
        if not self.cameras:
            return robot
        own = robot.spec.cameras
        sizes = {name: camera.framing.size or own.get(name, IMAGE) for name, camera in self.cameras.items()}
        readers = {name: camera.reader(sizes[name], clock=robot.clock) for name, camera in self.cameras.items()}
        depth = [name for name, camera in self.cameras.items() if camera.settings.get("depth")]
        return WithCameras(robot, readers, sizes, depth)

    def measurable_spec(self) -> RobotSpec | None:
        """Return the spec of the robot if it knows success; else None. Nothing is connected, and hardware is not even made.

        Raises:
            UnknownNameError, UsageError, HardwareError: see ``make``.
        """
        driver = plugins.load("robot", plugins.split(self.robot)[0])
        if inspect.isclass(driver) and not hasattr(driver, "trial"):
            return None
        made = self.make()
        try:
            return made.spec if isinstance(made, InstrumentedRobot) else None
        finally:
            made.close()

    def _parameters(self) -> Mapping[str, inspect.Parameter]:
        return plugins.parameters("robot", plugins.split(self.robot)[0])

    @contextmanager
    def connected(self, lanes: int = 1, seed: int | None = None, **changed: Any) -> Iterator[list[Robot]]:
        """Connect ``lanes`` robots, and close them at the end, whatever happens.

        A robot that is not instrumented is hardware: it is the only one, whatever ``lanes`` is.

        Args:
            lanes: greatest number of robots.
            seed: for drivers that draw random numbers; a seed in ``a2g.toml`` wins.
            **changed: settings that replace the deployment's.
        """
        if seed is not None and "seed" not in self.settings and "seed" in self._parameters():
            changed["seed"] = seed
        with ExitStack() as stack:
            robots: list[Robot] = []
            # One after the other: an error of the first robot is seen before a second one is created.
            while not robots or (len(robots) < lanes and isinstance(robots[0], InstrumentedRobot)):
                robot = self.make(**changed)
                stack.enter_context(closed(robot, "The robot could not be closed"))
                robot.connect()
                if not robots:
                    for note in notes_of(robot):
                        say(stderr_console(), f"note: {note}", "yellow")
                robots.append(robot)
            yield robots


@contextmanager
def in_training_domain(deployment: Deployment, robots: list[Robot], lanes: int) -> Iterator[list[Robot]]:
    """Connect the same robots in the training domain; ``robots`` themselves if they are not shifted.

    Yields an empty list for hardware, which does not know its true state.
    """
    if not isinstance(robots[0], InstrumentedRobot):
        yield []
        return
    if shift_of(robots[0]) == "none":
        yield robots
        return
    settings = {key: value for key, value in deployment.settings.items() if key != "shift"}
    with Deployment(deployment.robot, settings).connected(lanes=lanes) as unshifted:
        yield unshifted
