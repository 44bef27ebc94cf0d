"""A policy that moves with closed eyes, as its demonstrators did, wherever that leads: what it achieves, it can learn from.

The places that a movement went through are followed, not its commands repeated: a push, or motors that give less, would
otherwise add up. An arm that begins elsewhere comes over to the movement within a second.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from a2g_cli.calibration.actuators import ActuatorModel, driven_columns, driven_names
from a2g_cli.demo_replay.trajectory import Trajectory
from a2g_cli.encoding.episodes import REPLAYED
from a2g_cli.policies.base import Plan, PlanRequest
from a2g_cli.robots.base import RobotSpec

JOINING = 10
"""Steps in which the difference between two beginnings is made up for."""


class TrajectoryReplayPolicy:
    """Follows a movement in each episode."""

    name = "remembering"

    def __init__(
        self, movements: Sequence[Trajectory], law: ActuatorModel | None, spec: RobotSpec, which: Mapping[int, int]
    ) -> None:
        """Move by ``movements``, driven by ``law``.

        Args:
            movements: of a robot with the actions and values of ``spec``.
            law: of its motors as they are now; None: a command is a displacement.
            spec: the robot's.
            which: number of an attempt -> which movement it follows.
        """
        self._movements, self._which = movements, which
        names = spec.action_names, spec.proprioception_names
        moving = law.names if law is not None else driven_names(*names)
        self._law = law or ActuatorModel(moving, torch.eye(len(moving) + 1, len(moving)))
        self._acting, self._measured = driven_columns(moving, *names)
        still = movements[0].actions[:1].clone()
        still[:, self._acting] = self._law.command(torch.zeros(len(moving)))
        actions = torch.cat([still, *(one.actions for one in movements)])
        # No command is larger than what was demonstrated, nor than this robot bears.
        self._low = torch.maximum(actions.amin(0), torch.tensor(spec.action_low))
        self._high = torch.minimum(actions.amax(0), torch.tensor(spec.action_high))
        self._following: dict[int, int] = {}
        self._apart: dict[int, Tensor] = {}

    def begun(self, slot: int, seed: int) -> dict[str, Any]:
        """Take note that attempt ``slot`` is the episode of ``seed``; return what its recording is to say of it."""
        self._following[seed] = self._which[slot]
        return {REPLAYED: self._which[slot]}

    def plan(self, requests: Sequence[PlanRequest]) -> list[Plan]:
        """Return one action each; at a movement's end, that nothing is left to do."""
        return [self._next(request) for request in requests]

    def _next(self, request: PlanRequest) -> Plan:
        movement, step = self._movements[self._following[request.seed]], request.index
        here = torch.from_numpy(np.asarray(request.observation.proprioception, dtype=np.float32))[self._measured]
        places = movement.proprioception[:, self._measured]
        if step == 0:
            self._apart[request.seed] = here - places[0]
        over = step >= len(movement.actions)
        action = movement.actions[min(step, len(movement.actions) - 1)].clone()
        share = max(0.0, 1 - (step + 1) / JOINING)
        wanted = here if over else places[step + 1] + share * self._apart[request.seed]
        action[self._acting] = self._law.command(wanted - here)
        chunk = action.clamp(self._low, self._high)[None].numpy()
        return Plan(chunk, 0.0 if over else float("nan"))
