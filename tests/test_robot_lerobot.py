"""``lerobot:TYPE`` on LeRobot's own classes: a plugin of a third party's, and the SO-101 on software servos."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from feetech_servos import GOAL, MAX, PRESENT, TORQUE, Servos, servos
from lerobot_examples import JOINTS, calibration, lerobot, plugin
from robot_contract import RobotContract

from a2g_cli.core.errors import HardwareError, UnknownNameError, UsageError
from a2g_cli.core.plugins import load
from a2g_cli.core.types import Vector
from a2g_cli.robots.lerobot import LeRobotRobot

LIMITS = {"low": {"lift.pos": -10.0, "base.vel": -0.5}, "high": {"lift.pos": 10.0, "base.vel": 0.5}}


@pytest.fixture(scope="module", autouse=True)
def plugged_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    lerobot()
    folder = plugin(tmp_path_factory.mktemp("site"))
    sys.path.insert(0, str(folder))
    yield
    sys.path.remove(str(folder))


@pytest.fixture
def calibrated(tmp_path: Path) -> Path:
    return calibration(tmp_path / "calibration")


def bench(folder: Path, **settings: object) -> LeRobotRobot:
    config = {"calibration_dir": str(folder), **settings}
    return LeRobotRobot("bench_arm", config, size=(32, 32), units={"lift.pos": "cm"}, **LIMITS)


class TestAPlugin(RobotContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def make_robot(self) -> LeRobotRobot:
        return bench(self.folder)


class TestAnSO101(RobotContract):
    """LeRobot's own class, its Feetech bus and Feetech's SDK; only the servos are software."""

    @pytest.fixture(autouse=True)
    def _bench(self, calibrated: Path) -> Iterator[None]:
        with servos() as plugged:
            self.servos, self.calibrated = plugged, calibrated
            yield

    def make_robot(self) -> LeRobotRobot:
        return LeRobotRobot("so101_follower", so101(self.servos, self.calibrated), rate=50.0)

    def gentle_action(self, robot: LeRobotRobot) -> Vector:  # type: ignore[override]
        return np.array([1.0, -1.0, 2.0, 0.0, 0.0, 55.0], np.float32)

    def test_the_spec_is_consistent(self) -> None:
        # A bare arm has no cameras: a2g's are put beside it (test_robot_with_cameras.py).
        spec = self.make_robot().spec
        assert spec.action_names == spec.proprioception_names == tuple(f"{name}.pos" for name in JOINTS)
        assert spec.action_units == ("deg",) * 5 + ("%",)
        assert spec.action_high[:5] == pytest.approx([2048 / 2 * 360 / 4095] * 5)  # the calibration file's 1024 to 3072
        assert (spec.action_low[5], spec.action_high[5]) == (0.0, 100.0)
        assert not spec.cameras

    def test_it_goes_where_it_is_sent_and_stays_where_it_rests(self) -> None:
        robot = self.make_robot()
        robot.connect()
        try:
            wanted = np.array([20.0, -20.0, 0.0, 10.0, 0.0, 80.0], np.float32)
            for _ in range(40):
                robot.act(wanted)
                robot.clock.sleep_until(robot.clock.now() + 0.02)
            np.testing.assert_allclose(robot.observe().proprioception, wanted, atol=0.2)
            robot.act(np.zeros(6, np.float32))
            robot.rest()
            robot.clock.sleep_until(robot.clock.now() + 0.3)
            at = robot.observe().proprioception
            assert np.abs(at[[0, 1, 5]]).min() > 1.0  # it did not go on to where it was sent
            robot.clock.sleep_until(robot.clock.now() + 0.1)
            np.testing.assert_allclose(robot.observe().proprioception, at, atol=0.1)
        finally:
            robot.close()
        assert not any(servo.memory[TORQUE] for servo in self.servos.servos.values())

    def test_nothing_is_sent_before_the_first_action(self) -> None:
        before = [servo.get(GOAL) for servo in self.servos.servos.values()]
        robot = self.make_robot()
        robot.connect()
        robot.observe()
        robot.reset()
        robot.rest()
        robot.close()
        assert [servo.get(GOAL) for servo in self.servos.servos.values()] == before

    def test_a_cable_that_is_pulled_is_one_line(self) -> None:
        robot = self.make_robot()
        robot.connect()
        self.servos.silent = True
        with pytest.raises(HardwareError, match="cannot be observed"):
            robot.observe()
        self.servos.silent = False
        robot.close()

    def test_motors_with_another_calibration_are_refused_and_let_go(self) -> None:
        self.servos.servos[3].put(MAX, 3000)
        robot = self.make_robot()
        with pytest.raises(HardwareError, match=r"lerobot-calibrate --robot\.type=so101_follower"):
            robot.connect()
        self.servos.servos[3].put(MAX, 3072)
        self.make_robot().connect()  # the port is free again

    def test_home_is_reached_in_small_steps(self) -> None:
        home = {f"{name}.pos": 5.0 for name in JOINTS}
        robot = LeRobotRobot("so101_follower", so101(self.servos, self.calibrated), rate=50.0, home=home)
        robot.connect()
        self.servos.servos[1].put(PRESENT, 2400)
        ways, left = [], 1.0
        while left and len(ways) < 200:
            action, left = robot.action_to_rest_pose(robot.observe())
            ways.append(robot.act(action))
            robot.clock.sleep_until(robot.clock.now() + 0.02)
        steps = np.abs(np.diff(ways, axis=0)) / np.subtract(robot.spec.action_high, robot.spec.action_low)
        assert steps.max() <= 0.0101
        robot.clock.sleep_until(robot.clock.now() + 0.1)
        np.testing.assert_allclose(robot.observe().proprioception, 5.0, atol=0.3)
        robot.close()

    def test_an_arm_without_a_chosen_home_promises_none(self) -> None:
        assert not hasattr(self.make_robot(), "action_to_rest_pose")


def so101(plugged: Servos, folder: Path, **more: object) -> dict[str, object]:
    return {"port": plugged.port, "id": "bench", "calibration_dir": str(folder), **more}


def test_an_arm_that_was_never_calibrated_is_refused(tmp_path: Path) -> None:
    with servos() as plugged, pytest.raises(HardwareError, match=r"no calibration at .*bench\.json"):
        LeRobotRobot("so101_follower", so101(plugged, tmp_path))


def test_the_relative_limit_of_lerobot_is_what_was_sent(tmp_path: Path) -> None:
    robot = bench(tmp_path, max_relative_target=2.0)
    robot.connect()
    np.testing.assert_array_equal(robot.act(np.array([9.0, 0.1], np.float32)), np.array([2.0, 0.1], np.float32))
    robot.close()


def test_speeds_end_at_rest(tmp_path: Path) -> None:
    robot = bench(tmp_path)
    robot.connect()
    robot.act(np.array([3.0, 0.5], np.float32))
    robot.rest()
    np.testing.assert_array_equal(robot.observe().proprioception, [3.0, 0.0])


def test_an_image_carries_the_time_at_which_lerobot_took_it(tmp_path: Path) -> None:
    robot = bench(tmp_path)
    robot.connect()
    seen = robot.observe()
    assert seen.images["front"].shape == (32, 32, 3)
    assert 0.02 <= seen.time - seen.captured_at["front"] < 1.0


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"type": "so101_folower"}, UnknownNameError, "so101_follower"),
        ({"type": "bench_arm", "config": {"spede": 1}}, UsageError, "spede"),
        ({"type": "bench_arm", "config": {"height": "tall"}}, UsageError, "height"),
        ({"type": "bench_arm", "low": {"lift.pos": 0.0}}, UsageError, "lift.pos, base.vel"),
        ({"type": "bench_arm", "low": {"lift.pso": 0.0}}, UnknownNameError, "lift.pos"),
        ({"type": "bench_arm", **LIMITS, "low": {"lift.pos": 20.0, "base.vel": 0.0}}, UsageError, "20 to 10"),
        ({"type": "bench_arm", **LIMITS, "home": {"lift.pos": 0.0}}, UsageError, "base.vel"),
        ({"type": "bench_arm", **LIMITS, "home": {"lift.pos": 99.0, "base.vel": 0.0}}, UsageError, "-10 to 10"),
        ({"type": "bench_arm", **LIMITS, "rate": 0.0}, UsageError, "rate"),
    ],
)
def test_what_does_not_fit_is_said_in_a_line(
    settings: dict[str, object], error: type[Exception], words: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=words):
        LeRobotRobot(**{"config": {"calibration_dir": str(tmp_path)}} | settings)  # type: ignore[arg-type]


def test_a_lerobot_that_is_there_in_part_is_not_said_to_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lerobot.robots.config", None)
    with pytest.raises(
        HardwareError,
        match=r"is installed, but cannot be imported: pip install 'a2g\[lerobot\]' \(.*lerobot\.robots\.config",
    ):
        LeRobotRobot("bench_arm", **LIMITS)


def test_a_dependency_that_lerobot_lacks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "draccus", None)
    with pytest.raises(HardwareError, match="LeRobot is installed, but its dependency draccus is missing"):
        LeRobotRobot("bench_arm", **LIMITS)


def test_the_driver_is_found_by_name() -> None:
    assert load("robot", "lerobot") is LeRobotRobot
