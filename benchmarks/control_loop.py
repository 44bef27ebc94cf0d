"""How well control keeps time: the simulator as a robot on the wall clock at 20 Hz, acting with the shipped base, recorded.

    python benchmarks/control_loop.py [--rate 20] [--steps 600] [--replan-lead 0.5 ...] [--repeat 1] [--priority nice|fifo]
        [--json FILE]

Rows: `a2g` plans beside the robot, `--replan-lead` control periods early; with `ahead 0` the robot waits for each plan.
`synchronous` is the loop that most programs have - look, plan if nothing is left to do, act, sleep for what is left of the
period - on the same robot, policy and recording. `lerobot` is LeRobot's own `record_loop` on the same robot and policy, where
LeRobot and what that loop needs is installed beside a2g (benchmarks/lerobot_loop.py).

`jitter` is how far the time between two actions is from the period, `missed` how many were longer by more than half of one.
Every pause counts. `--priority nice` (-10) or `fifo` (the system's real-time class) asks for what a robot's control loop
would be given on a machine that does other work too; it needs the right to.
"""

import argparse
import json
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from a2g_cli.core.clock import WallClock
from a2g_cli.core.safety_limits import SafetyLimits
from a2g_cli.core.types import Observation, Outcome, Provenance, StepTiming, Vector
from a2g_cli.models import checkpoint
from a2g_cli.policies.act2goal import Act2GoalPolicy
from a2g_cli.policies.acting import ActingSettings
from a2g_cli.policies.base import PlanRequest
from a2g_cli.robots.base import RobotSpec, Trial
from a2g_cli.robots.sim import SimRobot
from a2g_cli.runtime.recorder import Recorder
from a2g_cli.runtime.rollout import Job, roll_out
from a2g_cli.runtime.sink import Timed
from a2g_cli.runtime.termination import RolloutSettings
from a2g_cli.runtime.timing import TimingStats

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENT = SafetyLimits(missed_deadlines=1_000_000)
"""A missed deadline is what is counted here; it must not end the count."""


class Bench(SimRobot):
    """The simulator on the wall clock, at a rate of one's own; keeps when it was moved."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self._wall, self._rate = WallClock(), rate
        self.moved: list[float] = []

    @property
    def clock(self) -> WallClock:  # type: ignore[override]
        """The machine's own."""
        return self._wall

    @property
    def spec(self) -> RobotSpec:
        """As the simulator's, at this rate."""
        return replace(super().spec, rate=self._rate)

    def observe(self) -> Observation:
        """Look: the image is drawn now."""
        now = self._wall.now()
        return replace(super().observe(), time=self._wall.now(), captured_at=dict.fromkeys(self.spec.cameras, now))

    def act(self, action: Vector) -> Vector:
        """Carry the action out."""
        self.moved.append(self._wall.now())
        return super().act(action)


Row = dict[str, Any]


def row(name: str, robot: Bench, planning: list[float], ages: list[float]) -> Row:
    """Return what became of the times between actions."""
    period = 1.0 / robot.spec.rate
    intervals = np.diff(robot.moved)
    jitter = 1000 * np.abs(intervals - period)
    median, high = np.percentile(jitter, [50, 99])
    return {
        "loop": name,
        "steps": len(robot.moved),
        "rate_hz": round(float(1 / intervals.mean()), 3),
        "jitter_ms": round(float(median), 3),
        "jitter_p99_ms": round(float(high), 3),
        "longest_ms": round(float(1000 * intervals.max()), 1),
        "missed": int((intervals > 1.5 * period).sum()),
        "plan_ms": round(1000 * float(np.median(planning)), 1) if planning else None,
        "plan_p99_ms": round(1000 * float(np.percentile(planning, 99)), 1) if planning else None,
        "frame_age_ms": round(1000 * float(np.median(ages)), 2) if ages else None,
    }


def ours(robot: Bench, trial: Trial, steps: int, ahead: float, folder: Path) -> Row:
    """Return a row of a2g's own loop."""
    policy = Act2GoalPolicy(checkpoint.load(checkpoint.SHIPPED), ActingSettings(replan_lead=ahead))
    timing_stats = TimingStats(robot.spec.rate)
    recorder = Recorder(
        folder / f"ours-{ahead}-{time.time_ns()}.hdf5", robot.spec, trial.goal, Provenance("bench", "act2goal")
    )
    sink = Timed(recorder, timing_stats)
    settings = RolloutSettings(limit=steps, safety=PATIENT)
    list(roll_out([robot], [Job(trial.goal, 0, lambda _: robot.begin(trial.start), lambda _: sink)], policy, settings))
    return row(f"a2g, ahead {ahead:g}", robot, timing_stats.planning, timing_stats.ages)


def synchronous(robot: Bench, trial: Trial, steps: int, folder: Path) -> Row:
    """Return a row of the loop that looks, thinks, acts and sleeps in one thread."""
    policy = Act2GoalPolicy(checkpoint.load(checkpoint.SHIPPED), ActingSettings(replan_lead=0.0))
    path = folder / f"synchronous-{time.time_ns()}.hdf5"
    recorder = Recorder(path, robot.spec, trial.goal, Provenance("bench", "act2goal"))
    robot.begin(trial.start)
    planning, ages, chunk = list[float](), list[float](), np.zeros((0, 4), np.float32)
    observation, plans = robot.observe(), 0
    recorder.begin(observation)
    while len(robot.moved) < steps:
        begun = time.perf_counter()
        observation = robot.observe()
        ages.append(observation.time - min(observation.captured_at.values()))
        if not len(chunk):
            thinking = time.perf_counter()
            chunk = policy.plan([PlanRequest(observation, trial.goal, 0, plans)])[0].chunk
            planning.append(time.perf_counter() - thinking)
            plans += 1
        action, chunk = chunk[0], chunk[1:]
        sent = robot.act(action)
        recorder.append(action, sent, observation, StepTiming(robot.moved[-1]))
        time.sleep(max(0.0, 1 / robot.spec.rate - (time.perf_counter() - begun)))
    recorder.finish(Outcome(None, "none", "steps"))
    return row("synchronous", robot, planning, ages)


def lerobot(robot: Bench, trial: Trial, steps: int) -> Row | None:
    """Return a row of LeRobot's own loop, None where it is not installed."""
    try:
        from lerobot_loop import record
    except ImportError as error:
        print(f"lerobot: left out, {error}")
        return None
    planning = record(robot, trial, steps)
    return row("lerobot", robot, planning, [])


def table(rows: list[Row]) -> str:
    """Return rows of the same keys as text, in columns."""
    cells = [list(rows[0]), *([str(value) for value in row.values()] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(cells[0]))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in cells)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=20.0, help="[Hz]")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--replan-lead", type=float, action="append", help="repeatable; 0.5 and 0 otherwise")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--priority", choices=("nice", "fifo"))
    parser.add_argument("--json", type=Path, metavar="FILE")
    given = parser.parse_args()
    if given.priority == "nice":
        os.nice(-10 - os.nice(0))
    elif given.priority == "fifo":
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"load {load} on {os.cpu_count()} cores, priority {given.priority or 'normal'}", flush=True)
    robot = Bench(given.rate)
    robot.connect()
    trial = robot.trial("practice", 7, 0)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        loops: list[Callable[[], Row | None]] = [
            *(
                lambda ahead=ahead: ours(robot, trial, given.steps, ahead, folder)
                for ahead in given.replan_lead or [0.5, 0.0]
            ),
            lambda: synchronous(robot, trial, given.steps, folder),
            lambda: lerobot(robot, trial, given.steps),
        ]
        for loop in loops * given.repeat:  # side by side: whatever else the machine does, it does to all
            robot.moved.clear()
            if (found := loop()) is not None:
                rows.append(found)
    robot.close()
    print(table(rows))
    if given.json:
        given.json.write_text(json.dumps({"load": os.getloadavg(), "rows": rows}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
