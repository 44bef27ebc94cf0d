from pathlib import Path
from typing import Any

import pytest

from a2g_cli.cli.commands.deployment import Deployment
from a2g_cli.core import plugins
from a2g_cli.core.errors import HardwareError, UsageError
from a2g_cli.core.workspace import Workspace
from a2g_cli.robots.base import InstrumentedRobot, RobotSpec
from a2g_cli.robots.sim import SimRobot


class Arm:
    """Hardware: it exists once, and knows no truth."""

    events: list[str] = []  # noqa: RUF012 - shared by intention
    spec = RobotSpec("arm", ("x",), ("m",), (0.0,), (1.0,), 10.0, (), (), {})

    def __init__(self, port: str = "/dev/arm", speed: float = 1.0, joints: int = 6) -> None:
        if joints < 1:
            raise ValueError(f"{joints} joints\nare no arm")
        self.port, self.speed, self.dashed = port.lower(), speed, port.split("/")
        self.events.append("made")

    def connect(self) -> None:
        self.events.append("connected")

    def close(self) -> None:
        self.events.append("closed")


class Needy(Arm):
    def __init__(self, address: str) -> None:
        super().__init__(address)


class Absent(Arm):
    def connect(self) -> None:
        raise HardwareError("nobody answers")


class Broken(Arm):
    def __init__(self, port: str = "/dev/arm") -> None:
        raise TypeError("a bug in the driver")


class World(SimRobot):
    """Instrumented, and without graphics."""

    made: list["World"] = []  # noqa: RUF012 - shared by intention

    def __init__(self, seed: int = 0) -> None:
        super().__init__(seed=seed)
        self.seed, self.events = seed, list[str]()
        self.made.append(self)

    def connect(self) -> None:
        self.events.append("connected")

    def close(self) -> None:
        self.events.append("closed")


DRIVERS = {"arm": Arm, "needy": Needy, "absent": Absent, "broken": Broken, "world": World, "sim": SimRobot}


@pytest.fixture(autouse=True)
def _drivers(monkeypatch: pytest.MonkeyPatch) -> None:
    load = plugins.load
    monkeypatch.setattr(plugins, "load", lambda kind, name: DRIVERS[name] if kind == "robot" else load(kind, name))
    Arm.events.clear()
    World.made.clear()


def configured(folder: Path, toml: str) -> Workspace:
    (folder / "a2g.toml").write_text(toml)
    return Workspace.find(folder)


# -- choosing -------------------------------------------------------------------------------------------------------------


def test_the_table_s_settings_are_those_of_the_driver_that_it_names(tmp_path: Path) -> None:
    workspace = configured(tmp_path, '[robot]\ndriver = "arm"\nport = "/dev/x"')
    assert Deployment.choose(workspace, None) == Deployment("arm", {"port": "/dev/x"})
    assert Deployment.choose(workspace, "arm") == Deployment("arm", {"port": "/dev/x"})
    assert Deployment.choose(workspace, "sim", shift="base-pose") == Deployment("sim", {"shift": "base-pose"})


def test_a_table_without_a_driver_is_the_simulator_s(tmp_path: Path) -> None:
    workspace = configured(tmp_path, "[robot]\nsize = 32")
    assert Deployment.choose(workspace, None, shift=None) == Deployment("sim", {"size": 32})
    assert Deployment.choose(workspace, None, size=16) == Deployment("sim", {"size": 16})
    assert Deployment.choose(workspace, "arm") == Deployment("arm", {})


@pytest.mark.parametrize("toml", ["robot = 3", "[robot]\ndriver = 3"])
def test_a_table_that_is_none_is_refused(tmp_path: Path, toml: str) -> None:
    with pytest.raises(UsageError, match=r"\[robot\]"):
        Deployment.choose(configured(tmp_path, toml), None)


# -- making ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("robot", "settings", "part"),
    [
        ("arm", {"port": 3}, "port = 3: expected text in quotes."),
        ("arm", {"joints": "six"}, "joints = 'six': expected a whole number."),
        ("arm", {"joints": 0}, "the setting joints = 0: 0 joints are no arm."),  # ValueError
        (
            "arm",
            {"speed": 2, "joints": "six"},
            "joints = 'six': expected a whole number.",
        ),  # speed = 2 is a number as good as 2.0
        ("arm", {"port": "/dev/y", "joints": -1}, "setting port = '/dev/y', joints = -1: -1 joints are no arm."),
        ("sim", {"size": "large"}, "size = 'large'"),
        ("sim", {"shift": 3}, "shift = 3"),
        ("arm", {"prot": "/dev/x"}, "has no setting prot; it has: port, speed, joints"),
        ("needy", {}, "needs address: set it under [robot] in a2g.toml"),
    ],
)
def test_settings_that_a_driver_cannot_use_are_one_line(robot: str, settings: dict[str, Any], part: str) -> None:
    with pytest.raises(UsageError) as caught:
        Deployment(robot, settings).make()
    message = str(caught.value)
    assert part in message
    assert f"robot {robot!r}" in message
    assert "\n" not in message


def test_a_defect_of_a_driver_is_not_taken_for_a_setting() -> None:
    with pytest.raises(HardwareError, match=r"'broken' failed in its constructor .*: TypeError: a bug") as caught:
        Deployment("broken").make()
    assert isinstance(caught.value.__cause__, TypeError)


# -- connecting -----------------------------------------------------------------------------------------------------------


def test_an_instrumented_robot_is_there_as_often_as_it_is_asked_for() -> None:
    assert isinstance(World(), InstrumentedRobot)
    World.made.clear()
    with Deployment("world").connected(lanes=3) as robots:
        assert len(robots) == len(World.made) == 3
        assert all(isinstance(robot, InstrumentedRobot) for robot in robots)
    assert [robot.events for robot in World.made] == [["connected", "closed"]] * 3


def test_hardware_exists_once() -> None:
    with Deployment("arm").connected(lanes=8) as robots:
        assert len(robots) == 1
    assert Arm.events == ["made", "connected", "closed"]


def test_a_robot_that_does_not_answer_is_noticed_before_another_is_made() -> None:
    with pytest.raises(HardwareError, match="nobody answers"), Deployment("absent").connected(lanes=8):
        pass
    assert Arm.events == ["made", "closed"]


def test_a_seed_goes_to_drivers_that_draw_unless_it_was_set() -> None:
    for settings, seed, expected in (({}, 7, 7), ({}, None, 0), ({"seed": 3}, 7, 3)):
        World.made.clear()
        with Deployment("world", dict(settings)).connected(2, seed):
            assert [robot.seed for robot in World.made] == [expected] * 2
    with Deployment("arm").connected(seed=7) as robots:
        assert len(robots) == 1
