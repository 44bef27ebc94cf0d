"""Every command of docs/hardware.md, on LeRobot's own SO-101 class with software servos, and images from a folder."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from cli_examples import a2g
from feetech_servos import GOAL, PRESENT, servos
from lerobot_examples import calibration, lerobot

GUIDE = (Path(__file__).parents[1] / "docs" / "hardware.md").read_text(encoding="utf-8")
# The section on cameras is held by the tests of the cameras.
WALK, _, _ = GUIDE.partition("\n## Cameras\n")
COMMANDS = [line.strip() for line in WALK.splitlines() if re.match(r"    (a2g|pip|lerobot-calibrate) ", line)]
NOT_HERE = {
    "pip install 'a2g[lerobot,realsense]'": "make test has installed what of it is needed",
    "lerobot-calibrate --robot.type=so101_follower --robot.port=/dev/ttyACM0 --robot.id=bench": "a file is written",
    "a2g demonstrate --teleop lerobot:so101_leader --episodes 50 --session by-hand": "test_teleoperation.py is the person",
    "a2g pretrain by-hand --out training/mine": "test_own_robot.py trains a base for another arm",
    "a2g run cup --base training/mine/checkpoint --judge person": "needs that base; test_judging.py asks the person",
    "a2g improve cup plate --base training/mine/checkpoint --reset cycle": "as above; test_improve_arm.py practises so",
    "pip install ogbench gym-pusht 'pymunk<7'": "benchmarks/gym_robots.py is where they are tried",
    "a2g init --robot gym:ogbench:visual-cube-single-v0 --set rate=20 --set 'proprioception=[\"proprio/effector_pos\"]' "
    "--set options.terminate_at_goal=false --goal lift --yes": "as above; test_cli_init.py writes such a file",
    "a2g capture-goal lift --state task=1": "as above; test_robot_gymnasium.py does it with an environment of the tests' own",
    "a2g run --adapter random --steps 20": "as above",
}
"""Command -> why it is not run below."""


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """What stands for the hardware: word of the guide -> word here."""
    lerobot()
    photos = tmp_path / "photos"
    photos.mkdir()
    random = np.random.default_rng(0)
    for i in range(6):
        image = random.integers(40, 215, (12, 16, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
        PIL.Image.fromarray(image).save(photos / f"{i}.png")
    monkeypatch.chdir(tmp_path)
    with servos() as plugged:
        for number, servo in plugged.servos.items():
            for address in (GOAL, PRESENT):  # an arm is seldom in the middle of its range
                servo.put(address, servo.get(address) + 60 * number)
        goals = [servo.get(GOAL) for servo in plugged.servos.values()]
        yield {
            "config.port=/dev/ttyACM0": f"config.port={plugged.port}",
            "config.id=bench": f"config.id=bench --set config.calibration_dir={calibration(tmp_path / 'calibration')}",
            "front=realsense:0123456789": f"front=images:{photos}",
        }
        assert [servo.get(GOAL) for servo in plugged.servos.values()] == pytest.approx(goals, abs=12)


def test_every_command_is_run_or_says_why_not(bench: dict[str, str], tmp_path: Path) -> None:
    assert set(NOT_HERE) <= set(COMMANDS)
    ran = []
    for command in COMMANDS:
        if command in NOT_HERE:
            continue
        words = command
        for there, here in bench.items():
            words = words.replace(there, here)
        done = a2g(tmp_path, *shlex.split(words)[1:])
        # A doctor may find something amiss with the machine that the tests run on: exit code 3.
        assert done.exit_code == 0 or (command == "a2g doctor" and done.exit_code == 3), (command, done.stderr)
        ran.append(command)
    assert len(ran) == len(COMMANDS) - len(NOT_HERE) >= 6
    assert (tmp_path / "first.mp4").stat().st_size > 0


def test_the_table_has_every_limit() -> None:
    from dataclasses import fields

    from a2g_cli.core.safety_limits import SafetyLimits

    for limit in fields(SafetyLimits):
        assert f"`{limit.name}`" in GUIDE
