"""What `a2g view` costs the control loop: the simulator as a robot on the wall clock at 30 Hz, recorded, with and without it.

    python benchmarks/view.py [--rate 30] [--steps 900] [--repeat 3] [--policy still|base]
        [--priority fifo] [--json FILE]

Rows: `alone` publishes nothing, as no a2g does; `published` is every run: its thread writes the files of `live/`. `followed`
has `a2g view` beside it, in a process of its own, and a reader that does what a browser does: it follows, and fetches each
new image. `browsed` is the same while another reader asks for the session's page, report and videos, again and again: after
every episode they have to be made anew.

`jitter` is how far the time between two actions is from the period, `missed` how many were longer by more than half of one.
The rows are taken in turn, `--repeat` times, and pooled: whatever else the machine does, it does to all. `--policy base`
plans with the shipped base beside the loop; `still` plans nothing, so that nothing but the page is measured.
`--priority fifo` gives the loop, not the viewer, the system's real-time class, as on a robot that does other work too; it
needs the right to.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from control_loop import PATIENT, Bench, table

from a2g_cli.core.types import Provenance
from a2g_cli.core.workspace import Workspace
from a2g_cli.data.recording.sessions import new_session
from a2g_cli.live.publisher import Publisher
from a2g_cli.models import checkpoint
from a2g_cli.policies.act2goal import Act2GoalPolicy
from a2g_cli.policies.acting import ActingSettings
from a2g_cli.policies.base import Policy
from a2g_cli.policies.baselines import StillPolicy
from a2g_cli.robots.base import Robot, Trial
from a2g_cli.runtime.recorder import Recorder
from a2g_cli.runtime.rollout import Job, roll_out
from a2g_cli.runtime.termination import RolloutSettings

EPISODE = 150
"""Steps in an episode."""


@contextmanager
def viewer(root: Path) -> Iterator[str]:
    """Serve the page in a process of its own; yield its address."""
    words = [sys.executable, "-m", "a2g_cli", "view", "--port", "0", "--workspace", str(root)]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        os.sched_setscheduler(process.pid, os.SCHED_OTHER, os.sched_param(0))
        address = process.stderr.readline().rpartition(": ")[2].strip().rstrip("/")
        try:
            yield address
        finally:
            process.terminate()


FOLLOW = """
import json, sys, urllib.request
seen = set()
for line in urllib.request.urlopen(sys.argv[1] + "/events"):
    if line.startswith(b"data: "):
        for run in json.loads(line[6:])["runs"]:
            for image in set(run["images"].values()) - seen - {""}:
                seen.add(image)
                urllib.request.urlopen(sys.argv[1] + image).read()
"""
"""A reader that follows as a browser does."""
BROWSE = """
import re, sys, urllib.error, urllib.request
while True:
    for address in (sys.argv[2], sys.argv[2] + "/report"):
        try:
            page = urllib.request.urlopen(sys.argv[1] + address).read().decode()
            for video in re.findall('src="(/sessions[^"]*)"', page):
                urllib.request.urlopen(sys.argv[1] + video).read()
        except urllib.error.HTTPError:
            pass
"""
"""A reader that looks at everything, without a pause."""


@contextmanager
def reading(script: str, *words: str) -> Iterator[None]:
    """Run a reader in a process of its own, which steps back: it stands for a browser on another machine."""
    with subprocess.Popen([sys.executable, "-c", script, *words], stderr=subprocess.DEVNULL) as process:
        os.sched_setscheduler(process.pid, os.SCHED_OTHER, os.sched_param(0))
        os.setpriority(os.PRIO_PROCESS, process.pid, 19)
        try:
            yield
        finally:
            process.terminate()


def same(recorder: Recorder, _robot: Robot) -> Recorder:
    """Return the recorder of an episode."""
    return recorder


def rolled(
    robot: Bench, trial: Trial, policy: Policy, steps: int, folder: Path, watcher: Publisher | None
) -> list[float]:
    """Return the times between actions [s] of episodes of ``steps`` in all."""
    intervals: list[float] = []
    for number in range(max(1, steps // EPISODE)):
        robot.moved.clear()
        recorder = Recorder(folder / f"episode-{number:04d}.hdf5", robot.spec, trial.goal, Provenance("bench", "still"))
        job = Job(trial.goal, number, lambda _: robot.begin(trial.start), partial(same, recorder))
        list(roll_out([robot], [job], policy, RolloutSettings(limit=min(EPISODE, steps), safety=PATIENT), watcher))
        intervals += np.diff(robot.moved).tolist()
    return intervals


def row(name: str, rate: float, intervals: list[float]) -> dict[str, Any]:
    """Return a row of the table."""
    found = np.array(intervals)
    jitter = 1000 * np.abs(found - 1 / rate)
    return {
        "loop": name,
        "steps": len(found),
        "jitter_ms": round(float(np.median(jitter)), 3),
        "jitter_p99_ms": round(float(np.percentile(jitter, 99)), 3),
        "jitter_p99.9_ms": round(float(np.percentile(jitter, 99.9)), 3),
        "longest_ms": round(float(1000 * found.max()), 1),
        "missed": int((found > 1.5 / rate).sum()),
    }


def measured(name: str, robot: Bench, trial: Trial, policy: Policy, steps: int, root: Path) -> list[float]:
    """Return the times between actions of one way."""
    workspace = Workspace(root)
    session = new_session(workspace)
    with ExitStack() as stack:
        live = None
        if name != "alone":
            live = stack.enter_context(
                Publisher(workspace, session.name, "a2g run", lambda _: None, rate=robot.spec.rate)
            )
        if name in {"followed", "browsed"}:
            address = stack.enter_context(viewer(root))
            stack.enter_context(reading(FOLLOW, address))
            if name == "browsed":
                stack.enter_context(reading(BROWSE, address, f"/sessions/{session.name}"))
        return rolled(robot, trial, policy, steps, session.folder, live)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=30.0, help="[Hz]")
    parser.add_argument("--steps", type=int, default=900)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--policy", choices=("still", "base"), default="still")
    parser.add_argument("--priority", choices=("fifo",))
    parser.add_argument("--json", type=Path, metavar="FILE")
    given = parser.parse_args()
    if given.priority == "fifo":
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(
        f"load {load} on {os.cpu_count()} cores, policy {given.policy}, priority {given.priority or 'normal'}",
        flush=True,
    )
    robot = Bench(given.rate)
    robot.connect()
    trial = robot.trial("practice", 7, 0)

    def policy() -> Policy:
        if given.policy == "still":
            return StillPolicy(robot.spec)
        return Act2GoalPolicy(checkpoint.load(checkpoint.SHIPPED), ActingSettings())

    ways = ("alone", "published", "followed", "browsed")
    found: dict[str, list[float]] = {name: [] for name in ways}
    with tempfile.TemporaryDirectory() as name:
        measured("alone", robot, trial, policy(), 30, Path(name))  # what is loaded at first is not counted
        for _ in range(given.repeat):
            for way in ways:
                found[way] += measured(way, robot, trial, policy(), given.steps, Path(name))
    robot.close()
    rows = [row(way, given.rate, found[way]) for way in ways]
    print(table(rows))
    if given.json:
        given.json.write_text(json.dumps({"load": os.getloadavg(), "rows": rows}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
