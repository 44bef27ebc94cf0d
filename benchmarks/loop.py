"""The loop's costs on this machine: planning, adapting, memory, start-up.

    python benchmarks/loop.py [--base DIR] [--json]

Planning time is held against the duration of the chunk that a plan is executed for; an adaptation round is 20 episodes and
100 iterations; peak memory is the operating system's own figure for the finished process.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

A2G = [sys.executable, "-m", "a2g_cli"]


def timed(*words: str) -> tuple[float, float, str]:
    """Run a2g and return (seconds, peak memory [MB], stdout)."""
    with tempfile.TemporaryFile("w+") as out:
        begun = time.perf_counter()
        process = subprocess.Popen([*A2G, *words], stdout=out, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - begun
        out.seek(0)
        text = out.read()
    if process.returncode not in {0, 5}:
        raise SystemExit(f"a2g {' '.join(words)} ended with {process.returncode}: {text}")
    return seconds, usage.ru_maxrss / 1024, text


def planning(base: list[str]) -> dict[str, float]:
    """Return the time of a plan beside the chunk's duration, one robot and one thread [ms]."""
    from a2g_cli.models import checkpoint
    from a2g_cli.policies.act2goal import Act2GoalPolicy
    from a2g_cli.policies.base import PlanRequest
    from a2g_cli.robots.sim import SimRobot

    robot = SimRobot()
    robot.connect()
    trial = robot.trial("practice", 0, 0)
    robot.begin(trial.start)
    policy = Act2GoalPolicy(checkpoint.load(Path(base[1]) if base else checkpoint.SHIPPED))
    times = []
    for i in range(60):
        request = PlanRequest(robot.observe(), trial.goal, 0, i)
        begun = time.perf_counter()
        plan = policy.plan([request])[0]
        times.append(1000 * (time.perf_counter() - begun))
    robot.close()
    chunk = 1000 * len(plan.chunk) / robot.spec.rate
    median, p99 = statistics.median(times[10:]), sorted(times[10:])[-1]
    return {"plan_ms": median, "plan_slowest_ms": p99, "chunk_ms": chunk, "share": median / chunk}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", help="checkpoint folder; the shipped one otherwise")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    base = ["--base", given.base] if given.base else []
    with tempfile.TemporaryDirectory() as folder:
        place = ["--workspace", folder]
        help_seconds = statistics.median(timed("--help")[0] for _ in range(5))
        timed("capture-goal", "g", "--seed", "1", *place)
        run_seconds, run_mb, _ = timed(
            "run", "g", "--episodes", "20", "--adapter", "base", "--no-imagine", *place, *base
        )
        adapt_seconds, adapt_mb, text = timed("adapt", "--iterations", "100", "--json", *place, *base)
    figures = {
        "help_seconds": help_seconds,
        **planning(base),
        "run_20_episodes_seconds": run_seconds,
        "run_peak_mb": run_mb,
        "adapt_100_iterations_seconds": adapt_seconds,
        "adapt_training_seconds": json.loads(text)["seconds"],
        "adapt_peak_mb": adapt_mb,
    }
    if given.json:
        print(json.dumps(figures, indent=2))
        return
    print(f"a2g --help                          {help_seconds:8.2f} s")
    print(f"plan, one robot (median)            {figures['plan_ms']:8.1f} ms")
    print(f"  as a share of the executed chunk  {100 * figures['share']:8.1f} %  of {figures['chunk_ms']:.0f} ms")
    print(f"a2g run, 20 episodes                {run_seconds:8.1f} s   peak {run_mb:.0f} MB")
    print(f"a2g adapt, 100 iterations           {adapt_seconds:8.1f} s   peak {adapt_mb:.0f} MB")
    print(f"  of it LoRA, PEFT's import included {figures['adapt_training_seconds']:7.1f} s")


if __name__ == "__main__":
    main()
