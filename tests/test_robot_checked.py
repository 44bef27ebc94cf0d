"""What a driver promises and does not keep is refused in one line that says what was expected."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from camera_contract import CameraContract
from driver_examples import SIZE, Arm, Camera, World
from robot_contract import InstrumentedRobotContract, RobotContract

from a2g_cli.cameras.base import Frame
from a2g_cli.cameras.checked import CheckedCamera
from a2g_cli.core.errors import HardwareError
from a2g_cli.core.types import Observation
from a2g_cli.robots.base import InstrumentedRobot, ResetFreeRobot, RestPoseRobot, limit_of, safety_of, shift_of
from a2g_cli.robots.checked import CheckedRobot
from a2g_cli.robots.sim import SimRobot

PIXELS = (SIZE, SIZE)


class TestASimulatorBehindIt(InstrumentedRobotContract):
    def make_robot(self) -> Any:
        return CheckedRobot(SimRobot(size=32), "robot 'sim'")


class TestSomebodyElsesBehindIt(RobotContract):
    def make_robot(self) -> Any:
        return CheckedRobot(World(), "robot 'faultysim'")


class Shy(Camera):
    """Works only while it is open."""

    def __init__(self) -> None:
        super().__init__()
        self._open = False

    def open(self) -> None:
        self._open = True

    def read(self, timeout: float) -> Frame:
        if not self._open:
            raise RuntimeError("not open")
        return super().read(timeout)

    def close(self) -> None:
        self._open = False


class TestACameraBehindIt(CameraContract):
    def make_camera(self) -> Any:
        return CheckedCamera(Shy(), "camera 'front'")


def test_it_can_do_what_the_driver_can_and_no_more() -> None:
    sim, arm = SimRobot(), Arm()
    for robot in (sim, arm):
        checked = CheckedRobot(robot, "robot 'x'")
        for protocol in (InstrumentedRobot, ResetFreeRobot, RestPoseRobot):
            assert isinstance(checked, protocol) == isinstance(robot, protocol)
        assert limit_of(checked) == limit_of(robot)
        assert safety_of(checked) == safety_of(robot)
        assert shift_of(checked) == shift_of(robot)
        assert checked.spec == robot.spec
    arm.action_to_rest_pose = lambda _: (np.zeros(2, np.float32), 0.0)  # type: ignore[attr-defined]
    assert isinstance(CheckedRobot(arm, "robot 'x'"), RestPoseRobot)


@pytest.mark.parametrize(
    ("changed", "part"),
    [
        ({"rate": 0}, "spec.rate is 0; expected the control rate in Hz, a number greater than 0"),
        ({"rate": -5.0}, "spec.rate is -5.0"),
        ({"rate": float("nan")}, "spec.rate is nan"),
        ({"rate": float("inf")}, "spec.rate is inf"),
        ({"rate": "20"}, "spec.rate is '20'"),
        ({"action_units": ("rad",)}, "spec.action_units is ('rad',); expected one for each of action_names (a, b)"),
        (
            {"proprioception_units": ()},
            "spec.proprioception_units is (); expected one for each of proprioception_names",
        ),
        ({"action_low": (-1.0,)}, "spec.action_low is (-1.0,); expected a number for each of action_names (a, b)"),
        ({"action_high": (1.0, float("nan"))}, "spec.action_high is (1.0, nan); expected a number for each"),
        ({"action_low": (1.0, -1.0)}, "spec.action_low of a is 1 and its action_high 1; expected low < high"),
        ({"action_low": [-1.0, -1.0]}, "spec.action_low is a list; expected a tuple of numbers"),
        ({"action_high": np.ones(2)}, "spec.action_high is a numpy array; expected a tuple of numbers"),
        ({"action_names": ["a", "b"]}, "spec.action_names is a list; expected a tuple of names"),
        ({"action_names": ("a", "a")}, "spec.action_names is ('a', 'a'); expected names, each of them once"),
        ({"proprioception_names": "ab"}, "spec.proprioception_names is an object of type builtins.str"),
        ({"cameras": {"front": [32, 32]}}, "spec.cameras says [32, 32] for 'front'; expected a tuple of pixels"),
        ({"cameras": {"front": (32, 0)}}, "spec.cameras says (32, 0) for 'front'"),
        ({"cameras": ("front",)}, "spec.cameras is a tuple; expected a dictionary"),
        ({"depth": ("side",)}, "spec.depth names side; expected names of its cameras (front)"),
        ({"name": ""}, "spec.name is ''; expected text"),
    ],
    ids=str,
)
def test_a_spec_that_cannot_be_meant_is_refused_when_it_connects(changed: dict[str, Any], part: str) -> None:
    arm = Arm()
    arm.spec = replace(arm.spec, **changed)
    robot = CheckedRobot(arm, "robot 'mine'")
    for look in (robot.connect, lambda: robot.spec):
        with pytest.raises(HardwareError) as caught:
            look()
        assert str(caught.value).startswith(f"robot 'mine': {part}")
        assert "\n" not in str(caught.value)


def test_numbers_of_numpy_are_numbers() -> None:
    arm = Arm()
    low, high = (tuple(np.full(2, value, np.float32)) for value in (-1, 1))
    sizes = {"front": (np.int64(SIZE), np.int64(SIZE))}
    arm.spec = replace(arm.spec, rate=np.float32(20), action_low=low, action_high=high, cameras=sizes)
    spec = CheckedRobot(arm, "robot 'mine'").spec
    assert spec == Arm().spec
    assert {type(one) for one in (spec.rate, *spec.action_low, *spec.action_high)} == {float}


class Odd(Arm):
    """Sees, and returns from ``act`` and ``action_to_rest_pose``, what a test says."""

    def __init__(self, **odd: Any) -> None:
        super().__init__()
        self._odd = odd

    def observe(self) -> Any:
        seen = super().observe()
        odd = {name: value(seen) if callable(value) else value for name, value in self._odd.items()}
        return odd["all"] if "all" in odd else replace(seen, **odd)


def _image(change: Any) -> Any:
    return lambda seen: {"front": change(seen.images["front"])}


@pytest.mark.parametrize(
    ("odd", "part"),
    [
        ({"all": None}, "observe returned None; expected an Observation"),
        ({"all": {"front": 3}}, "observe returned a dict; expected an Observation"),
        ({"images": {}}, "observe returned images of no camera; expected one of each camera in spec.cameras (front)"),
        ({"images": None}, "observe returned images of None"),
        (
            {"images": {"front": None}},
            "camera 'front': the image is None; expected a numpy array of uint8, (32, 32, 3)",
        ),
        ({"images": _image(lambda one: one / 255)}, "camera 'front': the image is float64, (32, 32, 3)"),
        ({"images": _image(lambda one: one.transpose(2, 0, 1))}, "camera 'front': the image is uint8, (3, 32, 32)"),
        ({"images": _image(lambda one: np.dstack([one, one[..., :1]]))}, "the image is uint8, (32, 32, 4)"),
        ({"images": _image(lambda one: one[:16])}, "camera 'front': the image is uint8, (16, 32, 3)"),
        ({"images": _image(lambda one: one.tolist())}, "camera 'front': the image is a list"),
        (
            {"proprioception": [0.5, 0.5]},
            "observe returned proprioception as a list; expected a numpy array of float32, ",
        ),
        ({"proprioception": np.zeros(3, np.float32)}, "observe returned proprioception as float32, (3,)"),
        ({"proprioception": np.zeros((2, 1), np.float32)}, "observe returned proprioception as float32, (2, 1)"),
        ({"proprioception": np.array(["a", "b"])}, "observe returned proprioception as <U1, (2,)"),
        (
            {"captured_at": {}},
            "observe returned no captured_at of camera 'front'; expected seconds on the robot's clock",
        ),
        ({"captured_at": {"front": None}}, "observe returned the captured_at of camera 'front' as None"),
        (
            {"captured_at": lambda seen: {"front": seen.time * 1000}},
            "observe returned the captured_at of camera 'front' ",
        ),
        ({"captured_at": {"front": 1.8e9}}, "observe returned the captured_at of camera 'front' 1800000000.00, while"),
        ({"time": lambda seen: seen.time * 1000}, "observe returned the time "),
        ({"time": lambda seen: seen.time / 1000}, "observe returned the time "),
        ({"time": float("nan")}, "observe returned the time as nan; expected seconds"),
    ],
    ids=lambda value: "" if isinstance(value, dict) else value[:60],
)
def test_an_observation_that_is_none_is_refused(odd: dict[str, Any], part: str) -> None:
    robot = CheckedRobot(Odd(**odd), "robot 'mine'")
    robot.connect()
    with pytest.raises(HardwareError) as caught:
        robot.observe()
    assert f"robot 'mine': {part}" in str(caught.value) or part in str(caught.value)
    assert "; expected " in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", [np.float64, np.float16, np.int32])
def test_other_kinds_of_numbers_become_the_promised_one(kind: type) -> None:
    robot = CheckedRobot(Odd(proprioception=np.ones(2, kind)), "robot 'mine'")
    assert robot.observe().proprioception.dtype == np.float32
    assert robot.observe().proprioception.tolist() == [1.0, 1.0]


def test_a_frame_that_has_grown_old_is_for_the_guards() -> None:
    seen = CheckedRobot(Odd(captured_at=lambda now: {"front": now.time - 1e6}), "robot 'mine'").observe()
    assert isinstance(seen, Observation)
    nothing = np.full(2, np.nan, np.float32)
    assert np.isnan(CheckedRobot(Odd(proprioception=nothing), "robot 'mine'").observe().proprioception).all()


class Returns(Arm):
    def __init__(self, value: Any) -> None:
        super().__init__()
        self._value = value

    def act(self, action: Any) -> Any:
        action *= 0.5
        return self._value

    def action_to_rest_pose(self, _observation: Observation) -> Any:
        return self._value


@pytest.mark.parametrize("value", [None, 3, [1.0], [[1.0, 2.0]], "ab", [1.0, None], [1.0, float("nan")], {}], ids=repr)
def test_a_sent_action_that_is_none_is_refused(value: object) -> None:
    robot = CheckedRobot(Returns(value), "robot 'mine'")
    with pytest.raises(HardwareError, match=r"^robot 'mine': act returned .*; expected .*for each of a, b\.$"):
        robot.act(np.ones(2, np.float32))


@pytest.mark.parametrize("value", [[0.25, 1.0], (0.25, 1), np.array([0.25, 1.0]), np.array([0.25, 1], np.float32)])
def test_a_sent_action_is_an_array_of_its_own_and_what_was_asked_stays(value: Any) -> None:
    asked = np.ones(2, np.float32)
    sent = CheckedRobot(Returns(value), "robot 'mine'").act(asked)
    assert (sent.dtype, sent.tolist()) == (np.float32, [0.25, 1.0])
    assert sent is not value
    assert asked.tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    "value", [None, np.zeros(2), (np.zeros(2),), (np.zeros(3), 1.0), (np.zeros(2), None)], ids=repr
)
def test_a_way_home_that_is_none_is_refused(value: object) -> None:
    robot = CheckedRobot(Returns(value), "robot 'mine'")
    with pytest.raises(HardwareError, match=r"^robot 'mine': action_to_rest_pose returned .*; expected "):
        robot.action_to_rest_pose(Arm().observe())


class Sends(Camera):
    def __init__(self, frame: Any) -> None:
        super().__init__()
        self._frame = frame

    def read(self, timeout: float) -> Any:
        return self._frame(super().read(timeout))


@pytest.mark.parametrize(
    ("frame", "part"),
    [
        (lambda _: None, "read returned None; expected a Frame"),
        (lambda one: replace(one, image=one.image / 255), "the image is float64, (32, 32, 3)"),
        (lambda one: replace(one, image=one.image[..., 0]), "the image is uint8, (32, 32)"),
        (lambda one: replace(one, captured_at=one.captured_at * 1000), "read returned the captured_at "),
        (
            lambda one: replace(one, depth=one.image),
            "its depth is uint8, (32, 32, 3); expected a numpy array of uint16",
        ),
    ],
)
def test_a_frame_that_is_none_is_refused(frame: Any, part: str) -> None:
    with pytest.raises(HardwareError) as caught:
        CheckedCamera(Sends(frame), "camera 'front'").read(1.0)
    assert str(caught.value).startswith(f"camera 'front': {part}")
