"""Gymnasium's robots that do not ship with a2g: OGBench's UR5e with its goals and success, and PushT, driven for some steps.

pip install ogbench gym-pusht
python benchmarks/gym_robots.py
"""

import argparse
import time
from typing import Any

import numpy as np

from a2g_cli.robots.base import InstrumentedRobot, Robot
from a2g_cli.robots.gymnasium_goals import gym_robot

ROBOTS: dict[str, dict[str, Any]] = {
    "ogbench:visual-cube-single-v0": {
        "rate": 20.0,
        "proprioception": ["proprio/effector_pos", "proprio/effector_yaw", "proprio/gripper_opening"],
        "options": {"terminate_at_goal": False},
    },
    "gym_pusht:gym_pusht/PushT-v0": {"options": {"obs_type": "pixels_agent_pos"}, "size": (64, 64)},
}
"""Gymnasium's id, module first, and the settings of the robot."""


def line(robot: Robot, steps: int) -> str:
    """Return what the robot is, and how fast it goes with random actions."""
    random = np.random.default_rng(0)
    spec = robot.spec
    begun = time.perf_counter()
    for _ in range(steps):
        robot.act(random.uniform(spec.action_low, spec.action_high).astype(np.float32))
        robot.observe()
    rate = steps / (time.perf_counter() - begun)
    goal = "-"
    if isinstance(robot, InstrumentedRobot):
        trial = robot.trial("practice", 0, 0)
        robot.begin(trial.start)
        goal = f"task {trial.start['task'][0]:.0f}, {'solved' if robot.succeeded(trial.goal) else 'not solved'} at the start"
    cameras = ", ".join(f"{name} {width}x{height}" for name, (height, width) in spec.cameras.items())
    counts = f"{len(spec.action_names)} | {len(spec.proprioception_names)}"
    return f"| `{spec.name}` | {cameras} | {counts} | {spec.rate:g} | {rate:.0f} | {goal} |"


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=100)
    steps = parser.parse_args().steps
    print("| robot | images | actions | measured | Hz | steps/s here | its goal |\n|---|---|---|---|---|---|---|")
    for name, settings in ROBOTS.items():
        robot = gym_robot(name, **settings)
        robot.connect()
        print(line(robot, steps), flush=True)
        robot.close()


if __name__ == "__main__":
    main()
