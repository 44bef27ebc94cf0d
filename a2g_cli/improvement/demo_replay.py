"""Demo replay: replay expert trajectories open loop in the deployment, and learn from what they achieve.

The base keeps some of its demonstrations as trajectories. Where a shift cannot be undone by a domain transform, the policy's
own episodes are poor examples. A replayed trajectory achieves something in any domain; relabelled in hindsight, its images,
goal and actions fit together, and nobody has to demonstrate again.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from a2g_cli.adapters.registry import BASE
from a2g_cli.calibration import nominal
from a2g_cli.calibration.transform import DomainTransform
from a2g_cli.core.errors import UsageError
from a2g_cli.demo_replay import trajectory
from a2g_cli.demo_replay.policy import TrajectoryReplayPolicy
from a2g_cli.demo_replay.trajectory import Trajectory
from a2g_cli.improvement.practice import Practice
from a2g_cli.improvement.state import RoundState
from a2g_cli.improvement.trials import Stage
from a2g_cli.runtime.policy_factory import PolicyFactory


def available_trajectories(factory: PolicyFactory) -> list[Trajectory]:
    """Return the base's trajectories of the robot that ``factory`` is for.

    Raises:
        CheckpointError: they are damaged.
        UsageError: the base has none of this robot.
    """
    found = trajectory.trajectories_of_robot(factory.folder, factory.spec.name)
    if not found:
        raise UsageError(f"this base has no trajectories of {factory.spec.name}: leave --replay-demos out.")
    return found


@dataclass(frozen=True)
class DemoReplay:
    """Replays the base's trajectories on the robot."""

    practice: Practice
    most: int
    """Episodes of one run that may replay a trajectory."""
    interrupted: Callable[[], bool]

    def replay(self, number: int, state: RoundState, calibration: DomainTransform, spare: int) -> list[Path]:
        """Replay the trajectories that this run has not replayed yet; return this round's recordings.

        Args:
            number: of the round, from 0.
            state: of the round.
            calibration: the domain transform so far; its actuator model drives the arm.
            spare: number of episodes that the run's own limit leaves for this.
        """
        progress, factory = self.practice.progress, self.practice.factory
        before = sum(len(earlier.rehearsed) for earlier in progress.rounds if earlier is not state)
        count = max(len(state.rehearsed), min(self.most - before, spare))
        if count <= 0:
            return []
        trajectories = available_trajectories(factory)
        nominal_domain = nominal.load_nominal(factory.folder)
        actuators = calibration.actuators or (nominal_domain.actuators if nominal_domain is not None else None)
        # Spread over all trajectories; none is replayed twice before each was replayed once.
        spacing = max(1, len(trajectories) // self.most)
        which = {slot: (before + slot) * spacing % len(trajectories) for slot in range(count)}
        policy = TrajectoryReplayPolicy(trajectories, actuators, factory.spec, which)
        title = f"round {number + 1}: replaying demonstrations"
        practice = replace(self.practice, count=count)
        practice.roll(BASE, number, Stage.DEMO_REPLAY, state.rehearsed, title, count, policy)
        return [progress.session.folder / name for name in state.rehearsed]
