import itertools

import numpy as np
import pytest

from a2g_cli.robots.sim import SimRobot
from a2g_cli.simulator.arm import joint_angles, tool_position
from a2g_cli.simulator.tabletop import TOOL_HIGH, TOOL_LOW, Tabletop

AWAY = {
    **{name: [0.6, y, 0.024, 1.0, 0.0, 0.0, 0.0] for name, y in (("block", 0.5), ("can", 0.6), ("brick", 0.7))},
    "plate": [0.0, 0.0],
}


@pytest.fixture(scope="module")
def robot() -> SimRobot:
    robot = SimRobot(cameras=())
    robot.connect()
    return robot


def test_forward_kinematics_inverts_inverse_kinematics_in_the_whole_workspace(robot: SimRobot) -> None:
    for tool in np.random.default_rng(0).uniform(TOOL_LOW, TOOL_HIGH, size=(200, 3)):
        point = robot.tabletop.to_base(tool)
        np.testing.assert_allclose(tool_position(joint_angles(point)), point, atol=1e-12)


def test_the_gripper_points_down_and_never_turns() -> None:
    for tool in np.random.default_rng(1).uniform([0.2, -0.17, 0.02], [0.5, 0.17, 0.24], size=(50, 3)):
        turn, lift, elbow, pitch, yaw = joint_angles(tool)
        assert abs(lift + elbow + pitch) < 1e-12
        assert abs(turn + yaw) < 1e-12


def test_out_of_reach_gives_the_nearest_point_in_that_direction() -> None:
    reached = tool_position(joint_angles(np.array([2.0, 1.0, 0.04])))
    assert np.isfinite(reached).all()
    assert reached[1] / reached[0] == pytest.approx(0.5)


def test_physics_agrees_with_the_equations(robot: SimRobot) -> None:
    """The MJCF arm and the analytic one are the same arm."""
    for tool in itertools.product((-0.15, 0.1), (-0.1, 0.15), (0.03, 0.2)):
        robot.begin({**AWAY, "tool": [*tool, 0.5]})
        state = robot.state()
        np.testing.assert_allclose(state["tool"], [*tool, 0.5], atol=1e-9)


def test_the_tool_arrives_within_three_millimetres_of_its_target(robot: SimRobot) -> None:
    random = np.random.default_rng(2)
    robot.begin({**AWAY, "tool": [0.0, 0.0, 0.1, 1.0]})
    for _ in range(200):
        before = np.array(robot.state()["tool"][:3])
        action = np.array([*random.choice([-0.03, 0.0, 0.03], 3), random.integers(2)], dtype=np.float32)
        robot.act(action)
        target = np.clip(before + action[:3], TOOL_LOW, TOOL_HIGH)
        assert np.abs(robot.state()["tool"][:3] - target).max() < 0.003


def test_a_still_arm_stays_where_it_is(robot: SimRobot) -> None:
    robot.begin({**AWAY, "tool": [0.0, 0.0, 0.1, 1.0]})
    for _ in range(40):
        robot.act(np.array([0.0, 0.0, 0.0, 1.0], dtype=np.float32))
    np.testing.assert_allclose(robot.state()["tool"][:3], [0.0, 0.0, 0.1], atol=1e-4)


def test_a_block_in_hand_stays_there_and_makes_the_arm_sink_by_a_tenth_of_a_millimetre_a_step(robot: SimRobot) -> None:
    robot.begin(
        {**robot.task.default_state(), "block": [0.0, 0.0, 0.1, 1.0, 0.0, 0.0, 0.0], "tool": [0.0, 0.0, 0.1, 0.6]}
    )
    for _ in range(40):
        robot.act(np.zeros(4, dtype=np.float32))
    state = robot.state()
    np.testing.assert_allclose(state["tool"][:3], [0.0, 0.0, 0.1], atol=0.005)
    np.testing.assert_allclose(state["block"][:3], state["tool"][:3], atol=0.004)


def test_frames_of_reference_are_inverse_of_each_other() -> None:
    robot = SimRobot(shift="base-pose", cameras=())
    robot.connect()
    table: Tabletop = robot.tabletop
    point = np.array([0.1, -0.05, 0.2])
    np.testing.assert_allclose(table.to_table(table.to_base(point)), point, atol=1e-12)
    # The arm was walked round the workspace's centre, so the centre stays straight ahead of it.
    np.testing.assert_allclose(table.to_base(np.zeros(3)), [0.4, 0.0, 0.0], atol=1e-12)
