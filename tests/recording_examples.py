"""Small robots and episodes to record, the same every time."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from a2g_cli.core.types import Episode, Goal, Observation, Outcome, Provenance, Vector
from a2g_cli.data.recording.imagined import Imagined
from a2g_cli.data.recording.imagined import imagined as imagined_frames
from a2g_cli.data.recording.writer import RecordingWriter
from a2g_cli.robots.base import RobotSpec

SPEC = RobotSpec(
    name="sim:place",
    action_names=("x", "y", "grip"),
    action_units=("m/s", "m/s", "1"),
    action_low=(-1.0, -1.0, -np.inf),
    action_high=(1.0, 1.0, np.inf),
    rate=10.0,
    proprioception_names=("shoulder", "elbow"),
    proprioception_units=("rad", "rad"),
    cameras={"wrist": (12, 16), "front": (24, 32)},
)
TINY = replace(SPEC, cameras={"front": (6, 8)})
PROVENANCE = Provenance("sim:place", "random", shift="camera-bump:1.0", seed=7, settings={"horizon": 40})
DONE = Outcome(True, "truth", "success", 1.5)


def observation(index: int, seed: int = 0, spec: RobotSpec = SPEC) -> Observation:
    """Observation ``index`` of episode ``seed``: flat and noisy areas, a frame 30 ms old, one every 100 ms."""
    rng = np.random.default_rng([seed, index])
    images = {}
    for camera, size in spec.cameras.items():
        image = np.full((*size, 3), index % 256, np.uint8)
        image[::2] = rng.integers(0, 256, image[::2].shape, np.uint8)
        images[camera] = image
    proprioception = rng.normal(size=len(spec.proprioception_names)).astype(np.float32)
    moment = 5.0 + index / spec.rate
    return Observation(images, proprioception, dict.fromkeys(spec.cameras, moment - 0.03), moment)


def actions(index: int, seed: int = 0, spec: RobotSpec = SPEC) -> tuple[Vector, Vector]:
    """The action asked for and the one sent, at step ``index`` of episode ``seed``."""
    requested = np.random.default_rng([seed, index, 1]).normal(size=len(spec.action_names)).astype(np.float32)
    return requested, spec.clip(requested)


def goal(seed: int = 0, spec: RobotSpec = SPEC) -> Goal:
    return Goal("cup-on-plate", observation(999, seed, spec).images, "sim:place", {"cup": [0.1, 0.2]})


def episode(steps: int, seed: int = 0, spec: RobotSpec = SPEC, outcome: Outcome = DONE) -> Episode:
    made = Episode(goal(seed, spec), PROVENANCE, [observation(0, seed, spec)], outcome=outcome)
    for index in range(steps):
        made.append(*actions(index, seed, spec), observation(index + 1, seed, spec))
    return made


def start(
    path: Path, seed: int = 0, spec: RobotSpec = SPEC, goal_: Goal | None = None, provenance: Provenance = PROVENANCE
) -> RecordingWriter:
    return RecordingWriter(path, spec, goal_ or goal(seed, spec), provenance, observation(0, seed, spec))


def extend(writer: RecordingWriter, steps: int, seed: int = 0, spec: RobotSpec = SPEC) -> None:
    for index in range(len(writer), len(writer) + steps):
        writer.append(*actions(index, seed, spec), observation(index + 1, seed, spec))


def same(left: Episode, right: Episode) -> bool:
    """Whether two episodes are equal to the last bit."""
    if len(left) != len(right) or len(left.observations) != len(right.observations):
        return False
    pairs = [*zip(left.requested, right.requested, strict=True), *zip(left.sent, right.sent, strict=True)]
    for ours, theirs in zip(left.observations, right.observations, strict=True):
        moments = ([one.time, *(one.captured_at[camera] for camera in ours.captured_at)] for one in (ours, theirs))
        pairs.append(tuple(np.array(row) for row in moments))
        pairs.append((ours.proprioception, theirs.proprioception))
        pairs += [(ours.images[camera], theirs.images[camera]) for camera in ours.images | theirs.images]
    return (
        all(np.array_equal(a, b, equal_nan=a.dtype.kind == "f") and a.dtype == b.dtype for a, b in pairs)
        and (left.provenance, left.outcome) == (right.provenance, right.outcome)
        and (left.goal.name, left.goal.source, left.goal.truth)
        == (right.goal.name, right.goal.source, right.goal.truth)
        and left.goal.fingerprint == right.goal.fingerprint
    )


def imagined(step: int, seed: int = 0, camera: str = "front") -> Imagined:
    """What a plan of ``step`` imagined: three flat frames, of the next two steps and of about the tenth."""
    shades = np.random.default_rng([seed, step, 2]).integers(0, 256, 3)
    frames = [np.full((16, 24, 3), shade, np.uint8) for shade in shades]
    return imagined_frames(camera, step, (1, 2, 10), 2, frames)
