"""LeRobot in tests: its own classes, without the packages that it imports beside its robots and no robot calls."""

import importlib.abc
import importlib.machinery
import importlib.util
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import pytest

NEEDLESS = ("accelerate", "datasets", "einops", "lerobot.datasets", "torchvision", "transformers")
"""What the packages of LeRobot's robots import for training, data sets and language models."""

JOINTS = ("shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll", "gripper")


def _needless(name: str) -> bool:
    return any(name == one or name.startswith(f"{one}.") for one in NEEDLESS)


class _Placeholders(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Modules in which every name is a class that cannot be used: whoever calls one fails."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True) if _needless(fullname) else None

    def exec_module(self, module: ModuleType) -> None:
        def missing(name: str) -> type:
            if name.startswith("__"):
                raise AttributeError(name)
            return type(name, (), {"__init__": None})

        module.__getattr__ = missing  # type: ignore[method-assign]


def lerobot() -> None:
    """Import LeRobot's robots; skip the test where `make .venv/.tests` has not installed them."""
    if importlib.util.find_spec("lerobot") is None:
        pytest.skip("LeRobot is not installed: make .venv/.tests")
    if "lerobot.robots" in sys.modules:
        return
    real = {name: sys.modules.pop(name) for name in list(sys.modules) if _needless(name)}
    finder = _Placeholders()
    sys.meta_path.insert(0, finder)
    try:
        importlib.import_module("lerobot.robots")
        importlib.import_module("lerobot.robots.so_follower")
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name in sys.modules if _needless(name)]:
            del sys.modules[name]
        sys.modules.update(real)


def calibration(folder: Path, arm: str = "bench") -> Path:
    """Write LeRobot's calibration file of the software servos; return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    ends = {"drive_mode": 0, "homing_offset": 0, "range_min": 1024, "range_max": 3072}
    (folder / f"{arm}.json").write_text(json.dumps({name: {"id": i + 1, **ends} for i, name in enumerate(JOINTS)}))
    return folder


def plugin(folder: Path) -> Path:
    """Make a third-party package of LeRobot's, as pip would leave it in ``folder``; put that on ``sys.path`` to use it."""
    described = folder / "lerobot_robot_bench-1.0.dist-info"
    described.mkdir(parents=True)
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: lerobot_robot_bench\nVersion: 1.0\n")
    (folder / "lerobot_robot_bench.py").write_text(_PLUGIN)
    return folder


_PLUGIN = '''
"""A mobile arm in software: a position, a speed and a camera. LeRobot finds it by its name."""

import time
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from lerobot.robots.config import RobotConfig
from lerobot.robots.robot import Robot


@RobotConfig.register_subclass("bench_arm")
@dataclass
class BenchArmConfig(RobotConfig):
    max_relative_target: float | None = None
    height: int = 48


class BenchCamera:
    latest_timestamp = 0.0


class BenchArm(Robot):
    config_class = BenchArmConfig
    name = "bench_arm"

    def __init__(self, config):
        super().__init__(config)
        self.config, self.at, self.speed, self.open = config, 0.0, 0.0, False
        self.cameras, self.taken, self.sent = {"front": BenchCamera()}, 0, []

    @cached_property
    def observation_features(self):
        return {"lift.pos": float, "base.vel": float, "front": (self.config.height, 64, 3)}

    @cached_property
    def action_features(self):
        return {"lift.pos": float, "base.vel": float}

    @property
    def is_connected(self):
        return self.open

    @property
    def is_calibrated(self):
        return True

    def connect(self, calibrate=True):
        assert not calibrate
        self.open = True

    def calibrate(self):
        raise AssertionError("asked at the terminal")

    def configure(self):
        pass

    def get_observation(self):
        self.taken += 1
        self.cameras["front"].latest_timestamp = time.perf_counter() - 0.02
        image = np.full((self.config.height, 64, 3), self.taken % 256, np.uint8)
        return {"lift.pos": self.at, "base.vel": self.speed, "front": image}

    def send_action(self, action):
        cap = self.config.max_relative_target
        wanted = action["lift.pos"]
        self.at = wanted if cap is None else min(max(wanted, self.at - cap), self.at + cap)
        self.speed = action["base.vel"]
        self.sent.append({"lift.pos": self.at, "base.vel": self.speed})
        return self.sent[-1]

    def disconnect(self):
        self.open = False
'''
