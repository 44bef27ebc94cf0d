from collections.abc import Iterator

import numpy as np
import pytest

from a2g_cli.core.types import Observation
from a2g_cli.robots.base import Purpose
from a2g_cli.robots.sim import SimRobot

PURPOSES: tuple[Purpose, ...] = ("demonstration", "practice", "evaluation")


def make(**arguments: object) -> SimRobot:
    robot = SimRobot(**arguments)  # type: ignore[arg-type]
    robot.connect()
    return robot


@pytest.fixture
def robot() -> Iterator[SimRobot]:
    robot = make(disturbance=1.0)
    yield robot
    robot.close()


def play(robot: SimRobot, index: int, steps: int = 25) -> list[Observation]:
    """Push the block about, a different way for every index."""
    trial = robot.trial("practice", 0, index)
    robot.begin({**trial.start, "tool": [trial.start["block"][0] - 0.06, trial.start["block"][1], 0.03, 0.2]})
    random = np.random.default_rng(index)
    observations = [robot.observe()]
    for _ in range(steps):
        robot.act(np.array([0.02, *random.uniform(-0.01, 0.01, 2), random.random()], dtype=np.float32))
        observations.append(robot.observe())
    return observations


def assert_same(first: list[Observation], second: list[Observation]) -> None:
    for one, other in zip(first, second, strict=True):
        assert one.proprioception.tobytes() == other.proprioception.tobytes()
        assert one.images["front"].tobytes() == other.images["front"].tobytes()


def test_the_same_episode_gives_the_same_bytes_whatever_was_before(robot: SimRobot) -> None:
    first = play(robot, 0)
    assert not np.array_equal(first[-1].images["front"], first[0].images["front"])
    play(robot, 1)
    play(robot, 2)
    assert_same(first, play(robot, 0))


def test_another_robot_of_the_same_seed_gives_the_same_bytes(robot: SimRobot) -> None:
    other = make(disturbance=1.0)
    assert_same(play(robot, 3), play(other, 3))
    other.close()


def test_photographs_between_actions_change_nothing(robot: SimRobot) -> None:
    first = play(robot, 0)
    trial = robot.trial("practice", 0, 0)
    robot.begin({**trial.start, "tool": [trial.start["block"][0] - 0.06, trial.start["block"][1], 0.03, 0.2]})
    random = np.random.default_rng(0)
    second = [robot.observe()]
    for step in range(25):
        robot.trial("evaluation", 0, step)
        robot.act(np.array([0.02, *random.uniform(-0.01, 0.01, 2), random.random()], dtype=np.float32))
        second.append(robot.observe())
    assert_same(first, second)


def test_another_seed_disturbs_otherwise_and_starts_elsewhere(robot: SimRobot) -> None:
    other = make(disturbance=1.0, seed=1)
    assert not np.array_equal(play(robot, 0)[-1].proprioception, play(other, 0)[-1].proprioception)
    robot.reset()
    other.reset()
    assert robot.state() != other.state()
    other.close()


def test_resets_follow_the_seed() -> None:
    states = []
    for _ in range(2):
        robot = make(cameras=(), seed=5)
        robot.reset()
        first = robot.state()
        robot.reset()
        states.append((first, robot.state()))
    assert states[0] == states[1]
    assert states[0][0] != states[0][1]


def test_the_trials_of_different_purposes_never_meet() -> None:
    robot = make(cameras=())
    starts = [
        tuple(robot.trial(purpose, seed, index).start["block"])
        for purpose in PURPOSES
        for seed in range(3)
        for index in range(20)
    ]
    assert len(set(starts)) == len(starts)


def test_strength_zero_is_no_shift_bit_for_bit() -> None:
    plain, shifted = make(), make(shift="base-pose:0")
    assert_same(play(plain, 0), play(shifted, 0))
    plain.close()
    shifted.close()
