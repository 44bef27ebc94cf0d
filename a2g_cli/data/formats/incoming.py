"""An episode that is being imported, and the defaults for what its source does not say."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import repeat
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from a2g_cli.cameras.metadata import Framing
from a2g_cli.core.errors import RecordingError
from a2g_cli.core.types import Depth, Goal, Image, Observation, Outcome, Provenance, Vector
from a2g_cli.data.goals import fit
from a2g_cli.data.recording import schema, storage
from a2g_cli.data.recording.checks import Numbers
from a2g_cli.robots.base import RobotSpec

Frames = Mapping[str, Image]
"""Camera -> (H, W, 3), of one moment."""

Depths = Mapping[str, Depth]
"""Camera -> (H, W) uint16, the depth image of one moment."""

Flip = Literal["rows", "columns", "turn"]
"""Reverse the rows (upside down), the columns (mirrored), or both (turned by 180 degrees)."""

_POINTER = b"version https://git-lfs"

MAX_ELEMENTS = 2**31
"""Most numbers in one array of another program's file; a larger array is refused before it is read."""


class SourceError(RecordingError):
    """The source as a whole cannot be read, for any episode; it need not be damaged."""


@contextmanager
def reading_source(path: Path, what: str) -> Iterator[None]:
    """Turn errors of reading the untrusted ``path`` into a SourceError, which does not say that the file is damaged."""
    try:
        yield
    except storage.UNREADABLE as error:
        raise SourceError(f"{path} cannot be read as a {what}: {storage.fault(error).rstrip('.')}.") from error


def check_downloaded(path: Path) -> None:
    """Raise SourceError if ``path`` is a git-lfs pointer instead of the file itself. Raises OSError."""
    with path.open("rb") as file:
        if file.read(len(_POINTER)) == _POINTER:
            raise SourceError(
                f"{path} is a git-lfs pointer: the data were not downloaded. Run `git lfs pull` in its folder."
            )


@dataclass(frozen=True)
class Incoming:
    """One episode to be recorded: T actions and T + 1 observations. Frames are read when they are asked for."""

    spec: RobotSpec
    goal: Goal
    provenance: Provenance
    outcome: Outcome
    actions: Vector
    """(T, A)."""
    requested: Vector
    """(T, A); equal to the actions if the source does not have them."""
    proprioception: Vector
    """(T + 1, P)."""
    times: NDArray[np.float64]
    """(T + 1,) [s]."""
    captured_at: Mapping[str, NDArray[np.float64]]
    """Camera -> (T + 1,) [s]."""
    frames: Callable[[], Iterator[Frames]]
    """Yields T + 1 moments, in order."""
    created_at: str | None = None
    timing: NDArray[np.float64] | None = None
    """(T, 3) the columns of ``schema.TIMING`` [s], NaN for a missing time; None if there are no times."""
    notes: tuple[str, ...] = ()
    """Notes for the user: what the source did not say, or what was left out."""
    depth: Callable[[], Iterator[Depths]] | None = None
    """Yields T + 1 depth images of the cameras in ``spec.depth``; None if there are none."""
    times_remedy: str = ""
    """What the user can do if the source's times cannot be used."""
    flip_remedy: str = ""
    """A note if the source says that its frames are upside down, with what the user can do; empty if it does not."""

    def __post_init__(self) -> None:
        """Check that the arrays fit together. Raises ValueError."""
        steps, width, joints = len(self.actions), len(self.spec.action_names), len(self.spec.proprioception_names)
        wanted: dict[str, tuple[NDArray[Any], tuple[int, ...]]] = {
            "actions": (self.actions, (steps, width)),
            "requested actions": (self.requested, (steps, width)),
            "proprioception": (self.proprioception, (steps + 1, joints)),
            "times": (self.times, (steps + 1,)),
            **{f"capture times of {name}": (row, (steps + 1,)) for name, row in self.captured_at.items()},
        }
        if self.timing is not None:
            wanted["times of actions"] = (self.timing, (steps, len(schema.TIMING)))
        for name, (array, shape) in wanted.items():
            if array.shape != shape:
                raise ValueError(f"{name} have shape {array.shape}, not {shape}")
        if not 1 <= steps <= schema.MAX_STEPS:
            raise ValueError(f"an episode of {steps} actions")
        if not (np.isfinite(self.spec.rate) and self.spec.rate > 0):
            raise ValueError(f"a rate of {self.spec.rate} Hz")
        if set(self.captured_at) != set(self.spec.cameras):
            raise ValueError(
                f"capture times of {sorted(self.captured_at)}, the cameras are {sorted(self.spec.cameras)}"
            )

    @property
    def own(self) -> bool:
        """Whether a2g recorded it: then it comes back unchanged, without defaults."""
        return self.created_at is not None

    def numbers(self) -> Numbers:
        """Return the episode without its images."""
        return Numbers(self.spec, self.actions, self.requested, self.proprioception, self.times, dict(self.captured_at))

    def observations(self) -> Iterator[Observation]:
        """Yield the T + 1 observations. Raises ValueError for another number or another size of frames."""
        count = 0
        depths: Iterator[Depths] = repeat({}) if self.depth is None else self.depth()
        for index, images in enumerate(self.frames()):
            if index >= len(self.times):
                raise ValueError(f"there are more frames than the {len(self.times)} moments")
            depth = next(depths, None)
            if depth is None:
                raise ValueError(f"there are depths for {count} of {len(self.times)} moments")
            self._check(images, depth)
            captured = {camera: float(row[index]) for camera, row in self.captured_at.items()}
            yield Observation(images, self.proprioception[index], captured, float(self.times[index]), depth)
            count += 1
        if count != len(self.times):
            raise ValueError(f"there are frames for {count} of {len(self.times)} moments")

    def _check(self, images: Frames, depth: Depths) -> None:
        if set(images) != set(self.spec.cameras) or set(depth) != set(self.spec.depth):
            raise ValueError(f"frames of {sorted(images)}, the cameras are {sorted(self.spec.cameras)}")
        for camera, size in self.spec.cameras.items():
            image = images[camera]
            if image.shape != (*size, 3) or image.dtype != np.uint8:
                raise ValueError(f"a frame of {camera} is {image.dtype} of shape {image.shape}, not {(*size, 3)} bytes")
        for camera, measured in depth.items():
            size = self.spec.cameras[camera]
            if measured.shape != size or measured.dtype != np.uint16:
                raise ValueError(f"a depth of {camera} is {measured.dtype} of shape {measured.shape}, not {size}")


def resized(episode: Incoming, height: int, width: int) -> Incoming:
    """Return ``episode`` with every frame cropped about its centre and resized [px], as goals are."""
    framing = Framing(size=(height, width))

    def shrink(images: Frames) -> Frames:
        return {camera: fit(image, height, width)[0] for camera, image in images.items()}

    def nearest(depth: Depths) -> Depths:
        return {camera: framing.apply_depth(measured) for camera, measured in depth.items()}

    spec = replace(episode.spec, cameras=dict.fromkeys(episode.spec.cameras, (height, width)))
    return replace(_changed(episode, shrink, nearest), spec=spec)


def flipped(episode: Incoming, how: Flip) -> Incoming:
    """Return ``episode`` with every frame, depth image and goal flipped."""
    axes = {"rows": (0,), "columns": (1,), "turn": (0, 1)}[how]

    def turn(images: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        return {camera: np.ascontiguousarray(np.flip(image, axes)) for camera, image in images.items()}

    return _changed(episode, turn, turn)


def _changed(episode: Incoming, frame: Callable[[Frames], Frames], depth: Callable[[Depths], Depths]) -> Incoming:
    measured = episode.depth
    return replace(
        episode,
        goal=replace(episode.goal, images=frame(episode.goal.images)),
        frames=lambda: map(frame, episode.frames()),
        depth=None if measured is None else lambda: map(depth, measured()),
    )


def own_words(
    episode_goal: Goal, provenance: Provenance, outcome: Outcome, spec: RobotSpec, created_at: str
) -> dict[str, str]:
    """Return the facts for which other formats have no place, as the JSON texts of a recording's attributes."""
    return {
        "spec": schema.spec_to_json(spec),
        "goal": schema.goal_to_json(episode_goal),
        "provenance": schema.provenance_to_json(provenance),
        "outcome": schema.outcome_to_json(outcome),
        "created_at": created_at,
    }


@dataclass(frozen=True)
class OwnMetadata:
    """The facts that ``own_words`` wrote, read and checked."""

    spec: RobotSpec
    goal: Goal
    provenance: Provenance
    outcome: Outcome
    created_at: str

    @classmethod
    def parse(cls, texts: Mapping[str, Any], goal_images: Frames) -> "OwnMetadata":
        """Return the facts in ``texts``. Raises KeyError, TypeError or ValueError if they are not valid."""
        if not all(isinstance(texts[name], str) for name in ("spec", "goal", "provenance", "outcome", "created_at")):
            raise TypeError("an attribute of a2g's own that is not a string")
        return cls(
            replace(schema.spec_from_json(texts["spec"]), depth=()),  # no format carries depth
            schema.goal_from_json(texts["goal"], goal_images),
            schema.provenance_from_json(texts["provenance"]),
            schema.outcome_from_json(texts["outcome"]),
            texts["created_at"][:64],
        )


def spec_for(
    robot: str,
    actions: tuple[str, ...],
    proprioception: tuple[str, ...],
    cameras: Mapping[str, tuple[int, int]],
    rate: float,
) -> RobotSpec:
    """Return the spec of a robot of which only names and sizes are known: with unknown units and without limits.

    Raises ValueError for sizes and numbers of names that no recording can have.
    """
    if not 1 <= len(actions) <= schema.MAX_NAMES or max(len(proprioception), len(cameras)) > schema.MAX_NAMES:
        raise ValueError(f"{len(actions)} actions, {len(proprioception)} proprioception values, {len(cameras)} cameras")
    if not (np.isfinite(rate) and rate > 0):
        raise ValueError(f"a rate of {rate} Hz")
    if not cameras:
        raise ValueError("no camera: a policy that gets a photo of its goal needs one")
    if any(not 1 <= side <= schema.MAX_SIDE for size in cameras.values() for side in size):
        raise ValueError(f"frames of {dict(cameras)} px")
    schema.check_keys("camera", list(cameras))
    count = len(actions)
    return RobotSpec(
        robot[:200],
        actions,
        ("?",) * count,
        (-np.inf,) * count,
        (np.inf,) * count,
        rate,
        proprioception,
        ("?",) * len(proprioception),
        cameras,
    )


def last_frame_as_goal(images: Frames, source: str, name: str = "imported") -> Goal:
    """Return the goal of an episode that has none: its last frame, as a demonstration ends at what was wanted."""
    return Goal(name or "imported", images, f"{source}: its last frame")


def numbered(prefix: str, count: int) -> tuple[str, ...]:
    """Return ``prefix.0``, ``prefix.1`` …; ``prefix`` alone for a count of 1."""
    return (prefix,) if count == 1 else tuple(f"{prefix}.{index}" for index in range(count))
