"""A Gymnasium environment with a World: an instrumented robot, like the simulator."""

from typing import Any

import numpy as np

from a2g_cli.core.errors import GoalError, UsageError
from a2g_cli.core.types import Description, Goal, Image, State, Vector
from a2g_cli.robots.base import Purpose, Trial
from a2g_cli.robots.gymnasium import GymRobot
from a2g_cli.robots.gymnasium_calls import begun, strangers_code
from a2g_cli.robots.gymnasium_world import World, WorldFactory, checked_state

STREAMS: dict[str, int] = {"demonstration": 1, "practice": 2, "evaluation": 3, "start": 6}
"""First element of the spawn key of each random stream of a seed, so that the streams are disjoint."""


class WorldGymRobot(GymRobot):
    """An environment whose owner says how its states are drawn, set and judged (gymnasium_world.World).

    States are drawn and photographed in a second environment, which is made when it is first needed and kept. So nothing
    that the owner's code does there can change the present state.

    Args:
        world: makes the world of an environment.
        given: a GymRobot's.
    """

    def __init__(self, world: WorldFactory, **given: Any) -> None:
        self._factory = world
        self._world: World | None = None
        self._studio: tuple[Any, World] | None = None
        super().__init__(**given)

    def close(self) -> None:
        """Close both environments; harmless when called twice."""
        self._world = None
        studio, self._studio = self._studio, None
        if studio is not None:
            self._end(studio[0])
        super().close()

    def reset(self) -> None:
        """Begin at a new start, the next one of this robot's seed."""
        self._check_connected()
        self.begin(self._drawn_states(self._starts)[0])

    def begin(self, start: State) -> None:
        """Put the world into ``start``."""
        self._check_connected()
        self._seen, self._info = self._set(self._here(), start)
        self._over = self._done = False

    def trial(self, purpose: Purpose, seed: int, index: int) -> Trial:
        """Draw start and goal ``index`` of ``seed``; each purpose has its own stream, the same under every shift."""
        start, truth = self._drawn_states(_stream(seed, purpose, index))
        name = f"{self._spec.name.rpartition(':')[2].rpartition('/')[2]}-{purpose}-{seed}-{index}"
        return Trial(purpose, seed, index, start, Goal(name, self.photograph(truth), self._spec.name, truth))

    def start_for(self, goal: Goal, seed: int, index: int) -> State:
        """Draw start ``index`` of ``seed`` for a given goal. Raises GoalError for another world's goal."""
        truth, world = self._truth(goal), self._elsewhere()[1]
        with strangers_code(self._id, "its world's draw_start"):
            return checked_state(self._name, "draw_start", world.draw_start(truth, _stream(seed, "start", index)))

    def photograph(self, state: State) -> dict[str, Image]:
        """Return one image per camera of ``state``, without changing the present state."""
        env, world = self._elsewhere()
        seen, _ = self._set(world, state)
        with strangers_code(self._id, "its observation"):
            images = self._reader.images(seen, lambda: self._drawn(env))
        return {name: self._framing.apply(image) for name, image in images.items()}

    def state_from(self, values: Description) -> State:
        """Return the goal that a person describes, as the world understands it. Raises UsageError."""
        describe = getattr(self._elsewhere()[1], "goal_state", None)
        if describe is None:
            raise UsageError(
                f"{self._spec.name} has no goals in words: draw one with --seed N, or give its world the method goal_state."
            )
        with strangers_code(self._id, "its world's goal_state"):
            return checked_state(self._name, "goal_state", describe(values))

    def state(self) -> State:
        """Return the true present state."""
        with strangers_code(self._id, "its world's state"):
            return checked_state(self._name, "state", self._here().state())

    def succeeded(self, goal: Goal) -> bool:
        """Whether the present state reaches ``goal``. Raises GoalError for a goal without truth, or of another world."""
        truth = self._truth(goal)
        with strangers_code(self._id, "its world's reached"):
            return bool(self._here().reached(truth))

    def expert_action(self, goal: Goal) -> Vector | None:
        """Return the world's own next action (A,) to ``goal``; None where its expert has nothing left to do.

        Raises:
            UsageError: the world has no expert.
        """
        expert = getattr(self._here(), "expert", None)
        if expert is None:
            raise UsageError(f"{self._spec.name} has no expert of its own: its world has no method expert.")
        truth = self._truth(goal)
        with strangers_code(self._id, "its world's expert"):
            action = expert(truth)
        return None if action is None else np.asarray(action, np.float32)

    def _drawn_states(self, random: np.random.Generator) -> tuple[State, State]:
        world = self._elsewhere()[1]
        with strangers_code(self._id, "its world's draw"):
            start, goal = world.draw(random)
            return checked_state(self._name, "draw", start), checked_state(self._name, "draw", goal)

    def _set(self, world: World, state: State) -> Any:
        with strangers_code(self._id, "its world's set_state"):
            return begun(self._id, world.set_state({name: list(values) for name, values in state.items()}))

    def _here(self) -> World:
        """Return the world of the environment that acts."""
        self._check_connected()
        if self._world is None:
            with strangers_code(self._id, "its world"):
                self._world = self._factory(self._env)
        return self._world

    def _elsewhere(self) -> tuple[Any, World]:
        """Return the environment where states are drawn and photographed, and its world."""
        self._check_connected()
        if self._studio is None:
            env = self._made()
            try:
                with strangers_code(self._id, "its world"):
                    self._studio = env, self._factory(env)
                    env.reset(seed=0)
            except BaseException:
                self._studio = None
                self._end(env)
                raise
        return self._studio

    def _truth(self, goal: Goal) -> State:
        truth, here = goal.truth, self.state()
        if truth is None:
            raise GoalError(f"goal {goal.name!r} has no true state: expected one that {self._spec.name} photographed.")
        if {name: len(row) for name, row in truth.items()} != {name: len(row) for name, row in here.items()}:
            raise GoalError(
                f"goal {goal.name!r} is a state of {', '.join(sorted(truth))}, not one of {self._spec.name}: it is another "
                "world's, or another task's."
            )
        return truth


def _stream(seed: int, name: str, index: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(STREAMS[name], index)))
