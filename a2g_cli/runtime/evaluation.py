"""Evaluates policies on the same held-out starts and goals, with confidence intervals."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from a2g_cli.core.errors import UsageError
from a2g_cli.core.types import Goal
from a2g_cli.policies.base import Policy
from a2g_cli.robots.base import InstrumentedRobot, Purpose, ReportingRobot, Robot, Trial
from a2g_cli.runtime.rollout import Job, RolloutWatcher, roll_out
from a2g_cli.runtime.sink import NullSink, Sink
from a2g_cli.runtime.termination import RolloutSettings

HELD_OUT = 10**12
"""Index of the first held-out start of a named goal: practice and ``a2g run`` draw starts with smaller indices only."""


def wilson(successes: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """Return the Wilson score interval of a rate (95 % by default); (0, 1) for n = 0."""
    if n == 0:
        return 0.0, 1.0
    rate, square = successes / n, z * z
    centre = (rate + square / (2 * n)) / (1 + square / n)
    half = z * math.sqrt(rate * (1 - rate) / n + square / (4 * n * n)) / (1 + square / n)
    return max(0.0, centre - half), min(1.0, centre + half)


@dataclass(frozen=True)
class Result:
    """The result of one policy."""

    adapter: str
    n: int
    successes: int
    seconds: float
    judge: str = "truth"
    """Who judged: ``truth``; ``policy``: the policy's estimate."""

    @property
    def rate(self) -> float:
        """Success rate."""
        return self.successes / self.n if self.n else 0.0

    def to_json(self) -> dict[str, Any]:
        """Return the documented result object."""
        low, high = wilson(self.successes, self.n)
        return {
            "adapter": self.adapter,
            "n": self.n,
            "successes": self.successes,
            "rate": round(self.rate, 4),
            "interval": [round(low, 4), round(high, 4)],
            "seconds": round(self.seconds, 2),
            "judge": self.judge,
        }


def pooled(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the results of one policy on several goals, at least one, as one result; each is a ``Result.to_json()``."""
    n, successes, seconds = (sum(row[key] for row in rows) for key in ("n", "successes", "seconds"))
    return Result(str(rows[0]["adapter"]), n, successes, seconds).to_json()


def instrumented(robot: Robot) -> InstrumentedRobot:
    """Return ``robot`` as one with ground truth. Raises UsageError if it has none."""
    if not isinstance(robot, InstrumentedRobot):
        raise UsageError(
            f"{robot.spec.name} has no ground truth for starts and goals: use a simulator. An environment that reports "
            "success is evaluated on a GOAL; with a world (docs/worlds.md) it draws goals too."
        )
    return robot


def startable(robot: Robot) -> InstrumentedRobot | ReportingRobot:
    """Return ``robot`` as one that begins at chosen starts and says what succeeded. Raises UsageError if it does not."""
    return robot if isinstance(robot, ReportingRobot) else instrumented(robot)


def draw_trials(robot: Robot, purpose: Purpose, seed: int, count: int, first: int = 0) -> list[Trial]:
    """Return the trials ``first`` to ``first + count - 1`` of a seed, for a purpose."""
    source = instrumented(robot)
    return [source.trial(purpose, seed, first + i) for i in range(count)]


def trials_for(robot: Robot, goal: Goal, seed: int, count: int) -> list[Trial]:
    """Return ``count`` held-out trials of one goal; none of their starts satisfies the goal, and none is practised.

    Raises:
        UsageError: the robot has no ground truth, or no start can be drawn.
        GoalError: the goal is another scene's, or has no ground truth.
    """
    source = startable(robot)
    return [Trial("evaluation", seed, i, source.start_for(goal, seed, HELD_OUT + i), goal) for i in range(count)]


def jobs_for(trials: Sequence[Trial], sink: Callable[[Trial, Robot], Sink], where: Path | None = None) -> list[Job]:
    """Return one job for each trial; ``where``: a path on the disk where it is recorded, None without recording."""

    def job(trial: Trial) -> Job:
        return Job(
            trial.goal,
            trial.seed * 100_003 + trial.index,
            lambda robot: startable(robot).begin(trial.start),
            lambda robot: sink(trial, robot),
            where,
        )

    return [job(trial) for trial in trials]


def not_kept(_trial: Trial, _robot: Robot) -> Sink:
    """Return the sink of a trial that nobody sees again."""
    return NullSink()


def evaluate(
    name: str,
    policy: Policy,
    robots: Sequence[Robot],
    trials: Sequence[Trial],
    settings: RolloutSettings,
    advanced: Callable[[int, int], None] | None = None,
    interrupted: Callable[[], bool] = lambda: False,
    sink: Callable[[Trial, Robot], Sink] = not_kept,
    watcher: RolloutWatcher | None = None,
) -> Result:
    """Roll a policy out on held-out trials. Nothing is recorded unless ``sink`` does, so nothing can learn from them.

    Args:
        name: the adapter's name, for the result.
        policy: the policy that acts.
        robots: as many act at the same time.
        trials: the same for every policy that is compared.
        settings: when an episode ends.
        advanced: called with (episodes done, successes so far).
        interrupted: asked after every step.
        sink: takes the episode of a trial; what it keeps for people to see must lie where no training looks for recordings.
        watcher: shows the first robot.

    Raises:
        KeyboardInterrupt: interrupted; there is no partial result.
        UsageError: the robot says nothing about success.
    """
    started = time.monotonic()
    done = successes = 0
    jobs = jobs_for(trials, sink)
    for _, outcome in roll_out(robots, jobs, policy, settings, watcher, interrupted):
        if outcome.success is None and not interrupted():
            raise UsageError(
                f'{robots[0].spec.name} reports no success: its info has neither "success" nor "is_success".'
            )
        done, successes = done + 1, successes + bool(outcome.success)
        if advanced is not None:
            advanced(done, successes)
    if interrupted():
        raise KeyboardInterrupt
    return Result(name, done, successes, time.monotonic() - started)
