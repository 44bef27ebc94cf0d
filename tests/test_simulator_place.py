import math

import numpy as np
import pytest

from a2g_cli.episode import State
from a2g_cli.robots.sim import SimRobot
from a2g_cli.simulator.scenes.place import BLOCK_RANGE, MAX_YAW, MIN_TRAVEL, Place, block_pose, is_placed
from a2g_cli.simulator.shifts import Shift

GOAL: State = {"block": block_pose(np.array([0.05, -0.03]), 0.05), "tool": [-0.16, 0.0, 0.16, 1.0]}


def state(block: tuple[float, float, float], tool: tuple[float, float, float], opening: float) -> State:
    return {"block": [*block, 1.0, 0.0, 0.0, 0.0], "tool": [*tool, opening]}


@pytest.mark.parametrize(
    ("now", "placed"),
    [
        (state((0.05, -0.03, 0.024), (-0.16, 0.0, 0.16), 1.0), True),
        (state((0.05, -0.03, 0.024), (0.05, -0.03, 0.024), 1.0), True),  # let go of, not yet gone
        (state((0.05, -0.03, 0.024), (0.05, -0.03, 0.024), 0.6), False),  # still held
        (state((0.05, -0.03, 0.024), (0.05, -0.03, 0.09), 0.0), True),  # closed, but away
        (state((0.07, -0.03, 0.024), (-0.16, 0.0, 0.16), 1.0), True),  # 2 cm off
        (state((0.08, -0.03, 0.024), (-0.16, 0.0, 0.16), 1.0), False),  # 3 cm off
        (state((0.068, -0.048, 0.024), (-0.16, 0.0, 0.16), 1.0), False),  # 2.55 cm off, diagonally
        (state((0.05, -0.03, 0.07), (-0.16, 0.0, 0.16), 1.0), False),  # in the air
        (state((0.05, -0.03, -0.3), (-0.16, 0.0, 0.16), 1.0), False),  # fallen off
    ],
)
def test_success_on_hand_made_states(now: State, placed: bool) -> None:
    assert is_placed(now, GOAL) is placed


def test_draws_stay_within_their_limits() -> None:
    random = np.random.default_rng(0)
    for _ in range(300):
        start, goal = Place(Shift()).draw(random)
        assert math.dist(start["block"][:2], goal["block"][:2]) >= MIN_TRAVEL
        for drawn in (start, goal):
            assert np.all(np.abs(drawn["block"][:2]) <= BLOCK_RANGE)
            assert abs(2 * math.atan2(drawn["block"][6], drawn["block"][3])) <= MAX_YAW + 1e-9
            assert not is_placed(start, goal)


def test_every_block_is_wholly_in_the_picture() -> None:
    robot = SimRobot()
    robot.connect()
    for x in (-BLOCK_RANGE[0], BLOCK_RANGE[0]):
        for y in (-BLOCK_RANGE[1], BLOCK_RANGE[1]):
            image = robot.photograph({**GOAL, "block": block_pose(np.array([x, y]), MAX_YAW)})["front"].astype(int)
            red = (image[..., 0] > 90) & (image[..., 1] < 70) & (image[..., 2] < 70)
            assert 40 < red.sum() < 160
            assert not red[0].any()
            assert not red[-1].any()
            assert not red[:, 0].any()
            assert not red[:, -1].any()
    robot.close()


@pytest.mark.parametrize("policy", ["still", "random"])
def test_doing_nothing_or_anything_does_not_succeed(policy: str) -> None:
    robot = SimRobot()
    robot.connect()
    random = np.random.default_rng(0)
    for index in range(20):
        trial = robot.trial("evaluation", 1, index)
        robot.begin(trial.start)
        for _ in range(40):
            action = random.uniform(robot.spec.action_low, robot.spec.action_high)
            if policy == "still":
                action = np.array([0.0, 0.0, 0.0, 1.0])
            robot.act(action.astype(np.float32))
            assert not robot.succeeded(trial.goal)
    robot.close()
