"""The driver package in ``examples/``, installed as a third party's would be, and used by its names."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from camera_contract import CameraContract
from example_packages import count_lines, installed
from processes import Forked
from robot_contract import RobotContract

from a2g_cli.core.plugins import known, load


@pytest.fixture(scope="module", autouse=True)
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where it is installed."""
    with installed("a2g-shuttle", tmp_path_factory.mktemp("shuttle")) as folder:
        yield folder


class TestTheRobot(RobotContract):
    def make_robot(self):  # type: ignore[no-untyped-def]
        return load("robot", "shuttle")()


class TestTheCamera(CameraContract):
    def make_camera(self):  # type: ignore[no-untyped-def]
        return load("camera", "shuttle")()


def test_both_are_known_beside_the_built_in_ones() -> None:
    assert {"sim", "lerobot", "gym", "shuttle"} <= set(known("robot"))
    assert {"sim", "opencv", "shuttle"} <= set(known("camera"))


def test_a_process_of_its_own_records_an_episode_on_it(tmp_path: Path, site: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(site), "A2G_WORKSPACE": str(tmp_path)}

    words = ("--robot", "shuttle", "--json")
    command = [sys.executable, "-m", "a2g_cli", "capture-goal", "middle", *words]
    subprocess.run(command, env=environment, capture_output=True, check=True)
    with Forked("run", "middle", "--adapter", "still", "--steps", 3, *words, env=environment) as ran:
        out, err = ran.communicate()
    assert ran.returncode == 0, err
    assert json.loads(out)["episodes"] == 1


def test_it_is_short_enough_to_be_read() -> None:
    assert count_lines("a2g-shuttle") < 100
