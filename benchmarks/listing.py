"""How long `a2g recordings list` takes with many episodes: the first time, from its index, and after one more episode.

python benchmarks/listing.py [--episodes 10000] [--json]

The episodes are small (5 steps, one 8x6 camera) and copies of one: a list reads a few hundred bytes of each, whatever its
size. Each time is that of a process of its own, start included, the smallest of three but for the first and the one more;
beside it stands what it took of a core, which a busy machine changes less.
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from a2g_cli.core.types import Episode, Goal, Observation, Outcome, Provenance
from a2g_cli.core.workspace import Workspace
from a2g_cli.data.recording.index import NAME
from a2g_cli.data.recording.sessions import new_session
from a2g_cli.data.recording.writer import write_episode
from a2g_cli.robots.base import RobotSpec

STEPS = 5


def make(workspace: Workspace, count: int) -> Path:
    """Fill a session with ``count`` episodes and return its folder."""
    spec = RobotSpec("bench", ("x",), ("m",), (-1.0,), (1.0,), 10.0, ("q",), ("rad",), {"front": (6, 8)})
    image = np.zeros((6, 8, 3), np.uint8)
    seen = [Observation({"front": image}, np.zeros(1, np.float32), {"front": t / 10}, t / 10) for t in range(STEPS + 1)]
    action = [np.zeros(1, np.float32)] * STEPS
    goal, provenance = Goal("g", {"front": image}, "bench"), Provenance("bench", "still")
    episode = Episode(goal, provenance, seen, action, action, Outcome(None, "none", "steps"))
    session = new_session(workspace, "many")
    first = write_episode(session.next_path(), spec, episode)
    for number in range(1, count):
        shutil.copyfile(first, session.folder / f"episode-{number:04d}.hdf5")
    return session.folder


def timed(workspace: Workspace, *words: str) -> tuple[float, float]:
    """Return how long the command takes, and how much of a core's time [s]."""
    command = [sys.executable, "-m", "a2g_cli", *words, "--workspace", str(workspace.root)]
    begin, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter() - begin, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measure, and print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--episodes", type=int, default=10_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        workspace = Workspace(Path(root))
        folder = make(workspace, options.episodes)
        rows: dict[str, tuple[float, float]] = {
            "list many, no index yet": timed(workspace, "recordings", "list", "many")
        }
        rows["list many"] = min(timed(workspace, "recordings", "list", "many") for _ in range(3))
        rows["list many --json"] = min(timed(workspace, "recordings", "list", "many", "--json") for _ in range(3))
        shutil.copyfile(folder / "episode-0000.hdf5", folder / f"episode-{options.episodes}.hdf5")
        rows["list many, one episode more"] = timed(workspace, "recordings", "list", "many")
        rows["list"] = min(timed(workspace, "recordings", "list") for _ in range(3))
        rows["list of nothing"] = min(timed(Workspace(Path(root) / "no"), "recordings", "list") for _ in range(3))
        size = (folder / NAME).stat().st_size
    result: dict[str, Any] = {"episodes": options.episodes, "index_bytes": size, "seconds": rows}
    if options.json:
        sys.stdout.write(json.dumps(result, indent=2) + "\n")
        return
    print(f"{options.episodes} episodes, an index of {size / 1e6:.1f} MB")
    for name, (seconds, core) in rows.items():
        print(f"  a2g recordings {name:30} {seconds:8.2f} s, {core:8.2f} s of a core")


if __name__ == "__main__":
    main()
