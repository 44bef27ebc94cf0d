"""What acting costs on this machine, and what it is worth: planning time, success, the control rate, a cold start.

    python benchmarks/acting.py [--scene NAME ...] [--shift none] [--episodes 100] [--seed 7] [--base DIR]
        [--only time ...] [--json FILE]

- time: one plan for one robot, beside the duration of the chunk that is executed of it; the steps are those over the actions.
- steps, execute, ahead: success on held-out starts and goals with one setting changed; temperature scales the actions' noise.
- rate: the times between the actions of a robot on the wall clock whose every plan takes 40 ms longer than it need, when it
  waits for its plans (ahead 0) and when it does not.
- start: from the start of the process `a2g run` to its first action.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from a2g_cli.cli.commands.deployment import Deployment
from a2g_cli.cli.commands.evaluate import LANES
from a2g_cli.core.clock import WallClock
from a2g_cli.core.types import Vector
from a2g_cli.models import checkpoint
from a2g_cli.policies.act2goal import Act2GoalPolicy
from a2g_cli.policies.acting import N_ACTION_STEPS, ActingSettings
from a2g_cli.policies.base import Plan, PlanRequest, Policy
from a2g_cli.robots.sim import SimRobot
from a2g_cli.runtime.evaluation import draw_trials, evaluate, jobs_for
from a2g_cli.runtime.rollout import roll_out
from a2g_cli.runtime.sink import NullSink
from a2g_cli.runtime.termination import RolloutSettings

SWEEPS: dict[str, list[ActingSettings]] = {
    "steps": [ActingSettings(denoising_steps=steps) for steps in (1, 2, 5, 10)],
    "execute": [ActingSettings(n_action_steps=n, temperature=warm) for warm in (1.0, 0.0) for n in (2, 4, 8)],
    "ahead": [ActingSettings(replan_lead=ahead) for ahead in (0.0, 0.5, 1.0, 2.0)],
}
SLOWER = 0.04
"""What a plan takes longer than it need where the control rate is measured [s]."""

Rows = list[dict[str, Any]]


def plan_times(given: argparse.Namespace) -> Rows:
    """Return the time of a plan by steps and threads, the first ten of sixty left out."""
    with Deployment("sim", {"scene": given.scene[0]}).connected() as (robot,):
        trial = draw_trials(robot, "practice", 0, 1)[0]
        request = PlanRequest(robot.observe(), trial.goal, 0, 0)
        period = 1000 / robot.spec.rate
    rows = []
    for threads in (1, 2):
        for settings in SWEEPS["steps"]:
            policy = Act2GoalPolicy(checkpoint.load(given.base), replace(settings, threads=threads))
            times = []
            for i in range(60):
                begun = time.perf_counter()
                plan = policy.plan([replace(request, index=i)])[0]
                times.append(1000 * (time.perf_counter() - begun))
            median, chunk = statistics.median(times[10:]), period * len(plan.chunk)
            rows.append(
                {
                    "threads": threads,
                    "steps": settings.denoising_steps,
                    "plan_ms": round(median, 2),
                    "slowest_ms": round(max(times[10:]), 2),
                    "chunk_ms": chunk,
                    "share": round(median / chunk, 4),
                }
            )
    return rows


def successes(sweep: Sequence[ActingSettings], given: argparse.Namespace) -> Rows:
    """Return success by scene and setting."""
    rows = []
    for scene in given.scene:
        with Deployment("sim", {"scene": scene, "shift": given.shift}).connected(min(LANES, given.episodes)) as robots:
            trials = draw_trials(robots[0], "evaluation", given.seed, given.episodes)
            for settings in sweep:
                policy = Act2GoalPolicy(checkpoint.load(given.base), settings)
                result = evaluate("base", policy, robots, trials, RolloutSettings(stop_on_truth=True)).to_json()
                rows.append(
                    {
                        "scene": scene,
                        "shift": given.shift,
                        "steps": settings.denoising_steps,
                        "execute": settings.n_action_steps or N_ACTION_STEPS,
                        "temperature": settings.temperature,
                        "ahead": settings.replan_lead,
                        **{key: result[key] for key in ("successes", "n", "interval", "seconds")},
                    }
                )
    return rows


class WallRobot(SimRobot):
    """The simulator on the wall clock; keeps when it was moved."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.wall, self.moved = WallClock(), list[float]()

    @property
    def clock(self) -> WallClock:  # type: ignore[override]
        """The machine's own clock."""
        return self.wall

    def act(self, action: Vector) -> Vector:
        """Carry the action out at once; the session waits until the period is over."""
        self.moved.append(self.wall.now())
        return super().act(action)


class Slowed(Policy):
    """A policy whose plans take longer than they need."""

    name = "act2goal"

    def __init__(self, policy: Act2GoalPolicy) -> None:
        self._policy = policy

    def plan(self, requests: Sequence[PlanRequest]) -> list[Plan]:
        """Answer after a pause."""
        time.sleep(SLOWER)
        return self._policy.plan(requests)


def control_rate(given: argparse.Namespace) -> Rows:
    """Return how long control periods last on the wall clock."""
    rows = []
    robot = WallRobot(scene=given.scene[0])
    robot.connect()
    for ahead in (0.0, ActingSettings().replan_lead):
        robot.moved.clear()
        policy = Slowed(Act2GoalPolicy(checkpoint.load(given.base), ActingSettings(replan_lead=ahead)))
        jobs = jobs_for(draw_trials(robot, "practice", given.seed, 1), lambda _trial, _robot: NullSink())
        list(roll_out([robot], jobs, policy, RolloutSettings(limit=100)))
        periods = 1000 * np.diff(robot.moved)
        nominal = 1000 / robot.spec.rate
        rows.append(
            {
                "ahead": ahead,
                "periods": len(periods),
                "mean_ms": round(float(periods.mean()), 2),
                "longest_ms": round(float(periods.max()), 2),
                "longer_by_a_fifth": int((periods > 1.2 * nominal).sum()),
            }
        )
    robot.close()
    return rows


FIRST_ACTION = """
import sys, time
from a2g_cli.robots.sim import SimRobot
act = SimRobot.act
def told(self, action):
    print("first action at", time.time(), file=sys.stderr)
    SimRobot.act = act
    return act(self, action)
SimRobot.act = told
from a2g_cli.cli.app import main
main()
"""


def cold_start(given: argparse.Namespace) -> Rows:
    """Return the time from the process's start to the first action of five cold runs."""
    seconds = []
    with tempfile.TemporaryDirectory() as folder:
        place = ["--scene", given.scene[0], "--workspace", folder]
        a2g = [sys.executable, "-m", "a2g_cli"]
        subprocess.run([*a2g, "capture-goal", "g", "--seed", "1", *place], check=True, capture_output=True)
        words = ["run", "g", "--adapter", "base", "--steps", "1", "--base", str(given.base), *place]
        for _ in range(5):
            begun = time.time()
            done = subprocess.run(
                [sys.executable, "-c", FIRST_ACTION, *words], capture_output=True, text=True, check=False
            )
            told = [line for line in done.stderr.splitlines() if line.startswith("first action at ")]
            if not told:
                raise SystemExit(done.stderr)
            seconds.append(float(told[0].split()[-1]) - begun)
    return [{"median_s": round(statistics.median(seconds), 2), "slowest_s": round(max(seconds), 2)}]


SECTIONS: dict[str, Callable[[argparse.Namespace], Rows]] = {
    "time": plan_times,
    **{name: lambda given, sweep=sweep: successes(sweep, given) for name, sweep in SWEEPS.items()},  # type: ignore[misc]
    "rate": control_rate,
    "start": cold_start,
}


def table(rows: Rows) -> str:
    """Return rows of the same keys as text, in columns."""
    cells = [list(rows[0]), *([str(value) for value in row.values()] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(cells[0]))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in cells)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scene", action="append", help="repeatable; place otherwise")
    parser.add_argument("--shift", default="none")
    parser.add_argument("--episodes", type=int, default=100)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument(
        "--base", type=Path, default=checkpoint.SHIPPED, help="checkpoint folder; the shipped one otherwise"
    )
    parser.add_argument("--only", action="append", choices=SECTIONS, help="repeatable; every section otherwise")
    parser.add_argument("--json", type=Path, metavar="FILE")
    given = parser.parse_args()
    given.scene = given.scene or ["place"]
    found = {}
    for name in given.only or SECTIONS:
        found[name] = SECTIONS[name](given)
        print(f"{name}\n{table(found[name])}\n", flush=True)
    if given.json:
        given.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
