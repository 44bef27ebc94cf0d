"""What recording 2 x 640x480 at 30 Hz costs: a2g, its way with other codecs, LeRobot's writer and a plain h5py one.

python benchmarks/recording.py [--seconds 10] [--noise 1] [--writer NAME …] [--json]

Each writer records the same frames in real time, one after the other in one run. Asked of each: how long the control
thread is held up by a step, the processor's share while recording, what the end of the episode takes, bytes, and how long
it takes to open an episode and to read 16 frames from anywhere in it. LeRobot's writer is measured where it is installed.
"""

import argparse
import gc
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from a2g_cli.core.types import Image
from a2g_cli.data.recording import journal

sys.path.insert(0, str(Path(__file__).parent))
import recording_writers as writers

SIZES = {"front": (480, 640), "wrist": (480, 640)}
WINDOW = 16
"""Frames in a segment."""
POOL = 45
"""Different frames of a camera; they are shown round and round."""

WRITERS: dict[str, Callable[[Path], writers.Writer]] = {
    "a2g": lambda folder: writers.Own(folder, SIZES, journal.deflate),
    "a2g, zlib 1 as before": lambda folder: writers.Own(folder, SIZES, writers.zlib_1),
    "a2g, stored": lambda folder: writers.Own(folder, SIZES, writers.stored),
    "lzf": lambda folder: writers.Direct(folder, SIZES, {"compression": "lzf"}),
    "PNG 1": lambda folder: writers.Threaded(folder, writers.png, writers.unpack),
    "JPEG 95": lambda folder: writers.Threaded(folder, writers.jpeg, writers.unpack),
    "h264 lossless": lambda folder: writers.VideoWriter(folder, lossless=True),
    "h264 crf 18": lambda folder: writers.VideoWriter(folder, lossless=False),
    "plain h5py": lambda folder: writers.Plain(folder, {}),
    "plain h5py, gzip": lambda folder: writers.Plain(folder, {"compression": "gzip"}),
    "LeRobot, PNG then h264": lambda folder: writers.LeRobot(folder, SIZES, streaming=False),
    "LeRobot, streaming h264": lambda folder: writers.LeRobot(folder, SIZES, streaming=True),
}


def scene(height: int, width: int, moment: int, noise: float) -> Image:
    """A table under uneven light with two blocks, one moving; ``noise`` is a camera's, in grey levels."""
    y, x = np.mgrid[:height, :width] / height
    image = np.stack([150 + 30 * x, 120 + 20 * y, 90 + 10 * x * y], axis=-1)
    image[(x - 0.5) ** 2 + (y - 0.2 - 0.005 * moment) ** 2 < 0.01] = (200, 30, 40)
    image[(abs(x - 0.25) < 0.1) & (abs(y - 0.6) < 0.1)] = (30, 60, 200)
    image += np.random.default_rng(moment).normal(0, noise, image.shape) if noise else 0
    return np.clip(image, 0, 255).astype(np.uint8)


def measure(name: str, folder: Path, video: dict[str, list[Image]], steps: int) -> dict[str, float]:
    """Record ``steps`` in real time, then open and read."""
    writer = WRITERS[name](folder)
    shown = {camera: np.empty_like(frames[0]) for camera, frames in video.items()}  # as a camera's buffer: used again
    writer.append(0, {camera: frames[0] for camera, frames in video.items()})
    gc.collect()
    held: list[float] = []
    before, begin = os.times(), time.perf_counter()
    for step in range(1, steps + 1):
        time.sleep(max(0.0, begin + step / writers.RATE - time.perf_counter()))
        for camera, frames in video.items():
            shown[camera][...] = frames[step % POOL]
        asked = time.perf_counter()
        writer.append(step, shown)
        held.append(time.perf_counter() - asked)
    after, ended = os.times(), time.perf_counter()
    path = writer.finish()
    finished, last = time.perf_counter(), os.times()
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    opened = time.perf_counter()
    read = writer.open(path)
    ready = time.perf_counter()
    rng = np.random.default_rng(0)
    starts = rng.integers(steps - WINDOW, size=12)
    for start in starts:
        assert read("front", int(start), int(start) + WINDOW) == WINDOW
    done = time.perf_counter()
    return {
        "frames_per_s": len(SIZES) * steps / (ended - begin),
        "cpu_recording": _cpu(before, after) / (ended - begin),
        "cpu_whole": _cpu(before, last) / (ended - begin),
        "held_p50_ms": 1e3 * float(np.quantile(held, 0.5)),
        "held_p99_ms": 1e3 * float(np.quantile(held, 0.99)),
        "held_max_ms": 1e3 * max(held),
        "end_s": finished - ended,
        "mb_per_minute": sum(file.stat().st_size for file in files) / 1e6 / (steps / writers.RATE) * 60,
        "open_ms": 1e3 * (ready - opened),
        "segment_ms": 1e3 * (done - ready) / len(starts),
        "lossless": float(writer.lossless),
    }


def _cpu(before: os.times_result, after: os.times_result) -> float:
    """Return the processor's seconds between two moments, children's too; without those of showing the frames."""
    return sum(after[:4]) - sum(before[:4])


def main() -> None:
    """Measure, and print a table, or JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10.0, help="that each writer records")
    parser.add_argument(
        "--noise", type=float, default=1.0, help="of the camera, in grey levels; 0: a simulator's frames"
    )
    parser.add_argument("--writer", action="append", choices=list(WRITERS), help="this one alone; repeatable")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    steps = round(options.seconds * writers.RATE)
    video = {
        camera: [scene(*size, moment + 100 * index, options.noise) for moment in range(POOL)]
        for index, (camera, size) in enumerate(SIZES.items())
    }
    rows: dict[str, dict[str, float]] = {}
    for name in options.writer or WRITERS:
        with tempfile.TemporaryDirectory() as folder:
            try:
                rows[name] = measure(name, Path(folder), video, steps)
            except ImportError as error:
                print(f"{name}: not measured, {error}", file=sys.stderr)
    if options.json:
        print(json.dumps({"seconds": options.seconds, "noise": options.noise, "writers": rows}, indent=2))
        return
    heads = ("frames/s", "CPU", "held p50", "p99", "max ms", "end s", "CPU all", "MB/min", "open ms", "16 frames ms")
    keys: tuple[str, ...] = (
        "frames_per_s",
        "cpu_recording",
        "held_p50_ms",
        "held_p99_ms",
        "held_max_ms",
        "end_s",
        "cpu_whole",
    )
    keys += ("mb_per_minute", "open_ms", "segment_ms")
    print(f"2 x 640x480 at 30 Hz, {options.seconds:g} s, noise {options.noise:g}\n")
    print("| writer | " + " | ".join(heads) + " | lossless |")
    print("|---|" + "---|" * (len(heads) + 1))
    for name, row in rows.items():
        cells = [f"{row[key]:.0%}" if key.startswith("cpu") else f"{row[key]:.{_digits(row[key])}f}" for key in keys]
        print(f"| {name} | " + " | ".join(cells) + f" | {'yes' if row['lossless'] else 'no'} |")


def _digits(value: float) -> int:
    return 2 if value < 10 else 1 if value < 100 else 0


if __name__ == "__main__":
    main()
