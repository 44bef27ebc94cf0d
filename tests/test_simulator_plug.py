import numpy as np
import pytest
from scene_contract import SceneContract, connected, drive_home

from a2g_cli.core.errors import UnknownNameError, UsageError
from a2g_cli.core.types import State
from a2g_cli.simulator.scenes.plug import HOLE, PIN_RADIUS, SOCKET_RANGE, Plug
from a2g_cli.simulator.shifts import Shift

REST_TOOL = [-0.16, 0.0, 0.16, 1.0]
GOAL: State = {"peg": [0.03, -0.05, 0.040, 1, 0, 0, 0], "socket": [0.03, -0.05], "tool": REST_TOOL}


def state(peg: tuple[float, float, float], tool: list[float] = REST_TOOL) -> State:
    return {"peg": [*peg, 1.0, 0.0, 0.0, 0.0], "socket": [0.03, -0.05], "tool": tool}


class TestPlug(SceneContract):
    scene = "plug"


@pytest.mark.parametrize(
    ("now", "plugged"),
    [
        (state((0.03, -0.05, 0.040)), True),
        (state((0.034, -0.053, 0.042)), True),  # leaning on a wall
        (state((0.03, -0.05, 0.040), [0.03, -0.05, 0.040, 1.0]), True),  # let go of, not yet gone
        (state((0.03, -0.05, 0.040), [0.03, -0.05, 0.040, 0.45]), False),  # still held
        (state((0.03, -0.05, 0.062)), False),  # standing on the socket's edge
        (state((0.03, -0.05, 0.047)), False),  # half way in
        (state((0.06, -0.05, 0.040)), False),  # beside it
        (state((0.037, -0.05, 0.040)), False),  # 7 mm off
    ],
)
def test_success_on_hand_made_states(now: State, plugged: bool) -> None:
    assert Plug(Shift()).reached(now, GOAL) is plugged


def test_the_clearance_is_the_paper_s() -> None:
    assert (2 * PIN_RADIUS, 2 * HOLE) == (0.010, 0.015)


@pytest.mark.parametrize(("offset", "fits"), [(0.003, True), (0.016, False)])
def test_the_hole_lets_the_pin_in_and_the_walls_do_not(offset: float, fits: bool) -> None:
    robot = connected("plug")
    x, y = 0.03 + offset, -0.05
    robot.begin({"peg": [x, y, 0.075, 1, 0, 0, 0], "socket": [0.03, -0.05], "tool": [x, y, 0.075, 0.45]})
    for _ in range(12):
        robot.act(np.array([0.0, 0.0, -0.008, 0.0], dtype=np.float32))
    assert (abs(robot.state()["peg"][2] - 0.040) < 0.004) is fits


def test_draws_stay_within_their_limits_and_the_peg_is_in_the_hand() -> None:
    random = np.random.default_rng(0)
    scene = Plug(Shift())
    for _ in range(200):
        start, goal = scene.draw(random)
        assert np.all(np.abs(goal["socket"]) <= SOCKET_RANGE)
        assert start["peg"][:3] == start["tool"][:3]
        assert scene.is_held(start)


def test_a_goal_that_a_person_describes() -> None:
    scene = Plug(Shift())
    assert scene.goal_state({"socket": [0.03, -0.05]}) == {**GOAL, "peg": [0.03, -0.05, 0.040, 1.0, 0.0, 0.0, 0.0]}
    for values, message in (
        ({"socket": [0.03]}, "not 1 numbers"),
        ({"socket": [0.3, 0.0]}, "x = 0.3 m is out"),
        ({}, "X,Y"),
    ):
        with pytest.raises(UsageError, match=message):
            scene.goal_state(values)
    with pytest.raises(UnknownNameError, match="socket"):
        scene.goal_state({"sock": [0.0, 0.0]})


def test_the_drive_home_takes_the_peg_out_of_the_socket_and_leaves_one_that_has_fallen() -> None:
    robot = connected("plug")
    robot.begin(GOAL)
    drive_home(robot)
    assert robot.task.is_held(robot.state())
    np.testing.assert_allclose(robot.state()["peg"][:3], REST_TOOL[:3], atol=0.01)
    robot.begin({**GOAL, "tool": [0.03, -0.05, 0.040, 0.45]})
    action, _ = robot.action_to_rest_pose(None)  # type: ignore[arg-type]
    assert (action[0], action[1]) == pytest.approx((0.0, 0.0), abs=1e-6), "in the socket it is pulled straight up"
    assert action[2] > 0
    fallen = [0.0, 0.08, 0.018, 0.7071, 0.7071, 0.0, 0.0]
    robot.begin({**GOAL, "peg": fallen})
    drive_home(robot)
    assert robot.out_of_reach() == ["peg"]
    assert robot.next_goal(0, 0) is None
    np.testing.assert_allclose(robot.state()["peg"][:2], fallen[:2], atol=0.03)
