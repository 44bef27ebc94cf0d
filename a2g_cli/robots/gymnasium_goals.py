"""Gymnasium environments that render their goals and judge success: instrumented robots, like the simulator."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from a2g_cli.core.errors import GoalError, UsageError
from a2g_cli.core.types import Description, Goal, Image, State
from a2g_cli.robots.base import Purpose, Trial
from a2g_cli.robots.gymnasium import GymRobot
from a2g_cli.robots.gymnasium_calls import begun, make, strangers_code
from a2g_cli.robots.gymnasium_choice import CameraSetting, NumbersSetting
from a2g_cli.robots.gymnasium_instrumented import WorldGymRobot
from a2g_cli.robots.gymnasium_observation import shows_goal
from a2g_cli.robots.gymnasium_world import WorldFactory, settings_of, world_factory


class GoalGymRobot(GymRobot):
    """An environment that renders its goals and judges success, as OGBench's do: ``options={"task_id", "render_goal"}``.

    A state is the seed and the task of a reset, which give the same start again. Other states cannot be set. Goals are
    photographed in a second environment, which is made when it is first needed and kept.
    """

    _studio: Any = None

    def close(self) -> None:
        """Close both environments; harmless when called twice."""
        studio, self._studio = self._studio, None
        if studio is not None:
            self._end(studio)
        super().close()

    def trial(self, purpose: Purpose, seed: int, index: int) -> Trial:
        """Draw start and goal ``index`` of ``seed``; each purpose has its own stream."""
        stream = ("demonstration", "practice", "evaluation").index(purpose)
        start = self._draw(np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(stream, index))))
        name = f"{self._id.rpartition(':')[2].rpartition('/')[2]}-{purpose}-{seed}-{index}"
        return Trial(purpose, seed, index, start, Goal(name, self.photograph(start), self._spec.name, truth=start))

    def start_for(self, goal: Goal, seed: int, index: int) -> State:
        """Return another start of the goal's task. Raises GoalError."""
        random = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(3, index)))
        return {**self._draw(random), "task": self._truth(goal)["task"]}

    def photograph(self, state: State) -> dict[str, Image]:
        """Return the environment's rendering of the goal of the task in ``state``, without changing the present state."""
        self._check_connected()
        if self._studio is None:
            self._studio = self._made()
        with strangers_code(self._id, "reset"):
            answer = self._studio.reset(seed=int(state["seed"][0]), options=self._told(state))
            _, info = begun(self._id, answer)
            images = self._reader.goal(info)
        return {name: self._framing.apply(image) for name, image in images.items()}

    def state_from(self, values: Description) -> State:
        """Return the state of a task by its number: ``--state task=2``. Raises UsageError."""
        task = values.get("task", [])
        tasks = self._tasks()
        if set(values) != {"task"} or isinstance(task, str) or len(task) != 1 or task[0] not in range(1, tasks + 1):
            raise UsageError(f"{self._spec.name} has tasks 1 to {tasks}: --state task=1.")
        return {**self._draw(np.random.default_rng(0)), "task": [float(task[0])]}

    def state(self) -> State:
        """Return seed and task of the last reset."""
        self._check_connected()
        return {name: list(values) for name, values in self._start.items()}

    def succeeded(self, goal: Goal) -> bool:
        """Whether the environment reports success on the task of ``goal``. Raises GoalError for a goal without truth."""
        return self._truth(goal)["task"] == self._start["task"] and self._done

    def _truth(self, goal: Goal) -> State:
        if goal.truth is None or set(goal.truth) != {"seed", "task"}:
            raise GoalError(f"goal {goal.name!r} is not a task of {self._spec.name}: expected a goal that it rendered.")
        return goal.truth

    def _tasks(self) -> int:
        return int(getattr(self._env.unwrapped, "num_tasks", 1))

    def _draw(self, random: np.random.Generator) -> State:
        return {**super()._draw(random), "task": [float(random.integers(1, self._tasks() + 1))]}

    def _told(self, start: State) -> dict[str, Any]:
        return {"task_id": int(start.get("task", [1])[0]), "render_goal": True}


def gym_robot(
    id: str,  # noqa: A002 - Gymnasium's own word for it
    options: Mapping[str, Any] | None = None,
    rate: float | None = None,
    size: tuple[int, int] | None = None,
    proprioception: NumbersSetting | None = None,
    seed: int = 0,
    camera: CameraSetting | None = None,
    actions: Sequence[str] | None = None,
    units: Mapping[str, str] | None = None,
    repeat: int | None = None,
    limit: int | None = None,
    shift: str = "none",
    name: str | None = None,
    world: str | WorldFactory | None = None,
) -> GymRobot:
    """Return the robot of an environment.

    With ``world`` it is a WorldGymRobot; an entry point's name (group ``a2g.worlds``) or ``MODULE:ATTRIBUTE``, see
    gymnasium_world. Without it, it is a GoalGymRobot if the environment renders and judges its goals, else a GymRobot. The
    other arguments and the errors are those of GymRobot; a world may give values for those that are None.
    """
    factory = None if world is None else world_factory(world)
    settings: dict[str, Any] = {
        "rate": rate,
        "size": size,
        "proprioception": proprioception,
        "camera": camera,
        "actions": actions,
        "units": units,
        "repeat": repeat,
        "limit": limit,
    }
    if factory is not None:
        given = settings_of(factory, f"gym:{id}")
        settings = {key: given.get(key) if value is None else value for key, value in settings.items()}
    settings["repeat"] = 1 if settings["repeat"] is None else settings["repeat"]
    settings |= {"id": id, "options": options, "seed": seed, "shift": shift, "name": name}
    if factory is not None:
        return WorldGymRobot(factory, **settings)
    return (GoalGymRobot if _has_goals(id, dict(options or {})) else GymRobot)(**settings)


def _has_goals(id: str, options: Mapping[str, Any]) -> bool:  # noqa: A002
    """Whether an environment renders and judges its own goals."""
    env = make(id, options)
    try:
        with strangers_code(id, "reset"):
            return hasattr(env.unwrapped, "num_tasks") and shows_goal(
                begun(id, env.reset(seed=0, options={"task_id": 1, "render_goal": True}))[1]
            )
    finally:
        env.close()
