"""An episode as another program keeps it, on its way to becoming a recording, and what must be made up where it is silent."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from a2g_cli.episode import Goal, Image, Observation, Outcome, Provenance, Vector
from a2g_cli.goals import fit
from a2g_cli.recording import schema
from a2g_cli.robots.robot import RobotSpec

Frames = Mapping[str, Image]
"""Camera -> (H, W, 3): one moment."""

MAX_ELEMENTS = 2**31
"""Numbers in one array of another program's file: more is refused before it is read."""


@dataclass(frozen=True)
class Incoming:
    """One episode to be recorded: T actions and the T + 1 observations around them, read as they are asked for."""

    spec: RobotSpec
    goal: Goal
    provenance: Provenance
    outcome: Outcome
    actions: Vector
    """(T, A)."""
    requested: Vector
    """(T, A); the actions once more where nobody kept what was asked for."""
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
    """(T, 3): the columns of ``schema.TIMING`` [s], NaN where nobody took a time; None where nobody took any."""
    notes: tuple[str, ...] = ()
    """What the source did not say, or what was left out, in words."""

    def __post_init__(self) -> None:
        """Hold the arrays against each other. Raises ValueError: whoever reads a format turns it into words."""
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

    def observations(self) -> Iterator[Observation]:
        """Yield the T + 1 observations. Raises ValueError when there are fewer or more frames than that."""
        count = 0
        for index, images in enumerate(self.frames()):
            if index >= len(self.times):
                raise ValueError(f"there are frames beyond the {len(self.times)} moments")
            captured = {camera: float(row[index]) for camera, row in self.captured_at.items()}
            yield Observation(images, self.proprioception[index], captured, float(self.times[index]))
            count += 1
        if count != len(self.times):
            raise ValueError(f"there are frames for {count} of {len(self.times)} moments")


def resized(episode: Incoming, height: int, width: int) -> Incoming:
    """Return ``episode`` with every frame cropped about its centre and resized, as goals are [px]."""

    def shrink(images: Frames) -> Frames:
        return {camera: fit(image, height, width)[0] for camera, image in images.items()}

    spec = replace(episode.spec, cameras=dict.fromkeys(episode.spec.cameras, (height, width)))
    goal = replace(episode.goal, images=shrink(episode.goal.images))
    return replace(episode, spec=spec, goal=goal, frames=lambda: map(shrink, episode.frames()))


def flipped(episode: Incoming) -> Incoming:
    """Return ``episode`` with every frame turned by 180 degrees; its last frame, which is its goal, as well."""

    def turn(images: Frames) -> Frames:
        return {camera: np.ascontiguousarray(image[::-1, ::-1]) for camera, image in images.items()}

    goal = replace(episode.goal, images=turn(episode.goal.images))
    return replace(episode, goal=goal, frames=lambda: map(turn, episode.frames()))


def own_words(
    episode_goal: Goal, provenance: Provenance, outcome: Outcome, spec: RobotSpec, created_at: str
) -> dict[str, str]:
    """Return what other formats have no place for, as the texts that a recording's attributes hold."""
    return {
        "spec": schema.spec_to_json(spec),
        "goal": schema.goal_to_json(episode_goal),
        "provenance": schema.provenance_to_json(provenance),
        "outcome": schema.outcome_to_json(outcome),
        "created_at": created_at,
    }


@dataclass(frozen=True)
class OwnWords:
    """What ``own_words`` wrote, read back and checked."""

    spec: RobotSpec
    goal: Goal
    provenance: Provenance
    outcome: Outcome
    created_at: str

    @classmethod
    def parse(cls, texts: Mapping[str, Any], goal_images: Frames) -> "OwnWords":
        """Return them. Raises KeyError, TypeError or ValueError for what is none."""
        if not all(isinstance(texts[name], str) for name in ("spec", "goal", "provenance", "outcome", "created_at")):
            raise TypeError("an attribute of a2g's own that is not a text")
        return cls(
            replace(schema.spec_from_json(texts["spec"]), depth=()),  # no format carries it
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
    """Return the spec of a robot of which only names and sizes are known: units unknown, limits none.

    Raises ValueError for sizes and numbers of names that no recording may have.
    """
    if not 1 <= len(actions) <= schema.MAX_NAMES or max(len(proprioception), len(cameras)) > schema.MAX_NAMES:
        raise ValueError(f"{len(actions)} actions, {len(proprioception)} proprioception values, {len(cameras)} cameras")
    if not (np.isfinite(rate) and rate > 0):
        raise ValueError(f"a rate of {rate} Hz")
    if not cameras:
        raise ValueError("no camera: a policy that is shown a photo of its goal needs one")
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
    """Return the goal of an episode that has none: what it reached. A demonstration shows what was wanted."""
    return Goal(name or "imported", images, f"{source}: its last frame")


def numbered(prefix: str, count: int) -> tuple[str, ...]:
    """Return ``prefix.0``, ``prefix.1`` …, or ``prefix`` alone."""
    return (prefix,) if count == 1 else tuple(f"{prefix}.{index}" for index in range(count))
