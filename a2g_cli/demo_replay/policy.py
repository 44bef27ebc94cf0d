"""A policy that replays expert trajectories without looking at images; whatever it achieves, the base can learn from.

It follows the measured values of a trajectory and does not repeat its actions: disturbances, or actuators that move less than
commanded, would add up. An arm that starts elsewhere joins the trajectory within ``JOIN_STEPS``.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from a2g_cli.calibration.actuators import ActuatorModel, driven_columns, driven_names
from a2g_cli.demo_replay.trajectory import Trajectory
from a2g_cli.encoding.episodes import REPLAYED
from a2g_cli.policies.base import Plan, PlanRequest, Policy
from a2g_cli.robots.base import RobotSpec

JOIN_STEPS = 10
"""Number of steps in which the difference from the trajectory's first position is reduced to 0."""


class TrajectoryReplayPolicy(Policy):
    """Follows one trajectory in each episode."""

    name = "remembering"
    """The name that version 0.1 wrote into recordings."""

    def __init__(
        self,
        trajectories: Sequence[Trajectory],
        actuators: ActuatorModel | None,
        spec: RobotSpec,
        trajectory_of_slot: Mapping[int, int],
    ) -> None:
        """Follow ``trajectories``, at least one.

        Args:
            trajectories: of a robot with the actions and measured values of ``spec``.
            actuators: the robot's present actuator model; None: it moves by exactly what is commanded.
            spec: of the robot.
            trajectory_of_slot: slot of an episode -> index of its trajectory.
        """
        self._trajectories, self._trajectory_of_slot = trajectories, trajectory_of_slot
        names = spec.action_names, spec.proprioception_names
        self._actuators = actuators or ActuatorModel.identity(driven_names(*names))
        driven = self._actuators.names
        self._acting, self._measured = driven_columns(driven, *names)
        still = trajectories[0].actions[:1].clone()
        still[:, self._acting] = self._actuators.inverse(torch.zeros(len(driven)))
        actions = torch.cat([still, *(trajectory.actions for trajectory in trajectories)])
        # No action exceeds those that were demonstrated, nor the robot's limits.
        self._low = torch.maximum(actions.amin(0), torch.tensor(spec.action_low))
        self._high = torch.minimum(actions.amax(0), torch.tensor(spec.action_high))
        self._trajectory_of_episode: dict[int, int] = {}
        self._initial_difference: dict[int, Tensor] = {}

    def start_episode(self, seed: int, slot: int) -> dict[str, Any]:
        """Choose the trajectory of ``slot``; return its index, for the recording."""
        self._trajectory_of_episode[seed] = self._trajectory_of_slot[slot]
        return {REPLAYED: self._trajectory_of_slot[slot]}

    def end_episode(self, seed: int) -> None:
        """Forget the episode's trajectory."""
        self._trajectory_of_episode.pop(seed, None)
        self._initial_difference.pop(seed, None)

    def plan(self, requests: Sequence[PlanRequest]) -> list[Plan]:
        """Return one action each; after a trajectory's end, steps-to-go 0."""
        return [self._next(request) for request in requests]

    def _next(self, request: PlanRequest) -> Plan:
        trajectory, step = self._trajectories[self._trajectory_of_episode[request.seed]], request.index
        proprioception = np.asarray(request.observation.proprioception, dtype=np.float32)
        position = torch.from_numpy(proprioception)[self._measured]
        positions = trajectory.proprioception[:, self._measured]
        if step == 0:
            self._initial_difference[request.seed] = position - positions[0]
        ended = step >= len(trajectory.actions)
        action = trajectory.actions[min(step, len(trajectory.actions) - 1)].clone()
        share = max(0.0, 1 - (step + 1) / JOIN_STEPS)
        target = position if ended else positions[step + 1] + share * self._initial_difference[request.seed]
        action[self._acting] = self._actuators.inverse(target - position)
        chunk = action.clamp(self._low, self._high)[None].numpy()
        return Plan(chunk, 0.0 if ended else float("nan"))
