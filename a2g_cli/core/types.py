"""The types that all modules share: Observation, Goal, Outcome, Provenance, Episode.

Arrays are numpy; images are uint8 HxWx3 RGB, proprioception and actions are float32 in the units of the robot's spec.
"""

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""HxWx3 RGB."""

Depth = NDArray[np.uint16]
"""HxW distances along the optical axis, in the unit of the camera's metadata; 0 if nothing was measured."""

Vector = NDArray[np.float32]

State = dict[str, list[float]]
"""The world's true state, JSON-able, which only an instrumented robot knows. Policies never see it."""

Description = Mapping[str, Sequence[float] | str]
"""A state as a person describes it: object -> numbers, or a word. Each scene defines what they mean."""

_JUDGE = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")


def is_judge_name(name: object) -> bool:
    """Whether ``name`` can name a judge in a recording: at most 40 small letters, digits, dots, dashes, underscores."""
    return isinstance(name, str) and _JUDGE.fullmatch(name) is not None


@dataclass(frozen=True)
class Observation:
    """What a robot observes at one moment."""

    images: Mapping[str, Image]
    """Camera name -> frame."""
    proprioception: Vector
    """(P,) in the order and units of ``RobotSpec.proprioception_names``."""
    captured_at: Mapping[str, float]
    """Camera name -> capture time of the frame, on the robot's clock [s]."""
    time: float
    """When the observation was made, on the robot's clock [s]."""
    depth: Mapping[str, Depth] = field(default_factory=dict)
    """Camera name -> depth image, of the depth cameras. It is recorded; policies do not see it."""


@dataclass(frozen=True)
class StepTiming:
    """The timing of one action."""

    acted_at: float
    """When it was sent, on the robot's clock [s]."""
    due_at: float = math.nan
    """When it was due [s]; NaN at the start of a schedule: the first action, and the first after a wait for a plan."""
    planning: float = math.nan
    """How long the planning took [s], for the first action of a plan; NaN for the others."""


@dataclass(frozen=True)
class Goal:
    """A goal: one image per camera, and how they were taken."""

    name: str
    images: Mapping[str, Image]
    source: str
    """How it was taken, e.g. ``"sim:place"``, ``"image:/photos/cup.png"``, ``"recording:…#57"``."""
    truth: State | None = None
    """The true state in the images, if an instrumented robot took them: used to judge, never to act."""
    views: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Camera name -> ``CameraMetadata`` as JSON; empty if unknown."""
    shift: str | None = None
    """The simulator's shift when it was taken, ``"none"`` for no shift; None if unknown, or not of a simulator."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 over camera names and pixels: the same for two goals with the same images."""
        digest = hashlib.sha256()
        for camera in sorted(self.images):
            image = np.ascontiguousarray(self.images[camera])
            digest.update(f"{camera}:{image.shape}".encode())
            digest.update(image.tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class GoalDistance:
    """How near a frame is to a goal."""

    steps_to_go: float
    """Estimate of the base's own head [steps]."""
    distance: float
    """RMS difference between the latents of frame and goal, as a share of that between the first frame and the goal."""


@dataclass(frozen=True)
class Outcome:
    """How an episode ended, and who judged it."""

    success: bool | None
    """None if it was not judged."""
    judge: str
    """Who decided ``success``: ``"truth"`` (of the simulator), ``"environment"`` (its own test), ``"policy"`` (its
    steps-to-go head), ``"distance"`` (of the last frame to the goal in the world model's latents), ``"person"``, ``"none"``
    (nobody), or another package's judge."""
    stopped_by: str
    """``"success"``, ``"steps"``, ``"arrived"``, ``"person"`` (who ended it), ``"interrupted"``, ``"hardware"``, or the guard
    that stopped it."""
    steps_to_go: float | None = None
    """The policy's last estimate of the steps left [steps]."""
    distance: float | None = None
    """Distance of the last frame to the goal in the world model's latents, as a share of the first frame's."""
    estimates: tuple[tuple[int, float], ...] = ()
    """(step at which a plan began, the policy's steps-to-go then [steps]), in order; empty for a policy without an
    estimate, and in recordings of earlier versions."""


@dataclass(frozen=True)
class Provenance:
    """Where an episode came from, with everything that is needed to repeat it."""

    robot: str
    """The driver and its first setting, e.g. ``"sim:place"``."""
    policy: str
    """``"act2goal"``, ``"expert"``, ``"random"``, ``"still"``, ``"replay"``."""
    shift: str = "none"
    """How the deployment differs from training, e.g. ``"camera-bump:1.0"``."""
    base: str | None = None
    """Hash of the base checkpoint."""
    adapter: str | None = None
    """Hash of the adapter; None for the base policy."""
    adapter_name: str | None = None
    seed: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Further settings, JSON-able."""


@dataclass
class Episode:
    """T actions and T + 1 observations; observation t + 1 follows action t."""

    goal: Goal
    provenance: Provenance
    observations: list[Observation]
    """T + 1."""
    requested: list[Vector] = field(default_factory=list)
    """T actions as the policy requested them."""
    sent: list[Vector] = field(default_factory=list)
    """T actions as sent to the robot, after its limits."""
    outcome: Outcome | None = None

    def append(self, requested: Vector, sent: Vector, observation: Observation) -> None:
        """Add one step: an action and the observation after it."""
        self.requested.append(requested)
        self.sent.append(sent)
        self.observations.append(observation)

    def __len__(self) -> int:
        return len(self.sent)
