"""A robot and the cameras put beside it are one robot."""

import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from bench_robot import GOAL, SPEC, BenchRobot
from camera_examples import FaultyCamera
from cli_examples import a2g, ask
from robot_contract import RobotContract, check_observation
from rollout_examples import Kept, Scripted

from a2g_cli.cameras.choice import CameraChoice
from a2g_cli.cameras.metadata import Framing
from a2g_cli.cameras.reader import CameraReader
from a2g_cli.cli.commands.live_capture import through_robot
from a2g_cli.core.clock import WallClock
from a2g_cli.core.errors import HardwareError, SafetyStop
from a2g_cli.core.safety_limits import SafetyLimits
from a2g_cli.robots.base import InstrumentedRobot, Robot
from a2g_cli.robots.sim import SimRobot
from a2g_cli.robots.with_cameras import OLDEST, WithCameras
from a2g_cli.runtime.rollout import Job, roll_out
from a2g_cli.runtime.termination import RolloutSettings


@pytest.fixture(scope="module")
def image_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a camera plays: four images of 40 x 30."""
    folder = tmp_path_factory.mktemp("images")
    for i in range(4):
        PIL.Image.fromarray(np.full((30, 40, 3), 50 * i, np.uint8)).save(folder / f"{i}.png")
    return folder


def beside(robot: Robot, folder: Path, name: str = "wrist") -> WithCameras:
    reader = CameraChoice.parse(f"{name}=images:{folder}").reader((20, 20), max_age=10.0, clock=robot.clock)
    return WithCameras(robot, {name: reader}, {name: (20, 20)})


class TestABareRobotWithACamera(RobotContract):
    @pytest.fixture(autouse=True)
    def _image_folder(self, image_folder: Path) -> None:
        self.folder = image_folder

    def make_robot(self) -> Robot:
        return beside(SimRobot(cameras=()), self.folder)


def test_its_own_cameras_stay(image_folder: Path) -> None:
    robot = beside(SimRobot(size=24), image_folder)
    assert robot.spec.cameras == {"front": (24, 24), "wrist": (20, 20)}
    assert robot.limit == SimRobot().limit  # type: ignore[attr-defined]
    assert not isinstance(robot, InstrumentedRobot)
    robot.connect()
    check_observation(robot, robot.observe())
    assert robot.views["wrist"].device.startswith("images:")
    robot.close()


def test_a_camera_takes_the_place_of_one_of_the_same_name(image_folder: Path) -> None:
    robot = beside(SimRobot(), image_folder, "front")
    assert robot.spec.cameras == {"front": (20, 20)}
    robot.connect()
    assert len(np.unique(robot.observe().images["front"])) == 1  # one of the plain images, no tabletop
    robot.close()


def test_a_robot_that_does_not_connect_leaves_no_camera_open(
    image_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = SimRobot(cameras=())
    reader = CameraChoice.parse(f"front=images:{image_folder}").reader(clock=bare.clock)

    def absent() -> None:
        raise HardwareError("unplugged")

    monkeypatch.setattr(bare, "connect", absent)
    with pytest.raises(HardwareError, match="unplugged"):
        WithCameras(bare, {"front": reader}, {"front": (30, 40)}).connect()
    with pytest.raises(HardwareError, match="not open"):
        reader.read(0.1)


def test_depth_comes_along_where_it_was_asked_for(image_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = SimRobot(cameras=())
    reader = CameraChoice.parse(f"front=images:{image_folder}").reader((20, 20), max_age=10.0, clock=bare.clock)
    robot = WithCameras(bare, {"front": reader}, {"front": (20, 20)}, depth=["front"])
    assert robot.spec.depth == ("front",)
    robot.connect()
    try:
        with pytest.raises(HardwareError, match="depth"):
            robot.observe()  # a folder of images measures none
        read = reader.read
        measured = np.full((20, 20), 700, np.uint16)
        monkeypatch.setattr(reader, "read", lambda timeout: replace(read(timeout), depth=measured))
        assert np.array_equal(robot.observe().depth["front"], measured)
    finally:
        robot.close()


def test_the_command_line_puts_them_together(image_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "a2g.toml").write_text(
        '[robot]\ndriver = "sim"\ncameras = []\n[cameras.front]\ndriver = "images"\n'
        f'path = "{image_folder}"\nsize = "64x64"\n'
    )
    assert ask(tmp_path, "capture-goal", "cup", "--force")["cameras"] == {"front": [64, 64]}
    run = a2g(tmp_path, "run", "cup", "--adapter", "base", "--steps", 3, "--json")
    # What the policy says of plain images, and which of them the last one is, is nobody's promise.
    assert run.exit_code in {0, 5}
    assert json.loads(run.stdout)["recordings"][0]["judge"] == "policy"
    shown = ask(tmp_path, "recordings", "show", "latest")["recordings"][0]
    assert shown["cameras"] == {"front": [64, 64]}
    # Another robot, asked for by name, brings its own world: the file's cameras are not put beside it.
    assert ask(tmp_path, "capture-goal", "drawn", "--robot", "sim:place", "--seed", 1)["source"] == "sim:place"


class OnTheBench(BenchRobot):
    """On the machine's own clock, with a camera that can stop."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = WallClock()  # type: ignore[assignment]
        self.spec = replace(SPEC, rate=50.0)


def on_the_bench() -> tuple[OnTheBench, FaultyCamera, CameraReader, WithCameras]:
    bare, camera = OnTheBench(), FaultyCamera()
    reader = CameraReader("wrist", camera, Framing(size=(20, 20)), clock=bare.clock)
    return bare, camera, reader, WithCameras(bare, {"wrist": reader}, {"wrist": (20, 20)})


def waits(_timeout: float) -> None:
    pytest.fail("an arm that moves waited for a camera")


def test_a_camera_that_stops_is_met_by_the_guard_and_never_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    bare, camera, reader, robot = on_the_bench()
    monkeypatch.setattr(reader, "read", waits)
    kept, holding = Kept(), Scripted(lambda _: np.zeros((3, 2), np.float32))
    settings = RolloutSettings(limit=500, safety=SafetyLimits(frame_age=0.2, missed_deadlines=1000))
    robot.connect()
    try:
        camera.stalled = True
        with pytest.raises(SafetyStop) as caught:
            next(roll_out([robot], [Job(GOAL, 0, lambda _: None, lambda _: kept)], holding, settings))
    finally:
        robot.close()
    assert (caught.value.cause, caught.value.exit_code) == ("stale-frame", 4)
    assert bare.done[-1] == "rest"
    assert kept.outcome is not None
    assert kept.outcome.stopped_by == "stale-frame"


def test_a_camera_that_fails_or_was_silent_for_long_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    _, camera, reader, robot = on_the_bench()
    with pytest.raises(HardwareError, match="not open"):
        robot.observe()
    robot.connect()
    try:
        monkeypatch.setattr(reader, "age", lambda _: OLDEST + 0.1)
        with pytest.raises(HardwareError, match="sends nothing"):
            robot.observe()
        monkeypatch.undo()
        camera.unplugged = True
        time.sleep(0.3)  # its thread notices
        with pytest.raises(HardwareError, match="unplugged"):
            robot.observe()
    finally:
        robot.close()


def test_no_goal_is_made_of_an_old_image(monkeypatch: pytest.MonkeyPatch) -> None:
    _, _, _, robot = on_the_bench()
    robot.connect()
    try:
        sight = through_robot(robot)
        assert set(sight.see()) == {"eye", "wrist"}
        seen = robot.observe()
        monkeypatch.setattr(robot, "observe", lambda: replace(seen, time=seen.time + 0.6))
        with pytest.raises(HardwareError, match="old"):
            sight.see()
    finally:
        robot.close()
