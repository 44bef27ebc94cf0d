"""World: what only the owner of a Gymnasium environment can say. With it, ``gym:`` has what the simulator has.

    class PushWorld:
        settings = {"actions": ["dx", "dy"], "proprioception": {"x": "observation.0", "y": "observation.1"}}

        def __init__(self, env): self.env = env.unwrapped
        def draw(self, random): ...            # a start and a goal, as states
        def draw_start(self, goal, random): ...  # a start for a given goal
        def set_state(self, state): ...        # returns observation and info, like reset
        def state(self): ...                   # the present state
        def reached(self, goal): ...           # whether the present state reaches a goal

``--set world=MODULE:PushWorld``, or an entry point in the group ``a2g.worlds`` and its name. A world may also have
``settings``, ``goal_state`` (a goal in words) and ``expert`` (for ``a2g demonstrate``).
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np

from a2g_cli.core import plugins
from a2g_cli.core.errors import HardwareError, UsageError
from a2g_cli.core.types import Description, State


class World(Protocol):
    """One environment's states. A state is a dictionary of names and lists of numbers; it holds all that ``set_state`` needs.

    A world serves the environment that it was made for, and moves it as it likes: ``draw`` and ``draw_start`` are called on
    a second environment, which nobody looks at.
    """

    def draw(self, random: np.random.Generator) -> tuple[State, State]:
        """Draw a start and a goal. The goal is a state that reaches itself; the start does not reach it.

        It depends on ``random`` alone, not on what happened before.
        """

    def draw_start(self, goal: State, random: np.random.Generator) -> State:
        """Draw a start from which ``goal`` can be reached, and does not hold yet."""

    def set_state(self, state: State) -> tuple[Any, Mapping[str, Any]]:
        """Put the environment into ``state``; return its observation and info, as ``reset`` does."""

    def state(self) -> State:
        """Return the present state."""

    def reached(self, goal: State) -> bool:
        """Whether the present state reaches ``goal``."""


class DescribedWorld(World, Protocol):
    """A world with goals that a person can describe: ``a2g capture-goal NAME --state drawer=0.1``."""

    def goal_state(self, values: Description) -> State:
        """Return the goal that ``values`` describe. Raises UsageError for one that does not exist."""


class ExpertWorld(World, Protocol):
    """A world that knows how its goals are reached."""

    def expert(self, goal: State) -> Any:
        """Return the next action (A,) on the way to ``goal``; None where there is nothing left to do."""


WorldFactory = Callable[[Any], World]
"""Makes the world of an environment, as ``gymnasium.make`` returned it."""

REQUIRED = ("draw", "draw_start", "set_state", "state", "reached")
SETTINGS = ("actions", "camera", "limit", "proprioception", "rate", "repeat", "size", "units")
"""Settings of a robot for which a world may give values, in its ``settings``; a user's own come first."""


def world_factory(world: str | WorldFactory) -> WorldFactory:
    """Return what makes the worlds called ``world``: an entry point's name, ``MODULE:ATTRIBUTE``, or the object itself.

    Raises:
        UsageError: it does not exist, or lacks a method.
        PluginError: it cannot be imported.
    """
    made: WorldFactory = plugins.find("world", world) if isinstance(world, str) else world
    if not callable(made):
        raise UsageError(f"world {world!r} is {made!r}: expected a class whose objects are made with an environment.")
    if isinstance(made, type) and (missing := [name for name in REQUIRED if not callable(getattr(made, name, None))]):
        raise UsageError(f"world {world!r} has no {', '.join(missing)}: a world needs {', '.join(REQUIRED)}.")
    return made


def settings_of(factory: WorldFactory, name: str) -> Mapping[str, Any]:
    """Return the robot's settings that a world gives. Raises UsageError for one that it cannot give."""
    settings: Mapping[str, Any] = getattr(factory, "settings", {})
    if unknown := sorted(set(settings) - set(SETTINGS)):
        raise UsageError(f"{name}: its world sets {', '.join(unknown)}; a world may set {', '.join(SETTINGS)}.")
    return settings


def checked_state(name: str, call: str, state: Any) -> State:
    """Return a world's state with plain lists of numbers, as files keep it. Raises HardwareError for anything else."""
    if not isinstance(state, Mapping) or not state:
        raise HardwareError(f"{name}: its world's {call} returned {type(state).__name__}: expected name -> numbers.")
    plain: State = {}
    for key, values in state.items():
        row = np.ravel(np.asarray(values))
        if row.dtype.kind not in "biuf" or not np.isfinite(row).all():
            raise HardwareError(f"{name}: its world's {call} returned {key} = {values!r}: expected finite numbers.")
        plain[str(key)] = row.astype(float).tolist()
    return plain
