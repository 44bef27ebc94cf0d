import subprocess
import sys

import pytest
from camera_contract import CameraContract
from robot_contract import InstrumentedRobotContract

from a2g_cli.cameras.base import Camera
from a2g_cli.cameras.sim import SimCamera
from a2g_cli.core.errors import UnknownNameError, UsageError
from a2g_cli.core.plugins import load
from a2g_cli.robots.sim import SimRobot


class TestSimRobot(InstrumentedRobotContract):
    def make_robot(self) -> SimRobot:
        return SimRobot()


class TestSimRobotWithEverything(InstrumentedRobotContract):
    def make_robot(self) -> SimRobot:
        return SimRobot("place", "base-pose:0.5", 7, cameras=("front", "side", "wrist"), size=40, disturbance=1.0)


class TestSimCamera(CameraContract):
    def make_camera(self) -> Camera:
        return SimCamera("side", size=48)


def test_the_drivers_are_found_by_name() -> None:
    assert load("robot", "sim") is SimRobot
    assert load("camera", "sim") is SimCamera


def test_importing_the_drivers_does_not_import_mujoco() -> None:
    code = "import sys, a2g_cli.robots.sim, a2g_cli.cameras.sim; sys.exit('mujoco' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_opengl_one_line_says_what_to_install() -> None:
    code = (
        "from a2g_cli.robots.sim import SimRobot\n"
        "from a2g_cli.core.errors import HardwareError\n"
        "try:\n    SimRobot().connect()\n"
        "except HardwareError as error:\n    print(error)\n"
    )
    broken = {"MUJOCO_GL": "egl", "__EGL_VENDOR_LIBRARY_FILENAMES": "/dev/null", "PATH": ""}
    run = subprocess.run([sys.executable, "-c", code], env=broken, capture_output=True, text=True, check=True)
    assert "libegl1" in run.stdout
    assert run.stdout.count("\n") == 1
    assert run.stderr == ""


def test_without_cameras_no_opengl_is_needed() -> None:
    robot = SimRobot(cameras=())
    robot.connect()
    robot.reset()
    assert robot.observe().images == {}
    robot.close()


@pytest.mark.parametrize(
    "arguments", [{"scene": "plaice"}, {"cameras": ("frnt",)}, {"shift": "camera-bum"}, {"seed": -1}, {"size": 0}]
)
def test_what_does_not_exist_is_refused_at_once(arguments: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        SimRobot(**arguments)  # type: ignore[arg-type]


def test_an_unknown_view_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="did you mean side"):
        SimCamera("sied")
