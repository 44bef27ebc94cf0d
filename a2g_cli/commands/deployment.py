"""Which robot, in which world: from the command line and ``a2g.toml`` to connected drivers."""

import inspect
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from a2g_cli import drivers
from a2g_cli.errors import UsageError
from a2g_cli.robots.robot import InstrumentedRobot, Robot
from a2g_cli.workspace import Workspace


@dataclass(frozen=True)
class Deployment:
    """A robot driver's name and its settings."""

    robot: str = "sim"
    """``DRIVER`` or ``DRIVER:WHAT``, which is the value of the driver's first setting."""
    settings: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def choose(cls, workspace: Workspace, robot: str | None, **given: Any) -> "Deployment":
        """Merge ``[robot]`` of ``a2g.toml`` with what the command line gave; the command line wins.

        The table's settings are those of the driver that it names; another driver, asked for by name, does not get them.

        Raises:
            UsageError: ``[robot]`` is not a table, or names no driver by a string.
        """
        table = workspace.settings().get("robot", {})
        if not isinstance(table, dict) or not isinstance(table.get("driver", "sim"), str):
            raise UsageError(f'[robot] in {workspace.root / "a2g.toml"} must be a table with driver = "NAME".')
        configured = table.get("driver", "sim")
        chosen = robot or configured
        settings = {key: value for key, value in table.items() if key != "driver"} if chosen == configured else {}
        settings |= {key: value for key, value in given.items() if value is not None}
        return cls(chosen, settings)

    def make(self, **changed: Any) -> Robot:
        """Return a driver object; nothing is opened and nothing moves.

        Raises:
            UnknownNameError: no such driver.
            UsageError: a setting that the driver does not have, or a value that it cannot use.
        """
        name, what = drivers.split(self.robot)
        asked = {} if what is None else {drivers.first("robot", name): what}
        robot: Robot = drivers.make("robot", name, {**asked, **self.settings, **changed}, "robot")
        return robot

    def _parameters(self) -> Mapping[str, inspect.Parameter]:
        return drivers.parameters("robot", drivers.split(self.robot)[0])

    @contextmanager
    def connected(self, lanes: int = 1, seed: int | None = None, **changed: Any) -> Iterator[list[Robot]]:
        """Connect ``lanes`` robots and close them at the end, whatever happens.

        Of hardware there is one: a robot that is not instrumented is the only one, however many lanes are asked for.

        Args:
            lanes: the most robots to connect.
            seed: of what a robot draws itself, for drivers that draw; a seed in ``a2g.toml`` wins.
            **changed: other settings than the deployment's.
        """
        if seed is not None and "seed" not in self.settings and "seed" in self._parameters():
            changed["seed"] = seed
        with ExitStack() as stack:
            robots: list[Robot] = []
            # One after the other: a robot that cannot serve is noticed before a second one is made.
            while not robots or (len(robots) < lanes and isinstance(robots[0], InstrumentedRobot)):
                robot = self.make(**changed)
                stack.callback(robot.close)
                robot.connect()
                robots.append(robot)
            yield robots
