"""The interface of every policy: from an observation and a goal to a plan."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from a2g_cli.core.types import Goal, Image, Observation


@dataclass(frozen=True)
class PlanRequest:
    """What a policy plans from."""

    observation: Observation
    goal: Goal
    seed: int
    """Of the episode. Together with ``index`` it fixes the plan's noise, whatever else is planned in the same batch."""
    index: int
    """Number of plans made before in this episode."""
    ahead: float = 0.0
    """How long after the observation the plan begins [control periods]; until then the robot executes its present chunk."""


@dataclass(frozen=True)
class Imagination:
    """What a plan imagines by one camera, for its recording. The frames are made when they are asked for, in any thread."""

    camera: str
    offsets: Sequence[int]
    """How far each frame is from the observation that the plan was made from [steps]."""
    near: int
    """The first so many offsets are fixed; the others follow from the policy's steps-to-go."""
    frames: Callable[[], Sequence[Image]]
    """Make the frames (H, W, 3), as the policy sees: in the training domain, and of the size that the base was trained at."""


@dataclass(frozen=True)
class Plan:
    """What a policy answers."""

    chunk: NDArray[np.float32]
    """(n, A) actions to execute before the next plan, in the robot's units."""
    steps_to_go: float
    """The policy's estimate of the steps left [steps]; NaN where it has none."""
    imagined: Mapping[str, Sequence[Image]] = field(default_factory=dict)
    """Camera name -> the imagined frames; empty where none were asked for."""
    ahead: float = 0.0
    """How long before the chunk's end the next plan is requested [control periods]; at 0 the robot waits for it."""
    tail: NDArray[np.float32] | None = None
    """(m, A) actions that follow the chunk. A robot in real time executes them while the next plan is late."""
    seconds: float = 0.0
    """How long the whole batch took to plan [s]; set by the planner, not by the policy."""
    imagination: Imagination | None = None
    """Frames to keep in the recording; None where this plan's are not kept."""


class Policy(Protocol):
    """Anything that plans. Subclass it: then ``name`` and ``plan`` are enough."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The policy's name in recordings, e.g. ``"act2goal"``."""

    def start_episode(self, seed: int, slot: int) -> dict[str, Any]:  # noqa: ARG002
        """Prepare for an episode; return what its recording notes in its settings.

        Args:
            seed: of the episode, as in its requests; no two episodes that run at the same time share one.
            slot: number of the episode among those of its stage.
        """
        return {}

    def end_episode(self, seed: int) -> None:
        """Forget what was kept for the episode of ``seed``."""
        del seed  # most policies keep nothing

    @abstractmethod
    def plan(self, requests: Sequence[PlanRequest]) -> list[Plan]:
        """Answer several requests at once, in order. Each answer is the same as if it had been requested alone."""


class WrappedPolicy(Policy):
    """Another policy, with something done before or after its plans. Its episodes are those of the other policy."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    @property
    def name(self) -> str:
        """Name of the wrapped policy."""
        return self._policy.name

    def start_episode(self, seed: int, slot: int) -> dict[str, Any]:
        """Start the episode of the wrapped policy."""
        return self._policy.start_episode(seed, slot)

    def end_episode(self, seed: int) -> None:
        """End the episode of the wrapped policy."""
        self._policy.end_episode(seed)


def plan_each(policies: Sequence[Policy], requests: Sequence[PlanRequest]) -> list[Plan]:
    """Return each request's plan by the policy in the same place; what one policy has to plan, it plans at once."""
    plans: dict[int, Plan] = {}
    for policy in {id(policy): policy for policy in policies}.values():
        rows = [i for i, one in enumerate(policies) if one is policy]
        plans |= zip(rows, policy.plan([requests[i] for i in rows]), strict=True)
    return [plans[i] for i in range(len(requests))]
