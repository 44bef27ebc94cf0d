"""How large a report is, and how long it takes: sessions of 40 and of 200 episodes of the simulator's expert.

python benchmarks/report.py [--episodes 40 200] [--json]

A few demonstrations are recorded and copied: a report reads, encodes and writes each copy as if it were another episode.
Each time is that of a process of its own, start included; beside it stands what it took of a core, which a busy machine
changes less.
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from a2g_cli.core.workspace import Workspace
from a2g_cli.data.recording.sessions import new_session
from a2g_cli.data.recording.writer import write_episode
from a2g_cli.robots.sim import SimRobot
from a2g_cli.simulator.demonstrations import demonstration_episodes

DIFFERENT = 8
"""Demonstrations that are recorded; the others are copies."""


def demonstrations(folder: Path) -> list[Path]:
    """Record ``DIFFERENT`` demonstrations, with steps-to-go as a policy would have believed, and return their files."""
    robot = SimRobot()
    robot.connect()
    paths = []
    for number, made in enumerate(demonstration_episodes(robot, 0, 0, DIFFERENT)):
        estimates = tuple((step, float(len(made) - step)) for step in range(0, len(made), 4))
        if made.outcome is not None:
            made.outcome = replace(made.outcome, estimates=estimates)
        paths.append(write_episode(folder / f"{number}.hdf5", robot.spec, made))
    robot.close()
    return paths


def measured(root: Path, paths: list[Path], count: int) -> dict[str, Any]:
    """Return size, time and a core's time of the report of ``count`` episodes."""
    workspace = Workspace(root / str(count))
    session = new_session(workspace, "many")
    for number in range(count):
        shutil.copyfile(paths[number % len(paths)], session.folder / f"episode-{number:04d}.hdf5")
    command = [sys.executable, "-m", "a2g_cli", "report", "many", "--json", "--workspace", str(workspace.root)]
    begin, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    seconds, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    core = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    document = json.loads(said)
    shutil.rmtree(workspace.root)
    return {"episodes": document["episodes"], "bytes": document["bytes"], "seconds": seconds, "core_seconds": core}


def main() -> None:
    """Measure, and print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--episodes", type=int, nargs="+", default=[40, 200])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        paths = demonstrations(root)
        rows = [measured(root, paths, count) for count in options.episodes]
    if options.json:
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
        return
    for row in rows:
        size, times = (
            f"{row['bytes'] / 1e6:5.1f} MB",
            f"{row['seconds']:6.1f} s, {row['core_seconds']:6.1f} s of a core",
        )
        print(f"{row['episodes']:5} episodes: {size}, {times}")


if __name__ == "__main__":
    main()
