"""What recording costs: steps a second, the control loop's share of a step, and bytes, by codec and by size of frame.

python benchmarks/recording.py [--steps 60] [--json]

The codecs are measured through HDF5 on the same frames; the writer is measured as it is used, with a control loop that
asks for a step as fast as it can.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from a2g_cli.episode import Goal, Image, Observation, Outcome, Provenance
from a2g_cli.recording.reader import Recording
from a2g_cli.recording.writer import RecordingWriter
from a2g_cli.robots.robot import RobotSpec

CODECS: dict[str, dict[str, Any]] = {
    "none": {},
    "lzf": {"compression": "lzf"},
    "gzip-1": {"compression": "gzip", "compression_opts": 1},
    "gzip-1 + shuffle": {"compression": "gzip", "compression_opts": 1, "shuffle": True},
    "gzip-6": {"compression": "gzip", "compression_opts": 6},
}
SETUPS = {"1 x 64x64": {"front": (64, 64)}, "2 x 480x640": {"front": (480, 640), "wrist": (480, 640)}}


def scene(height: int, width: int, moment: int, noise: float) -> Image:
    """A table under uneven light with two blocks, one moving; ``noise`` is a camera's, in grey levels."""
    y, x = np.mgrid[:height, :width] / height
    image = np.stack([150 + 30 * x, 120 + 20 * y, 90 + 10 * x * y], axis=-1)
    image[(x - 0.5) ** 2 + (y - 0.2 - 0.005 * moment) ** 2 < 0.01] = (200, 30, 40)
    image[(abs(x - 0.25) < 0.1) & (abs(y - 0.6) < 0.1)] = (30, 60, 200)
    image += np.random.default_rng(moment).normal(0, noise, image.shape) if noise else 0
    return np.clip(image, 0, 255).astype(np.uint8)


def measure_codec(path: Path, frames: list[Image], codec: dict[str, Any]) -> dict[str, float]:
    """Write ``frames`` one by one, and read them back."""
    shape = frames[0].shape
    with h5py.File(path, "w") as file:
        chunks = (1, *shape) if codec else None
        dataset = file.create_dataset("frames", (len(frames), *shape), np.uint8, chunks=chunks, **codec)
        begin = time.perf_counter()
        for index, frame in enumerate(frames):
            dataset[index] = frame
        file.flush()
        wrote = time.perf_counter()
        assert np.array_equal(dataset[-1], frames[-1])
        for index in range(len(frames)):
            dataset[index]
        read = time.perf_counter()
        size = dataset.id.get_storage_size()
    count = len(frames)
    return {
        "write_ms": 1e3 * (wrote - begin) / count,
        "read_ms": 1e3 * (read - wrote) / count,
        "bytes_per_frame": size / count,
        "ratio": frames[0].nbytes * count / size,
    }


def measure_writer(path: Path, cameras: dict[str, tuple[int, int]], frames: dict[str, list[Image]]) -> dict[str, float]:
    """Record an episode as fast as it goes."""
    spec = RobotSpec(
        "bench", ("x", "y", "z"), ("m",) * 3, (-1.0,) * 3, (1.0,) * 3, 10.0, ("q",) * 4, ("rad",) * 4, cameras
    )
    steps = len(next(iter(frames.values()))) - 1

    def observation(index: int) -> Observation:
        images = {camera: frames[camera][index] for camera in cameras}
        return Observation(images, np.zeros(4, np.float32), dict.fromkeys(cameras, index / 10), index / 10)

    action = np.zeros(3, np.float32)
    first = observation(0)
    slowest = 0.0
    begin = time.perf_counter()
    with RecordingWriter(path, spec, Goal("g", first.images, "bench"), Provenance("bench", "still"), first) as writer:
        for index in range(1, steps + 1):
            before = time.perf_counter()
            writer.append(action, action, observation(index))
            slowest = max(slowest, time.perf_counter() - before)
        writer.flush()
        appended = time.perf_counter()
        writer.finish(Outcome(None, "none", "steps"))
        finished = time.perf_counter()
    with Recording(path) as recording:
        camera = next(iter(cameras))
        begin_reading = time.perf_counter()
        for index in np.random.default_rng(0).integers(steps + 1, size=steps):
            recording.frame(camera, int(index))
        read = time.perf_counter() - begin_reading
    return {
        "steps_per_s": steps / (appended - begin),
        "slowest_append_ms": 1e3 * slowest,
        "finish_ms": 1e3 * (finished - appended),
        "read_random_frame_ms": 1e3 * read / steps,
        "mb_per_100_steps": path.stat().st_size / steps * 100 / 1e6,
    }


def main() -> None:
    """Measure, and print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument(
        "--noise", type=float, default=1.0, help="of the camera, in grey levels; 0: a simulator's frames"
    )
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    result: dict[str, Any] = {"steps": options.steps, "noise": options.noise, "codecs": {}, "writer": {}}
    with tempfile.TemporaryDirectory() as folder:
        for setup, cameras in SETUPS.items():
            frames = {
                camera: [scene(*size, moment, options.noise) for moment in range(options.steps + 1)]
                for camera, size in cameras.items()
            }
            result["codecs"][setup] = {
                name: measure_codec(Path(folder) / "codec.hdf5", frames["front"], codec)
                for name, codec in CODECS.items()
            }
            result["writer"][setup] = measure_writer(Path(folder) / f"{len(cameras)}.hdf5", cameras, frames)
    if options.json:
        sys.stdout.write(json.dumps(result, indent=2) + "\n")
        return
    for setup in SETUPS:
        print(f"\n{setup}, noise {options.noise:g}: a frame through HDF5")
        print(f"  {'codec':18} {'write ms':>9} {'read ms':>9} {'ratio':>7}")
        for name, row in result["codecs"][setup].items():
            print(f"  {name:18} {row['write_ms']:9.2f} {row['read_ms']:9.2f} {row['ratio']:7.2f}")
        print("  the writer: " + ", ".join(f"{key} {value:.2f}" for key, value in result["writer"][setup].items()))


if __name__ == "__main__":
    main()
