"""Rehearsing: movements that the base remembers, made here with closed eyes, so that practice sees what they achieve here.

Where what is seen differs from home in ways that no calibration undoes (an arm that leans in a picture that was bent
straight), a policy's own attempts are too bad to learn from. Its demonstrators' movements are not, and whatever they achieve
here is, in hindsight, what was wanted: pictures, goals and actions that belong together, without a demonstration.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

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
    """Return the movements of the robot that ``factory`` play. Raises CheckpointError, UsageError where there are none."""
    found = trajectory.trajectories_of_robot(factory.folder, factory.spec.name)
    if not found:
        raise UsageError(f"this base remembers no movement of {factory.spec.name}: leave --replay-demos out.")
    return found


@dataclass(frozen=True)
class DemoReplay:
    """Rolls out what is remembered."""

    practice: Practice
    most: int
    """Episodes of one improvement run that may rehearse."""
    interrupted: Callable[[], bool]

    def rehearse(self, number: int, working: RoundState, calibration: DomainTransform, room: int) -> list[Path]:
        """Roll out what the run has not rehearsed yet; return the recordings of this round.

        Args:
            number: of the round.
            working: its files.
            calibration: what is known of this deployment: its motors.
            room: how many episodes the run's own limit leaves for this round.
        """
        progress, factory = self.practice.progress, self.practice.factory
        before = sum(len(one.rehearsed) for one in progress.rounds if one is not working)
        count = max(len(working.rehearsed), min(self.most - before, room))
        if count <= 0:
            return []
        known = available_trajectories(factory)
        at_home = nominal.load_nominal(factory.folder)
        law = calibration.actuators or (at_home.actuators if at_home is not None else None)
        # Spread over what is remembered, and no movement twice before each was made once.
        which = {slot: (before + slot) * max(1, len(known) // self.most) % len(known) for slot in range(count)}
        acting = TrajectoryReplayPolicy(known, law, factory.spec, which)
        what = f"round {number + 1}: rehearsing"
        practice = replace(self.practice, count=count)
        practice.roll("none", number, Stage.DEMO_REPLAY, working.rehearsed, what, count, acting)
        return [progress.session.folder / name for name in working.rehearsed]
