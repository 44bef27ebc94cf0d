"""Bring your own data: any number of cameras, actions and proprioception, images that are not square."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cli_examples import ask, refused

from a2g_cli.core.errors import CheckpointError
from a2g_cli.core.types import Episode, Goal, Observation, Outcome, Provenance
from a2g_cli.data.recording.writer import write_episode
from a2g_cli.models import checkpoint
from a2g_cli.models.presets import preset
from a2g_cli.policies.act2goal import Act2GoalPolicy
from a2g_cli.policies.base import PlanRequest
from a2g_cli.robots.base import RobotSpec

ROBOT = RobotSpec(
    name="made-up",
    action_names=(*(f"joint{i}" for i in range(6)), "gripper"),
    action_units=("rad",) * 6 + ("m",),
    action_low=(-3.0,) * 7,
    action_high=(3.0,) * 7,
    rate=25.0,
    proprioception_names=tuple(f"encoder{i}" for i in range(9)),
    proprioception_units=("rad",) * 9,
    cameras={"head": (96, 128), "hand": (96, 128)},
)
QUICK = ("--preset", "micro", "--iterations", 4, "--batch", 4, "--autoencoder-iterations", 2)


def observation(robot: RobotSpec, random: np.random.Generator, time: float) -> Observation:
    images = {name: random.integers(0, 256, (*size, 3), np.uint8) for name, size in robot.cameras.items()}
    state = random.normal(size=len(robot.proprioception_names)).astype(np.float32)
    return Observation(images, state, dict.fromkeys(images, time), time)


def recorded(robot: RobotSpec, folder: Path, count: int = 2, steps: int = 9) -> Path:
    """A folder of recordings of a robot that moves at random."""
    folder.mkdir(parents=True)
    for index in range(count):
        random = np.random.default_rng(index)
        goal = Goal("anything", observation(robot, random, 0.0).images, robot.name)
        episode = Episode(goal, Provenance(robot.name, "person"), [observation(robot, random, 0.0)])
        for step in range(steps):
            action = random.normal(size=len(robot.action_names)).astype(np.float32)
            episode.append(action, action, observation(robot, random, (step + 1) / robot.rate))
        episode.outcome = Outcome(None, "none", "steps")
        write_episode(folder / f"episode-{index:04d}.hdf5", robot, episode)
    return folder


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    monday = recorded(ROBOT, folder / "monday")
    made = ask(folder, "pretrain", monday, *QUICK, "--resize", "128x96", "--out", folder / "run")
    assert made["data"] == {"monday": 2}
    return Path(made["checkpoint"])


def test_a_base_of_another_robot_s_recordings_plans_for_that_robot(base: Path) -> None:
    model = checkpoint.load(base)
    checkpoint.check_fits(model.config, ROBOT)
    assert model.frame_shape == (2, 4, 12, 16)
    random = np.random.default_rng(0)
    now = observation(ROBOT, random, 0.0)
    goal = Goal("anything", observation(ROBOT, random, 0.0).images, "made-up")
    (plan,) = Act2GoalPolicy(model).plan([PlanRequest(now, goal, 0, 0)])
    assert plan.chunk.shape[1] == 7
    assert np.isfinite(plan.chunk).all()


@pytest.mark.parametrize("command", ["run", "evaluate"])
def test_on_the_simulator_it_is_refused_in_a_line(base: Path, tmp_path: Path, command: str) -> None:
    words = ("run", "cup") if command == "run" else ("evaluate", "--episodes", 1)
    if command == "run":
        ask(tmp_path, "capture-goal", "cup", "--seed", 3)
    said = refused(tmp_path, *words, "--base", base)
    assert "the base was trained with cameras ('head', 'hand'), but sim:place has ('front',)" in said


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"cameras": {"head": (96, 128)}}, "cameras"),
        ({"cameras": {"head": (96, 128), "hand": (64, 64)}}, "size of camera hand"),
        ({"action_names": ROBOT.action_names[::-1]}, "actions"),
        ({"action_names": ROBOT.action_names[:6]}, "actions"),
        ({"proprioception_names": ROBOT.proprioception_names[:8]}, "proprioception"),
        ({"rate": 10.0}, "control rate"),
    ],
)
def test_a_robot_that_differs_is_refused_by_what_differs(base: Path, changed: dict[str, object], says: str) -> None:
    with pytest.raises(CheckpointError, match=f"the base was trained with {says} ") as caught:
        checkpoint.check_fits(checkpoint.load(base).config, replace(ROBOT, **changed))  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_recordings_of_two_robots_are_no_base(base: Path, tmp_path: Path) -> None:
    other = recorded(replace(ROBOT, proprioception_names=tuple("abcdefghi")), tmp_path / "tuesday", 1)
    folders = (recorded(ROBOT, tmp_path / "monday", 1), other)
    said = refused(tmp_path, "pretrain", *folders, *QUICK, "--out", tmp_path / "run", code=1)
    assert "tuesday/episode-0000.hdf5 has proprioception ('a'," in said


@pytest.mark.parametrize(
    ("cameras", "says"),
    [
        ({"head": (100, 128)}, "images of 128x100 px do not fit preset 'micro'.* multiples of 32 px, such as 128x96"),
        ({"head": (20, 20)}, "32x32"),
        ({"head": (96, 128), "hand": (64, 64)}, "images of one size"),
    ],
)
def test_images_that_fit_no_patches_are_refused_in_a_line(cameras: dict[str, tuple[int, int]], says: str) -> None:
    with pytest.raises(CheckpointError, match=says) as caught:
        preset("micro", replace(ROBOT, cameras=cameras))
    assert "\n" not in str(caught.value)
