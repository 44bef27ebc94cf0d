"""Which robot, in which world: from the command line and ``a2g.toml`` to connected drivers."""

import inspect
from collections.abc import Iterator
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
        driver = drivers.load("robot", self.robot)
        settings = {**self.settings, **changed}
        known = self._parameters()
        unknown = sorted(settings.keys() - known.keys())
        if unknown:
            raise UsageError(
                f"robot {self.robot!r} has no setting {', '.join(unknown)}; it has: {', '.join(known) or 'none'}."
            )
        missing = [name for name, found in known.items() if found.default is found.empty and name not in settings]
        if missing:
            raise UsageError(f"robot {self.robot!r} needs {', '.join(missing)}: set it under [robot] in a2g.toml.")
        try:
            robot: Robot = driver(**settings)
        except (TypeError, ValueError, AttributeError) as error:
            if not settings:
                raise  # nobody set anything: a defect of the driver, which its trace explains
            told = ", ".join(f"{name} = {settings[name]!r}" for name in _suspects(settings, known))
            why = " ".join(str(error).split()) or type(error).__name__
            raise UsageError(f"robot {self.robot!r} cannot work with the setting {told}: {why}.") from error
        return robot

    def _parameters(self) -> dict[str, inspect.Parameter]:
        """Return what the driver can be told by name."""
        by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        parameters = inspect.signature(drivers.load("robot", self.robot)).parameters
        return {name: found for name, found in parameters.items() if found.kind in by_name}

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


def _suspects(settings: dict[str, Any], known: dict[str, inspect.Parameter]) -> list[str]:
    """Return the settings of another kind than the driver's own defaults, or all of them when no such one stands out."""
    odd = [
        name
        for name, value in settings.items()
        if isinstance(default := known[name].default, str | int | float)
        and not isinstance(value, type(default))
        and not (isinstance(default, float) and isinstance(value, int))
    ]
    return odd or list(settings)
