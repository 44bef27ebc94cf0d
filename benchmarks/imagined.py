"""What it costs to keep what was imagined: bytes by codec, processor time of a plan and of its frames, and the control loop.

    python benchmarks/imagined.py [--episodes 6] [--rate 20] [--steps 600] [--repeat 2] [--priority fifo]

First table: the shipped base's imagined frames, a frame of a plan in each codec, beside a frame of the camera as recordings
store it. Second: processor time, which is what can be compared on a busy machine. Third: the simulator as a robot on the wall
clock, recorded, planning beside the loop; `off` keeps nothing, `every 4th` is the default, `every` keeps each plan's frames.
The rows are taken in turn and pooled. `jitter` and `missed` are as in benchmarks/view.py.
"""

import argparse
import io
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
from control_loop import Bench, table
from view import rolled, row

from a2g_cli.core.types import Image
from a2g_cli.data.recording.imagined import imagined
from a2g_cli.data.recording.journal import deflate
from a2g_cli.data.recording.reader import Recording
from a2g_cli.models import checkpoint
from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.policies.act2goal import Act2GoalPolicy
from a2g_cli.policies.acting import ActingSettings
from a2g_cli.policies.base import Plan, PlanRequest

EVERY = {"off": 0, "every 4th": 4, "every": 1}
"""Row -> ``keep_imagined``."""


def encoded(image: Image, form: str, quality: int) -> int:
    """Return how many bytes an image takes."""
    buffer = io.BytesIO()
    PIL.Image.fromarray(image).save(buffer, format=form, quality=quality)
    return buffer.tell()


def codecs(model: Act2Goal, plans: list[Plan], seen: list[Image]) -> None:
    """Print how many bytes a frame takes."""
    shown = [list(plan.imagination.frames()) for plan in plans if plan.imagination is not None]
    frames = [frame for plan in shown for frame in plan]
    strips = [np.concatenate(plan, axis=1) for plan in shown]
    each = len(shown[0])
    sizes: dict[str, list[float]] = {
        "frame of the camera, as recordings store it": [len(deflate(image)) for image in seen],
        "imagined, stored in the same way": [len(deflate(frame)) for frame in frames],
        "imagined, PNG": [encoded(frame, "PNG", 0) for frame in frames],
        "imagined, JPEG 75 each": [encoded(frame, "JPEG", 75) for frame in frames],
        "imagined, JPEG 75, a plan's side by side": [encoded(strip, "JPEG", 75) / each for strip in strips],
        "imagined, WebP 75, a plan's side by side": [encoded(strip, "WEBP", 75) / each for strip in strips],
        "latents, half precision": [2 * float(np.prod(model.frame_shape[1:]))],
    }
    print("| a frame of 64x64 | bytes |\n|---|---|")
    for name, found in sizes.items():
        print(f"| {name} | {statistics.mean(found):.0f} |")


def processor(what: Callable[[], object], times: int = 20) -> float:
    """Return the processor time of a call in this thread [ms]."""
    what()
    begun = time.thread_time()
    for _ in range(times):
        what()
    return 1000 * (time.thread_time() - begun) / times


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=6)
    parser.add_argument("--rate", type=float, default=20.0, help="[Hz]")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--priority", choices=("fifo",))
    given = parser.parse_args()
    model = checkpoint.load()
    robot = Bench(given.rate)
    robot.connect()
    trial = robot.trial("practice", 1, 0)
    robot.begin(trial.start)
    seen = robot.observe()
    policy = Act2GoalPolicy(model, ActingSettings(keep_imagined=1))
    requests = [PlanRequest(seen, trial.goal, seed, 0) for seed in range(given.episodes)]
    plans = policy.plan(requests)
    codecs(model, plans, [*seen.images.values(), *trial.goal.images.values()])

    one = plans[0].imagination
    assert one is not None
    print("\n| processor time | ms |\n|---|---|")
    print(f"| a plan | {processor(lambda: policy.plan(requests[:1])):.1f} |")
    print(f"| its frames, imagined and decoded | {processor(one.frames):.1f} |")
    frames = one.frames()
    print(f"| packed | {processor(lambda: imagined('front', 0, one.offsets, one.near, frames)):.2f} |\n")

    if given.priority == "fifo":
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    intervals: dict[str, list[float]] = {name: [] for name in EVERY}
    shares: dict[str, list[float]] = {name: [] for name in EVERY}
    with tempfile.TemporaryDirectory() as scratch:
        for turn in range(given.repeat):
            for name, every in EVERY.items():
                folder = Path(scratch) / f"{name}-{turn}"
                acting = Act2GoalPolicy(model, ActingSettings(keep_imagined=every))
                intervals[name] += rolled(robot, trial, acting, given.steps, folder, None)
                for path in folder.glob("*.hdf5"):
                    with Recording(path) as recording:
                        kept = sum(len(plan.jpeg) for plan in recording.imagined)
                    shares[name].append(100 * kept / path.stat().st_size)
    robot.close()
    rows = [row(name, given.rate, found) for name, found in intervals.items()]
    for one_row in rows:
        one_row["imagined_of_file_%"] = round(statistics.mean(shares[str(one_row["loop"])]))
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"{given.rate:g} Hz, load {load} on {os.cpu_count()} cores, priority {given.priority or 'normal'}")
    print(table(rows))


if __name__ == "__main__":
    main()
