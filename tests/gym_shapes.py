"""Environments whose observations, steps and manners are as those of other people's: ``options={"kind": ...}``."""

import atexit
import ctypes
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any, ClassVar

import gymnasium
import numpy as np
import torch
from gymnasium import spaces

HEIGHT, WIDTH = 48, 64


class Shapes(gymnasium.Env[Any, Any]):
    """Two numbers that an action moves, and an image of where they are, seen as ``kind`` says."""

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": 20}

    def __init__(self, render_mode: str | None = None, kind: str = "plain") -> None:
        self.render_mode, self._kind = render_mode, kind
        self.action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)
        self.observation_space = SPACES.get(kind, spaces.Dict({"place": spaces.Box(0.0, 1.0, (2,), np.float32)}))

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.place, self.steps = self.np_random.uniform(0.2, 0.8, 2), 0
        return SEEN[self._kind](self), {"extra": {"force": np.array([0.5])}}

    def step(self, action: Any) -> Any:
        self.place, self.steps = np.clip(self.place + 0.05 * np.asarray(action), 0.0, 1.0), self.steps + 1
        seen, info = SEEN[self._kind](self), {"extra": {"force": np.array([0.4])}}
        return STEPS.get(self._kind, lambda seen, info: (seen, 0.0, False, False, info))(seen, info)

    def render(self) -> Any:
        return self.image()

    def image(self) -> Any:
        image = np.full((HEIGHT, WIDTH, 3), 180, np.uint8)
        image[::4] = (60, 90, 120)
        column, row = (self.place * [WIDTH - 9, HEIGHT - 9]).astype(int)
        image[row : row + 8, column : column + 8] = (210, 30, 40)
        return image

    def again(self) -> Any:
        self.buffer: Any = getattr(self, "buffer", np.zeros((HEIGHT, WIDTH, 3), np.uint8))
        self.buffer[...] = self.image()
        return self.buffer

    def fractions(self) -> Any:
        return (self.image() / 255).astype(np.float32)


SPACES: dict[str, spaces.Space[Any]] = {
    "vector": spaces.Box(np.array([0.0, 0.0, -np.inf], np.float32), np.array([1.0, 1.0, np.inf], np.float32)),
    "around-zero": spaces.Dict({"image": spaces.Box(-1.0, 1.0, (HEIGHT, WIDTH, 3), np.float32)}),
    "nested": spaces.Dict({"agent": spaces.Dict({"pos": spaces.Box(0.0, 1.0, (2,), np.float32)})}),
}
SEEN: dict[str, Callable[[Shapes], Any]] = {
    "plain": lambda env: {"place": env.place},
    "nested": lambda env: {"pixels": {"top": env.image()}, "agent": {"pos": env.place, "grip": 1}},
    "fractions": lambda env: {"image": env.fractions(), "place": env.place},
    "floats": lambda env: {"image": env.image().astype(np.float64), "place": env.place},
    "integers": lambda env: {"image": env.image().astype(np.int32), "place": env.place},
    "around-zero": lambda env: {"image": env.fractions() * 2 - 1, "place": env.place},
    "channels-first": lambda env: {"image": env.image().transpose(2, 0, 1), "place": env.place},
    "batched": lambda env: {"image": env.image()[None], "place": env.place[None]},
    "tensors": lambda env: {"image": torch.from_numpy(env.image())[None], "place": torch.from_numpy(env.place)[None]},
    "alpha": lambda env: {"image": np.dstack([env.image(), env.image()[..., 0]]), "place": env.place},
    "grey": lambda env: {"image": env.image()[..., :1], "place": env.place},
    "grey-rows": lambda env: {"image": env.image()[..., 0], "place": env.place},
    "vector": lambda env: np.append(env.place, 7.0),
    "tuple": lambda env: (env.image(), env.place, [1.0, 2.0]),
    "odd-name": lambda env: {"cams/left%1": env.image(), "état": env.place},
    "stack": lambda env: {"image": np.stack([0 * env.image(), env.image()]), "place": env.place},
    "grey-stack": lambda env: np.stack([env.image()[..., 0]] * 4),
    "same-name": lambda env: {"a/b": env.image(), "a.b": env.image()},
    "rest": lambda env: {
        "place": env.place,
        "say": "push",
        "depth": np.ones((HEIGHT, WIDTH, 1), np.float32),
        "no": None,
    },
    "odd-floats": lambda env: {"image": env.image() * 10.0 - 7, "place": env.place},
    "many": lambda env: {"place": env.place, "lidar": np.zeros(5000)},
    "used-again": lambda env: {"image": env.again(), "place": env.place},
    "grows": lambda env: {"place": env.place, "seen": np.zeros(1 + (env.steps > 1))},
    "shrinks": lambda env: {"image": env.image()[: HEIGHT - 8 * (env.steps > 1)], "place": env.place},
    "brightens": lambda env: {"image": env.fractions() * (1 + 9 * (env.steps > 1)), "place": env.place},
}
SEEN |= dict.fromkeys(("success-vector", "success-tensor", "four-values", "three-values"), SEEN["plain"])
STEPS: dict[str, Callable[[Any, Any], Any]] = {
    "success-vector": lambda seen, info: (seen, 0.0, False, False, {"success": np.array([False, True])}),
    "success-tensor": lambda seen, info: (
        *(seen, torch.zeros(1), torch.tensor([False]), torch.tensor([False])),
        {"success": torch.tensor([True])},
    ),
    "four-values": lambda seen, info: (seen, 0.0, True, {}),
    "three-values": lambda seen, info: (seen, 0.0, True),
}
NOISE = ("by print", "by write", "by os.write", "by a library in C", "by a child", "at the end")
"""What ``noisy`` writes to standard output, each in its own way."""


def noisy(env: Shapes) -> Any:
    """Write to standard output in every way, as environments and their libraries do."""
    if not env.steps:
        os.write(1, f"{NOISE[2]}\n".encode())
        ctypes.CDLL(None).printf(b"%s\n", NOISE[3].encode())  # stays in C's buffer until the process ends
        subprocess.run(["echo", NOISE[4]], check=True)
        atexit.register(print, NOISE[5])
    return printing(env)


def printing(env: Shapes) -> Any:
    """Write to Python's own standard output."""
    if not env.steps:
        print(NOISE[0])  # noqa: T201
        sys.stdout.write(f"{NOISE[1]}\n")
    return SEEN["plain"](env)


SEEN |= {"noisy": noisy, "printing": printing}
gymnasium.register(id="Shapes-v0", entry_point="gym_shapes:Shapes", max_episode_steps=5)
