"""What the tests of rollouts share: a policy that is scripted, a sink in memory, an episode rolled out."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from a2g_cli.core.types import Observation, Outcome, Provenance, State, StepTiming, Vector
from a2g_cli.policies.base import Imagination, Plan, PlanRequest, Policy
from a2g_cli.robots.base import Robot, Trial
from a2g_cli.robots.sim import SimRobot
from a2g_cli.runtime.recorder import Recorder
from a2g_cli.runtime.rollout import Job, roll_out
from a2g_cli.runtime.termination import RolloutSettings

RIGHT = np.array([0.01, 0.0, 0.0, 1.0], np.float32)


class Scripted(Policy):
    """Answers request i of an episode with ``chunk(request)``; keeps what it was asked."""

    name = "scripted"

    def __init__(
        self, chunk: Callable[[PlanRequest], np.ndarray], left: Callable[[int], float] | None = None, ahead: float = 0
    ) -> None:
        self._chunk, self._left, self._ahead = chunk, left or (lambda _: float("nan")), ahead
        self.asked: list[list[PlanRequest]] = []

    def plan(self, requests: Sequence[PlanRequest]) -> list[Plan]:
        self.asked.append(list(requests))
        return [Plan(self._chunk(request), self._left(request.index), ahead=self._ahead) for request in requests]


def steady(length: int = 3, ahead: float = 0) -> Scripted:
    return Scripted(lambda _: np.repeat(RIGHT[None], length, 0), ahead=ahead)


class Kept:
    """A sink in memory."""

    def __init__(self) -> None:
        self.observations: list[Observation] = []
        self.sent: list[Vector] = []
        self.timings: list[StepTiming] = []
        self.imagined: list[tuple[int, Imagination]] = []
        self.outcome: Outcome | None = None
        self.abandoned = False

    def begin(self, first: Observation) -> None:
        self.observations.append(first)

    def append(self, requested: Vector, sent: Vector, observation: Observation, timing: StepTiming) -> None:
        self.sent.append(sent)
        self.timings.append(timing)
        self.observations.append(observation)

    def imagine(self, step: int, imagination: Imagination) -> None:
        self.imagined.append((step, imagination))

    def finish(self, outcome: Outcome) -> None:
        assert self.outcome is None
        self.outcome = outcome

    def abandon(self) -> None:
        self.abandoned = True


def job(trial: Trial, sink: object, seed: int | None = None) -> Job:
    return Job(
        trial.goal, trial.index if seed is None else seed, lambda robot: begin(robot, trial.start), lambda _: sink
    )  # type: ignore[arg-type, return-value]


def begin(robot: Robot, start: State) -> None:
    assert isinstance(robot, SimRobot)
    robot.begin(start)


def roll(robot: SimRobot, trial: Trial, policy: Scripted, limit: int = 7, **settings: object) -> tuple[Kept, Outcome]:
    sink = Kept()
    done = list(roll_out([robot], [job(trial, sink)], policy, RolloutSettings(limit=limit, **settings)))  # type: ignore[arg-type]
    assert [index for index, _ in done] == [0]
    return sink, done[0][1]


def recorder(path: Path, trial: Trial, robot: SimRobot) -> Recorder:
    return Recorder(path, robot.spec, trial.goal, Provenance(robot.spec.name, "scripted", seed=trial.seed))


class Failing(SimRobot):
    """Fails in its third action."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(size=16)
        self._error, self._acted = error, 0

    def act(self, action: Vector) -> Vector:
        self._acted += 1
        if self._acted == 3:
            raise self._error
        return super().act(action)


def resting(robot: SimRobot, monkeypatch: pytest.MonkeyPatch, error: Exception | None = None) -> list[str]:
    rests: list[str] = []

    def rest() -> None:
        rests.append("rest")
        if error is not None:
            raise error

    monkeypatch.setattr(robot, "rest", rest)
    return rests
