import numpy as np
import pytest

from a2g_cli.core.errors import UnknownNameError, UsageError
from a2g_cli.core.plugins import known
from a2g_cli.robots.sim import SimRobot
from a2g_cli.simulator.shifts import OLD_NAMES, Shift, current_name, parse_shift


def test_names_and_strengths() -> None:
    assert parse_shift("none") == parse_shift("lighting:0") == Shift()
    assert parse_shift("lighting") == parse_shift("lighting:1.0")
    assert str(parse_shift("camera-bump:0.5")) == "camera-bump:0.5"
    assert str(parse_shift("none")) == "none"
    for name in known("shift"):
        assert parse_shift(str(parse_shift(f"{name}:0.7"))) == parse_shift(f"{name}:0.7")


def test_names_in_files_of_version_0_1_are_understood() -> None:
    for old, new in OLD_NAMES.items():
        assert parse_shift(f"{old}:0.5") == parse_shift(f"{new}:0.5")
        assert str(parse_shift(f"{old}:0.5")) == f"{new}:0.5"
    assert current_name("none") == "none"


def test_what_is_no_shift_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="did you mean lighting"):
        parse_shift("lightning")
    for text in ("lighting:", "lighting:strong", "lighting:-1", "lighting:nan", "lighting:9"):
        with pytest.raises(UsageError, match="strength"):
            parse_shift(text)


@pytest.mark.parametrize("name", known("shift"))
def test_effects_vanish_as_the_strength_does(name: str) -> None:
    tiny, none = parse_shift(f"{name}:1e-6"), Shift()
    for field in ("camera_slide", "camera_roll", "mount_yaw", "light_swing", "light_scale", "motor_gain"):
        assert getattr(tiny, field) == pytest.approx(getattr(none, field), abs=1e-5)
    assert tiny.light_colour == pytest.approx(none.light_colour, abs=1e-5)
    assert tiny.motor_pull == pytest.approx(none.motor_pull, abs=1e-5)
    assert tiny.novelty == pytest.approx(none.novelty, abs=1e-5)
    assert tiny.mat_colour == pytest.approx(none.mat_colour, abs=1e-5)


@pytest.mark.parametrize("name", known("shift"))
def test_a_shift_leaves_the_states_of_trials_alone_and_changes_what_it_says(name: str) -> None:
    plain, shifted = SimRobot(), SimRobot(shift=name)
    plain.connect()
    shifted.connect()
    for index in range(3):
        one, other = (robot.trial("evaluation", 0, index) for robot in (plain, shifted))
        assert one.start == other.start
        assert one.goal.truth == other.goal.truth
        assert one.goal.name == other.goal.name
        looks_alike = one.goal.fingerprint == other.goal.fingerprint
        assert looks_alike == (name == "actuator-gain")
        # A state means the same under every shift, also for a thing of another height or an arm elsewhere.
        shifted.begin(other.start)
        for key, values in other.start.items():
            np.testing.assert_allclose(shifted.state()[key], values, atol=1e-6)
    plain.close()
    shifted.close()


def test_the_same_action_moves_an_arm_with_another_base_pose_the_same_way_in_its_own_frame() -> None:
    moves = []
    for shift in ("none", "base-pose"):
        robot = SimRobot(shift=shift, cameras=())
        robot.connect()
        before = robot.observe().proprioception
        before_on_table = np.array(robot.state()["tool"])
        robot.act(np.array([0.03, 0.0, 0.0, 1.0], dtype=np.float32))
        moves.append((robot.observe().proprioception - before, np.array(robot.state()["tool"]) - before_on_table))
    np.testing.assert_allclose(moves[0][0], moves[1][0], atol=0.002)
    turned = np.degrees(np.arctan2(moves[1][1][1], moves[1][1][0]))
    assert turned == pytest.approx(np.degrees(parse_shift("base-pose").mount_yaw), abs=3)


def test_weak_motors_go_less_far_and_are_pulled() -> None:
    robot = SimRobot(shift="actuator-gain", cameras=())
    shift = parse_shift("actuator-gain")
    assert 0.4 < shift.motor_gain < 0.8
    assert max(shift.motor_pull) > 0.001
    robot.connect()
    before = robot.observe().proprioception
    robot.act(np.array([0.02, 0.0, 0.02, 1.0], dtype=np.float32))
    moved = robot.observe().proprioception - before
    expected = shift.motor_gain * np.array([0.02, 0.0, 0.02]) + shift.motor_pull
    np.testing.assert_allclose(moved[:3], expected, atol=0.002)
