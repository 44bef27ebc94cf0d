"""Reads a recording to its last byte and says what is wrong with it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from a2g_cli.errors import RecordingError
from a2g_cli.recording import schema, storage
from a2g_cli.recording.reader import Recording

MAX_AGE = 1.0
"""A frame older than this when it was used shows a world that has moved on [s]."""

Numbers = NDArray[np.float32] | NDArray[np.float64]

_BLOCK = 64
_TOLERANCE = 1e-3
"""Clocks of cameras are compared with the robot's: what they may disagree by [s]."""


def verify(path: Path, max_age: float = MAX_AGE) -> list[str]:
    """Return the problems of the recording ``path`` in words, none when it is sound. Frames may be ``max_age`` [s] old.

    Opening a recording checks its schema and its lengths; this reads every number and every frame besides.
    """
    try:
        with Recording(path) as recording:
            return list(_problems(recording, max_age))
    except RecordingError as error:
        return [str(error)]


def _problems(recording: Recording, max_age: float) -> Iterator[str]:
    yield from _numbers(recording)
    yield from _order(recording, max_age)
    yield from _goal(recording)
    with storage.reading(recording.path), storage.open_untrusted(recording.path) as file:
        yield from _robomimic(recording, file)
    yield from _views(recording.path)
    for camera in recording.cameras:
        try:
            for start in range(0, recording.length + 1, _BLOCK):
                recording.frames(camera, start, start + _BLOCK)
        except RecordingError as error:
            yield f"a frame of {camera} from {start} on cannot be unpacked: {error}"
    for camera in recording.spec.depth:
        try:
            for start in range(0, recording.length + 1, _BLOCK):
                recording.depth(camera, start, start + _BLOCK)
        except RecordingError as error:
            yield f"a depth of {camera} from {start} on cannot be unpacked: {error}"


def _numbers(recording: Recording) -> Iterator[str]:
    """Finite, and actions within the robot's limits."""
    arrays: dict[str, Numbers] = {
        "actions": recording.actions,
        "actions_requested": recording.requested,
        "proprioception": recording.proprioception,
        "times": recording.times,
    }
    for name, array in arrays.items():
        if count := int((~np.isfinite(array)).sum()):
            yield f"{name}: {count} of {array.size} numbers are NaN or infinite"
    spec = recording.spec
    if not (np.isfinite(spec.rate) and spec.rate > 0):
        yield f"spec: a control rate of {spec.rate} Hz"
    low, high = np.asarray(spec.action_low, np.float32), np.asarray(spec.action_high, np.float32)
    outside = np.logical_or(recording.actions < low, recording.actions > high)
    if outside.any():
        names = [name for index, name in enumerate(spec.action_names) if outside[:, index].any()]
        yield f"actions: {int(outside.any(axis=1).sum())} sent beyond the limits of {', '.join(names)}"


def _order(recording: Recording, max_age: float) -> Iterator[str]:
    """Time grows, and every observation has a new frame that is not too old."""
    times = recording.times
    if count := int((np.diff(times) <= 0).sum()):
        yield f"times: {count} of {recording.length} steps do not move on"
    for camera in recording.cameras:
        captured = recording.captured_at(camera)
        if count := int((~np.isfinite(captured)).sum()):
            yield f"captured_at/{camera}: {count} of {captured.size} numbers are NaN or infinite"
        elif count := int((np.diff(captured) < 0).sum()):
            yield f"captured_at/{camera}: {count} frames are older than the frame before them"
        elif count := int((np.diff(captured) == 0).sum()):
            yield f"captured_at/{camera}: {count} frames were used twice"
        ages = times - captured
        if (ages < -_TOLERANCE).any():
            yield f"captured_at/{camera}: a frame was captured {-ages.min():.3f} s after it was used"
        if (ages > max_age).any():
            yield f"captured_at/{camera}: a frame was {ages.max():.3f} s old when it was used, {max_age:g} s is the most"


def _goal(recording: Recording) -> Iterator[str]:
    goal, spec = recording.goal, recording.spec
    if set(goal.images) != set(spec.cameras):
        yield f"goal: images of {sorted(goal.images)}, the robot has {sorted(spec.cameras)}"
    for camera, image in goal.images.items():
        if camera in spec.cameras and image.shape[:2] != spec.cameras[camera]:
            yield f"goal: {camera} is {image.shape[:2]}, the camera gives {spec.cameras[camera]}"


def _robomimic(recording: Recording, file: Any) -> Iterator[str]:
    """What another program reads must be what this one reads."""
    steps, demo = recording.length, file[schema.DEMO]
    for node, name in ((demo, "num_samples"), (file["data"], "total")):
        if (value := storage.integer_attribute(node, name)) != steps:
            yield f"{name} is {value}, there are {steps} actions"
    schema.from_json(storage.text_attribute(file["data"], "env_args"))
    rewards = storage.stored(file, f"{schema.DEMO}/rewards", (steps,), "f4")[()]
    if bool(rewards.any()) != bool(recording.outcome.success):
        yield f"rewards sum to {rewards.sum():g}, the outcome's success is {recording.outcome.success}"
    dones = storage.stored(file, f"{schema.DEMO}/dones", (steps,), "i8")[()]
    if dones[:-1].any() or dones[-1] != 1:
        yield "dones: not the last step alone"
    if schema.from_json(storage.text_attribute(file, "goal")).get("fingerprint") != recording.goal.fingerprint:
        yield "goal: the images are not those that were recorded: the fingerprint differs"


def _views(path: Path) -> Iterator[str]:
    """Check ``obs`` and ``next_obs`` in a process of their own.

    HDF5 keeps what a virtual dataset points to without a checksum, and version 2.0 does not survive every value there.
    """
    command = [sys.executable, "-m", "a2g_cli.recording.views", str(path.resolve())]
    try:
        child = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)  # noqa: S603 - our own
    except subprocess.TimeoutExpired:
        yield "obs, next_obs: HDF5 does not come to an end with them"
        return
    if child.returncode != 0:
        yield f"obs, next_obs: HDF5 cannot read them (its process ended with {child.returncode})"
    else:
        yield from json.loads(child.stdout)
