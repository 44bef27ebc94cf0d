"""A small environment of the tests' own: a point on a table is pushed to where the goal shows it."""

import os
import time
from pathlib import Path
from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium import spaces

SIDE = 24


class Point(gymnasium.Env[Any, Any]):
    """Draws and judges its goals as OGBench's environments do."""

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": 20}
    num_tasks = 3

    def __init__(self, render_mode: str | None = None, in_observation: bool = True) -> None:
        self.render_mode, self._shown = render_mode, in_observation
        self.action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)
        self.observation_space = spaces.Dict({"place": spaces.Box(0.0, 1.0, (2,), np.float32)})

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.target = np.array([0.2 * (options or {}).get("task_id", 1), 0.8])
        self.place = self.np_random.uniform(0.0, 0.4, 2)
        return self._seen(), {"goal": {"pixels": self._draw(self.target)}, "battery": np.array([0.5])}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.place = np.clip(self.place + 0.1 * np.asarray(action), 0.0, 1.0)
        done = bool(np.linalg.norm(self.place - self.target) < 0.1)
        return self._seen(), float(done), done, False, {"success": done, "battery": np.array([0.4])}

    def render(self) -> Any:
        return self._draw(self.place)

    def _seen(self) -> dict[str, Any]:
        place = self.place.astype(np.float32)
        return {"place": place, **({"pixels": self._draw(self.place)} if self._shown else {})}

    def _draw(self, at: Any) -> Any:
        image = np.full((SIDE, SIDE, 3), 240, np.uint8)
        column, row = np.clip((at * (SIDE - 3)).astype(int), 0, SIDE - 3)
        image[row : row + 3, column : column + 3] = (200, 30, 30)
        return image


class Drawn(Point):
    """Its observation holds no images and it has no goals: render() has to be asked."""

    num_tasks = property()  # type: ignore[assignment]

    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__(render_mode, in_observation=False)


class Breaking(Point):
    """A stranger's code that fails at its third step."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        self.left = 2
        return super().reset(seed=seed, options=options)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        if not self.left:
            raise ZeroDivisionError("the mass matrix\nis singular")
        self.left -= 1
        return super().step(action)


class Slow(Point):
    """Takes a minute to begin, and says in the folder ``$A2G_SLOW`` when it does and when it is closed."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        (Path(os.environ["A2G_SLOW"]) / "begun").touch()
        time.sleep(60)
        return super().reset(seed=seed, options=options)

    def close(self) -> None:
        (Path(os.environ["A2G_SLOW"]) / "closed").touch()


class Unbounded(Point):
    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__(render_mode)
        self.action_space = spaces.Box(-np.inf, np.inf, (2,), np.float32)


for name in ("Point", "Drawn", "Breaking", "Slow", "Unbounded"):
    gymnasium.register(id=f"{name}-v0", entry_point=f"gym_examples:{name}", max_episode_steps=5)


class Flat(Drawn):
    """A plain environment: numbers in one row, of which the last two are the target, and success in ``info``."""

    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__(render_mode)
        self.observation_space = spaces.Box(-1.0, 2.0, (4,), np.float32)

    def _seen(self) -> Any:
        return np.concatenate([self.place, self.target]).astype(np.float32)


class Silent(Flat):
    """It never says whether it was a success."""

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        seen, reward, done, cut, _ = super().step(action)
        return seen, reward, done, cut, {}


class PointWorld:
    """What Flat's owner says of it."""

    settings: ClassVar[dict[str, Any]] = {
        "actions": ["dx", "dy"],
        "proprioception": {"x": "observation.0", "y": "observation.1"},
        "units": {"dx": "m", "x": "m", "y": "m"},
        "limit": 30,
    }

    def __init__(self, env: Any) -> None:
        self._env = env.unwrapped

    def draw(self, random: np.random.Generator) -> tuple[dict[str, Any], dict[str, Any]]:
        target = random.uniform(0.6, 0.9, 2)
        return self.draw_start({"target": target}, random), {"place": target, "target": target}

    def draw_start(self, goal: dict[str, Any], random: np.random.Generator) -> dict[str, Any]:
        return {"place": random.uniform(0.0, 0.4, 2), "target": goal["target"]}

    def set_state(self, state: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        self._env.place, self._env.target = np.array(state["place"]), np.array(state["target"])
        return self._env._seen(), {}

    def state(self) -> dict[str, Any]:
        return {"place": self._env.place, "target": self._env.target}

    def reached(self, goal: dict[str, Any]) -> bool:
        return bool(np.linalg.norm(self._env.place - np.array(goal["place"])) < 0.1)

    def expert(self, goal: dict[str, Any]) -> Any:
        return np.clip((np.array(goal["place"]) - self._env.place) / 0.1, -1, 1)


class Halfway:
    """It says too little."""

    def __init__(self, env: Any) -> None:
        self.env = env


def towards(seen: Any) -> Any:
    """An expert of Flat: its observation in, the next action out."""
    return np.clip((seen[2:] - seen[:2]) / 0.1, -1, 1)


for name in ("Flat", "Silent"):
    gymnasium.register(id=f"{name}-v0", entry_point=f"gym_examples:{name}", max_episode_steps=5)
