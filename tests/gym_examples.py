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
        picture = np.full((SIDE, SIDE, 3), 240, np.uint8)
        column, row = np.clip((at * (SIDE - 3)).astype(int), 0, SIDE - 3)
        picture[row : row + 3, column : column + 3] = (200, 30, 30)
        return picture


class Drawn(Point):
    """Its observation holds no pictures and it has no goals: render() has to be asked."""

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
