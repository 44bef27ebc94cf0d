"""Which robot, in which world: from the command line and ``a2g.toml`` to connected drivers."""

import inspect
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from a2g_cli import drivers
from a2g_cli.errors import UsageError
from a2g_cli.robots.robot import Robot
from a2g_cli.workspace import Workspace


@dataclass(frozen=True)
class Deployment:
    """A robot driver's name and its settings."""

    robot: str = "sim"
    settings: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def choose(cls, workspace: Workspace, robot: str | None, **given: Any) -> "Deployment":
        """Merge ``[robot]`` of ``a2g.toml`` with what the command line gave; the command line wins.

        Raises:
            UsageError: ``[robot]`` is not a table, or names no driver by a string.
        """
        table = workspace.settings().get("robot", {})
        if not isinstance(table, dict) or not isinstance(table.get("driver", "sim"), str):
            raise UsageError(f'[robot] in {workspace.root / "a2g.toml"} must be a table with driver = "NAME".')
        settings = {key: value for key, value in table.items() if key != "driver"}
        settings |= {key: value for key, value in given.items() if value is not None}
        return cls(robot or table.get("driver", "sim"), settings)

    def make(self, **changed: Any) -> Robot:
        """Return a driver object; nothing is opened and nothing moves.

        Raises:
            UnknownNameError: no such driver.
            UsageError: a setting that the driver does not have.
        """
        driver = drivers.load("robot", self.robot)
        settings = {**self.settings, **changed}
        known = inspect.signature(driver).parameters
        unknown = sorted(settings.keys() - known.keys())
        if unknown:
            raise UsageError(
                f"robot {self.robot!r} has no setting {', '.join(unknown)}; it has: {', '.join(known) or 'none'}."
            )
        robot: Robot = driver(**settings)
        return robot

    @contextmanager
    def connected(self, lanes: int = 1, **changed: Any) -> Iterator[list[Robot]]:
        """Connect ``lanes`` robots and close them at the end, whatever happens."""
        with ExitStack() as stack:
            robots = []
            for _ in range(lanes):
                robot = self.make(**changed)
                stack.callback(robot.close)
                robot.connect()
                robots.append(robot)
            yield robots
