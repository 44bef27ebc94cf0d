"""What acts: a policy turns what is seen and what is wanted into a plan."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from a2g_cli.core.types import Goal, Image, Observation


@dataclass(frozen=True)
class PlanRequest:
    """A question to a policy."""

    observation: Observation
    goal: Goal
    seed: int
    """Of the episode: with ``index`` it fixes the plan's noise, whatever else is planned in the same batch."""
    index: int
    """Number of plans made before in this episode."""
    ahead: float = 0.0
    """When the plan begins: so long after the observation [control periods]. The robot goes on until then."""


@dataclass(frozen=True)
class Plan:
    """A policy's answer."""

    chunk: NDArray[np.float32]
    """(n, A) actions to execute before the next plan, in the robot's units."""
    steps_to_go: float
    """The policy's estimate of the steps left [steps]; NaN where it has none."""
    imagined: Mapping[str, Sequence[Image]] = field(default_factory=dict)
    """Camera name -> the plan's frames, where they were asked for."""
    ahead: float = 0.0
    """When to ask for the next plan: so long before the chunk's end [control periods]; at 0 the robot waits for it."""
    tail: NDArray[np.float32] | None = None
    """(m, A) actions that would follow the chunk: what a robot on real time goes on with while the next plan is late."""
    seconds: float = 0.0
    """How long it took to make, for all who were planned for in one pass [s]; whoever asked the policy sets it."""


class Policy(Protocol):
    """Anything that plans."""

    @property
    def name(self) -> str:
        """What recordings say about who acted, e.g. ``"act2goal"``."""

    def plan(self, requests: Sequence[PlanRequest]) -> list[Plan]:
        """Answer several requests at once, in order; each answer is what it would be alone."""


class AssignedPolicy(Policy, Protocol):
    """A policy that is told which attempt an episode is, and has something of its own to do in each."""

    def begun(self, slot: int, seed: int) -> dict[str, Any]:
        """Take note that attempt ``slot`` is the episode of ``seed``; return what its recording is to say of it."""
