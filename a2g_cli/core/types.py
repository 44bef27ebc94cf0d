"""Observation, Goal, Episode: the words that every other module speaks.

Arrays are numpy; images are uint8 HxWx3 RGB, proprioception and actions float32 in the units of the robot's spec.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""HxWx3 RGB."""

Depth = NDArray[np.uint16]
"""HxW distances along the optical axis, in the units that the camera's view names; 0 where nothing was measured."""

Vector = NDArray[np.float32]

State = dict[str, list[float]]
"""What only an instrumented robot knows: the world's true state, JSON-able. Never shown to a policy."""

Description = Mapping[str, Sequence[float] | str]
"""How a person describes a state: thing -> numbers, or a word. What it means is the scene's to say."""

Judge = Literal["truth", "policy", "distance", "person", "none"]
"""Who decided that an episode succeeded: the simulator's truth, the policy's steps-to-go head, the distance of the final
frame to the goal in the world model's latents, a person, nobody."""


@dataclass(frozen=True)
class Observation:
    """What the robot knows at one instant."""

    images: Mapping[str, Image]
    """Camera name -> frame."""
    proprioception: Vector
    """(P,) in the order and units of ``RobotSpec.proprioception_names``."""
    captured_at: Mapping[str, float]
    """Camera name -> when that frame was captured, on the robot's clock [s]."""
    time: float
    """When the observation was put together, on the robot's clock [s]."""
    depth: Mapping[str, Depth] = field(default_factory=dict)
    """Camera name -> what it measured with its frame, of the cameras that were asked to; recorded, and shown to no policy."""


@dataclass(frozen=True)
class StepTiming:
    """When one action went out."""

    acted_at: float
    """On the robot's clock [s]."""
    due_at: float = math.nan
    """When it ought to have [s]; NaN where a schedule begins: at first, and after the robot has waited for a plan."""
    planning: float = math.nan
    """How long its plan took to make [s]; NaN but for a plan's first action."""


@dataclass(frozen=True)
class Goal:
    """One image per camera of what should be true, and how it was taken."""

    name: str
    images: Mapping[str, Image]
    source: str
    """How it was taken, e.g. ``"sim:place"``, ``"image:/photos/cup.png"``, ``"recording:…#57"``."""
    truth: State | None = None
    """The true state that the images show, where an instrumented robot took them: used to judge, never to act."""
    views: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Camera name -> which camera took its image, and how it was set, as ``cameras/metadata.py`` says; empty if unknown."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 over camera names and pixels: two goals that look the same are the same."""
        digest = hashlib.sha256()
        for camera in sorted(self.images):
            image = np.ascontiguousarray(self.images[camera])
            digest.update(f"{camera}:{image.shape}".encode())
            digest.update(image.tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class Outcome:
    """How an episode ended, and who says so."""

    success: bool | None
    """None: nobody judged."""
    judge: Judge
    stopped_by: str
    """``"success"``, ``"steps"``, ``"arrived"``, ``"interrupted"``, ``"hardware"``, or the guard that stopped it."""
    steps_to_go: float | None = None
    """The policy's own last estimate of the steps left [steps]."""
    distance: float | None = None
    """Of the final frame to the goal in the world model's latents, as a share of the first frame's."""


@dataclass(frozen=True)
class Provenance:
    """Everything needed to say where an episode came from, and to repeat it."""

    robot: str
    """Driver and its settings, e.g. ``"sim:place"``."""
    policy: str
    """``"act2goal"``, ``"expert"``, ``"random"``, ``"still"``, ``"replay"``."""
    shift: str = "none"
    """How the deployment differs from the demonstrations, e.g. ``"camera-bump:1.0"``."""
    base: str | None = None
    """Hash of the base checkpoint."""
    adapter: str | None = None
    """Hash of the adapter, None for the base alone."""
    adapter_name: str | None = None
    seed: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Further settings, JSON-able."""


@dataclass
class Episode:
    """T actions and the T + 1 observations around them; observation t + 1 is what action t led to."""

    goal: Goal
    provenance: Provenance
    observations: list[Observation]
    """T + 1: the achieved final frame is always there."""
    requested: list[Vector] = field(default_factory=list)
    """T actions as the policy asked for them."""
    sent: list[Vector] = field(default_factory=list)
    """T actions as the robot really took them, after its limits."""
    outcome: Outcome | None = None

    def append(self, requested: Vector, sent: Vector, observation: Observation) -> None:
        """Add one step: an action and the observation that it led to."""
        self.requested.append(requested)
        self.sent.append(sent)
        self.observations.append(observation)

    def __len__(self) -> int:
        return len(self.sent)
