"""How fast the simulator is on one core: control steps per second, and demonstrations per second.

python benchmarks/simulator.py [--json] [--seconds 3]
"""

import argparse
import json
import time
from collections.abc import Callable

import numpy as np

from a2g_cli.core import plugins
from a2g_cli.robots.sim import SimRobot
from a2g_cli.simulator.demonstrations import demonstration_episodes

REQUIRED = 500.0
"""Control steps with a 64 px image each that a second must hold [1/s]."""


def rate_of(work: Callable[[], int], seconds: float) -> float:
    """Return how many units ``work``, which returns how many it did, gets done a second."""
    work()
    done, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds:
        done += work()
    return done / elapsed


def steps_per_second(seconds: float, cameras: tuple[str, ...], size: int = 64) -> float:
    """Return control steps a second: physics, observation, and an image from every camera."""
    robot = SimRobot(cameras=cameras, size=size)
    robot.connect()
    random = np.random.default_rng(0)

    def work() -> int:
        robot.reset()
        for _ in range(40):
            robot.act(random.uniform(robot.spec.action_low, robot.spec.action_high).astype(np.float32))
            robot.observe()
        return 40

    rate = rate_of(work, seconds)
    robot.close()
    return rate


def demonstrations_per_second(seconds: float) -> float:
    """Return demonstrations a second, images and disturbance included."""
    robot = SimRobot(disturbance=1.0)
    robot.connect()
    indices = iter(range(1_000_000))

    def work() -> int:
        return sum(1 for _ in demonstration_episodes(robot, seed=0, first=next(indices), count=1))

    rate = rate_of(work, seconds)
    robot.close()
    return rate


def expert(shift: str, count: int, disturbance: float) -> dict[str, float]:
    """Return the expert's success rate and mean number of steps over ``count`` demonstrations."""
    robot = SimRobot(shift=shift, cameras=(), disturbance=disturbance)
    robot.connect()
    episodes = list(demonstration_episodes(robot, seed=0, first=0, count=count, diverse=0.25 if disturbance else 0.0))
    robot.close()
    won = sum(episode.outcome is not None and episode.outcome.success is True for episode in episodes)
    return {"count": count, "success": won / count, "steps": float(np.mean([len(episode) for episode in episodes]))}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--seconds", type=float, default=3.0, help="time to spend on each rate")
    parser.add_argument("--count", type=int, default=100, help="demonstrations behind each success rate")
    options = parser.parse_args()

    rates = {
        "steps, physics only": steps_per_second(options.seconds, ()),
        "steps, one 64 px image": steps_per_second(options.seconds, ("front",)),
        "steps, three 64 px images": steps_per_second(options.seconds, ("front", "side", "wrist")),
        "demonstrations with images": demonstrations_per_second(options.seconds),
    }
    experts = {"none": expert("none", options.count, 0.0), "none, disturbed": expert("none", options.count, 1.0)}
    experts |= {f"{name}:1": expert(name, options.count, 0.0) for name in plugins.known("shift")}

    if options.json:
        print(json.dumps({"per_second": rates, "expert": experts}, indent=2))
        return
    for name, rate in rates.items():
        print(f"{name:30} {rate:8.0f} /s")
    print(f"{'one image, of the required':30} {rates['steps, one 64 px image'] / REQUIRED:8.1f} x")
    print()
    for name, result in experts.items():
        print(f"expert, {name:22} {result['success']:8.1%} of {result['count']}, {result['steps']:.1f} steps")


if __name__ == "__main__":
    main()
