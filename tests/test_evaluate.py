from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_examples import spec

from a2g_cli.core.errors import UsageError
from a2g_cli.policies.base import Plan, PlanRequest, Policy
from a2g_cli.policies.baselines import RandomPolicy, StillPolicy
from a2g_cli.robots.base import Robot, Trial
from a2g_cli.robots.sim import SimRobot
from a2g_cli.runtime.evaluation import Result, draw_trials, evaluate, jobs_for, wilson
from a2g_cli.runtime.sink import NullSink
from a2g_cli.runtime.termination import RolloutSettings


@contextmanager
def lanes(count: int, shift: str = "none", size: int = 16) -> Iterator[list[SimRobot]]:
    robots = [SimRobot(size=size, shift=shift) for _ in range(count)]
    try:
        for robot in robots:
            robot.connect()
        yield robots
    finally:
        for robot in robots:
            robot.close()


# -- intervals ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (5, 10, 0.2366, 0.7634),
        # Newcombe 1998, table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (0, 0, 0.0, 1.0),
    ],
)
def test_known_intervals(successes: int, n: int, low: float, high: float) -> None:
    assert wilson(successes, n) == pytest.approx((low, high), abs=6e-5)


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.5, 4))
def test_the_bounds_are_where_the_rate_is_just_z_standard_errors_away(counts: tuple[int, int], z: float) -> None:
    successes, n = counts
    low, high = wilson(successes, n, z)
    rate = successes / n
    assert 0 <= low <= rate + 1e-12
    assert rate - 1e-12 <= high <= 1
    for bound in (low, high):
        assert (rate - bound) ** 2 == pytest.approx(z * z * bound * (1 - bound) / n, abs=1e-9)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_failures_mirror_successes(counts: tuple[int, int]) -> None:
    successes, n = counts
    low, high = wilson(successes, n)
    assert wilson(n - successes, n) == pytest.approx((1 - high, 1 - low))


def test_more_trials_tell_more() -> None:
    widths = [high - low for low, high in (wilson(n // 2, n) for n in (2, 10, 100, 1000))]
    assert widths == sorted(widths, reverse=True)


def test_a_result_is_the_documented_object() -> None:
    assert Result("base", 10, 10, 1.23456).to_json() == {
        "adapter": "base",
        "n": 10,
        "successes": 10,
        "rate": 1.0,
        "interval": [0.7225, 1.0],
        "seconds": 1.23,
        "judge": "truth",
    }
    assert Result("base", 0, 0, 0.0).to_json()["interval"] == [0.0, 1.0]


# -- trials ---------------------------------------------------------------------------------------------------------------


def states(trials: Sequence[Trial]) -> list[object]:
    return [(trial.start, trial.goal.truth, trial.goal.name) for trial in trials]


def test_the_same_seed_gives_the_same_starts_and_goals_under_every_shift() -> None:
    with lanes(1) as (robot,):
        plain = draw_trials(robot, "evaluation", 7, 6)
        assert states(draw_trials(robot, "evaluation", 7, 6)) == states(plain)
    for shift in ("camera-bump", "base-pose", "new-object", "lighting", "actuator-gain"):
        with lanes(1, shift) as (robot,):
            assert states(draw_trials(robot, "evaluation", 7, 6)) == states(plain)


def test_streams_of_different_purposes_and_seeds_never_meet() -> None:
    with lanes(1) as (robot,):
        drawn = [
            states(draw_trials(robot, purpose, seed, 8))  # type: ignore[arg-type]
            for purpose in ("practice", "evaluation", "demonstration")
            for seed in (0, 1)
        ]
    starts = [str(start) for trials in drawn for start, _, _ in trials]  # type: ignore[misc]
    assert len(set(starts)) == len(starts)


def test_trials_can_be_drawn_in_pieces() -> None:
    with lanes(1) as (robot,):
        whole = draw_trials(robot, "practice", 3, 6)
        pieces = draw_trials(robot, "practice", 3, 2) + draw_trials(robot, "practice", 3, 4, first=2)
    assert states(pieces) == states(whole)
    assert [trial.index for trial in whole] == list(range(6))


class Blind:
    """A robot that knows no truth."""

    spec = spec()


def test_a_robot_without_truth_cannot_be_evaluated() -> None:
    with pytest.raises(UsageError, match="has no ground truth"):
        draw_trials(Blind(), "evaluation", 0, 1)  # type: ignore[arg-type]


# -- evaluation -----------------------------------------------------------------------------------------------------------


class Listening(Policy):
    """Stands still, and keeps where each episode began, what was wanted and the seed."""

    name = "listening"

    def __init__(self) -> None:
        self.began: dict[int, tuple[bytes, str]] = {}

    def plan(self, requests: Sequence[PlanRequest]) -> list[Plan]:
        for request in requests:
            if request.index == 0:
                seen = request.observation.proprioception.tobytes()
                assert request.seed not in self.began
                self.began[request.seed] = (seen, request.goal.name)
        return [Plan(np.array([[0, 0, 0, 1]], np.float32), 1.0) for _ in requests]


def test_every_policy_meets_the_same_trials_however_many_lanes_there_are() -> None:
    met = []
    for count in (1, 4):
        with lanes(count) as robots:
            policy = Listening()
            evaluate("x", policy, robots, draw_trials(robots[0], "evaluation", 5, 6), RolloutSettings(limit=2))
            met.append(policy.began)
    assert met[0] == met[1]
    assert len(met[0]) == 6


def test_successes_are_counted_and_told_as_they_come() -> None:
    with lanes(3) as robots:
        trials = draw_trials(robots[0], "evaluation", 5, 6)
        # Half of them begin solved: standing still is enough.
        trials = [replace(t, start=t.goal.truth) if i % 2 else t for i, t in enumerate(trials) if t.goal.truth]
        told: list[tuple[int, int]] = []
        settings = RolloutSettings(limit=6, stop_on_truth=True)
        result = evaluate("half", Listening(), robots, trials, settings, lambda *done: told.append(done))
    assert (result.adapter, result.n, result.successes, result.rate) == ("half", 6, 3, 0.5)
    assert [done for done, _ in told] == [1, 2, 3, 4, 5, 6]
    assert told[-1] == (6, 3)
    assert result.seconds > 0


def test_half_an_evaluation_is_none() -> None:
    told: list[tuple[int, int]] = []

    def interrupted() -> bool:
        return len(told) >= 2

    with lanes(1) as robots:
        trials = draw_trials(robots[0], "evaluation", 5, 6)
        with pytest.raises(KeyboardInterrupt):
            evaluate(
                "x",
                Listening(),
                robots,
                trials,
                RolloutSettings(limit=2),
                lambda *done: told.append(done),
                interrupted,
            )
    assert len(told) < 6


@pytest.mark.parametrize("floor", [RandomPolicy, StillPolicy])
def test_doing_nothing_and_doing_anything_never_place_a_block(floor: type[RandomPolicy | StillPolicy]) -> None:
    with lanes(4) as robots:
        trials = draw_trials(robots[0], "evaluation", 7, 8)
        settings = RolloutSettings(stop_on_truth=True, limit=80)
        result = evaluate("floor", floor(robots[0].spec), robots, trials, settings)
    assert (result.n, result.successes) == (8, 0)


def test_episodes_of_one_stream_have_seeds_of_their_own() -> None:
    def sink(_trial: Trial, _robot: Robot) -> NullSink:
        return NullSink()

    with lanes(1) as (robot,):
        trials = [trial for seed in (0, 1, 2) for trial in draw_trials(robot, "practice", seed, 5)]
    assert len({job.seed for job in jobs_for(trials, sink)}) == len(trials)
