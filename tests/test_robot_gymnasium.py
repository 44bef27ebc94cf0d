"""``gym:ID`` on a small registered environment. benchmarks/gym_robots.py tries OGBench's and PushT."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from cli_examples import a2g, ask
from robot_contract import InstrumentedRobotContract, RobotContract

from a2g_cli.core.errors import GoalError, HardwareError, UsageError
from a2g_cli.robots.base import InstrumentedRobot
from a2g_cli.robots.gymnasium import GymRobot
from a2g_cli.robots.gymnasium_goals import GoalGymRobot, gym_robot

POINT = "gym_examples:Point-v0"
DRAWN = "gym_examples:Drawn-v0"


class TestAnEnvironmentWithGoals(InstrumentedRobotContract):
    def make_robot(self) -> GymRobot:
        return gym_robot(POINT)

    def test_a_trial_begins_unsolved_and_its_goal_is_a_solution(self, instrumented: InstrumentedRobot) -> None:
        # The end of an environment cannot be set, only walked to: on to where the goal's task lies.
        robot = instrumented
        assert isinstance(robot, GoalGymRobot)
        for index in range(5):
            trial = robot.trial("evaluation", 0, index)
            robot.begin(trial.start)
            assert not robot.succeeded(trial.goal)
            target = np.array([0.2 * trial.start["task"][0], 0.8])
            for _ in range(12):
                robot.act(((target - robot.observe().proprioception) / 0.1).astype(np.float32))
            assert robot.succeeded(trial.goal)
            np.testing.assert_allclose(robot.observe().proprioception, target, atol=0.1)


class TestAnEnvironmentThatIsDrawn(RobotContract):
    def make_robot(self) -> GymRobot:
        return gym_robot(DRAWN, size=(16, 16), rate=5.0, seed=3)


def test_what_it_is_follows_from_the_environment() -> None:
    spec = gym_robot(POINT, proprioception=["place", "battery"]).spec
    assert spec.rate == 20.0
    assert spec.cameras == {"pixels": (24, 24)}
    assert spec.proprioception_names == ("place.0", "place.1", "battery")
    drawn = gym_robot(DRAWN)
    assert drawn.spec.cameras == {"front": (24, 24)}
    assert not isinstance(drawn, InstrumentedRobot)


def test_the_limit_of_steps_is_not_gymnasiums() -> None:
    robot = gym_robot(DRAWN)
    robot.connect()
    robot.reset()
    places = [
        robot.act(np.array([0.1, -0.01], np.float32)) is not None and robot.observe().proprioception for _ in range(8)
    ]
    assert len({float(place[0]) for place in places}) == 8
    robot.close()


def test_an_environment_that_has_ended_stays_as_it_is() -> None:
    robot = gym_robot(POINT)
    assert isinstance(robot, GoalGymRobot)
    robot.connect()
    trial = robot.trial("practice", 0, 0)
    robot.begin(trial.start)
    target = np.array([0.2 * trial.start["task"][0], 0.8])
    for _ in range(12):
        robot.act(((target - robot.observe().proprioception) / 0.1).astype(np.float32))
    before = robot.observe().proprioception
    robot.act(np.ones(2, np.float32))
    assert np.array_equal(robot.observe().proprioception, before)
    assert robot.succeeded(trial.goal)
    with pytest.raises(GoalError):
        robot.start_for(gym_robot_goal_of_another(), 0, 0)
    robot.close()


def gym_robot_goal_of_another():  # type: ignore[no-untyped-def]
    from a2g_cli.core.types import Goal

    return Goal("cup", {}, "image", truth={"can": [0.0, 0.0, 0.0]})


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"id": "Poitn-v0"}, HardwareError, "Poitn"),
        ({"id": "gym_examples:Unbounded-v0"}, UsageError, "finite bounds"),
        ({"id": POINT, "proprioception": ["plaice"]}, UsageError, "place"),
        ({"id": POINT, "rate": 0.0}, UsageError, "rate"),
        ({"id": POINT, "options": {"gravity": 9.81}}, HardwareError, "gravity"),
    ],
)
def test_what_does_not_fit_is_said_in_a_line(arguments: dict[str, object], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        gym_robot(**arguments)  # type: ignore[arg-type]


def test_photos_of_goals_are_taken_in_one_environment_beside_the_one_that_acts(monkeypatch: pytest.MonkeyPatch) -> None:
    robot = gym_robot(POINT)
    assert isinstance(robot, GoalGymRobot)
    robot.connect()
    made: list[object] = []
    make = robot._made
    monkeypatch.setattr(robot, "_made", lambda: made.append(make()) or made[-1])
    before = robot.observe().proprioception
    first, _, again = (robot.trial("practice", 0, index).goal.fingerprint for index in (0, 1, 0))
    assert len(made) == 1
    assert first == again
    np.testing.assert_array_equal(robot.observe().proprioception, before)
    assert len(robot._ends) == 2
    robot.close()
    assert not robot._ends, "both environments are closed"


def test_goals_and_success_come_from_the_environment(tmp_path: Path) -> None:
    robot = f"--robot=gym:{POINT}"
    assert ask(tmp_path, "capture-goal", "there", "--state", "task=2", robot)["truth"]["task"] == [2.0]
    done = ask(tmp_path, "run", "there", "--adapter", "random", "--steps", 4, robot, code=5)
    assert done["recordings"][0]["judge"] == "truth"
    assert done["recordings"][0]["success"] is False


def test_what_its_observation_space_bounds_is_guarded(tmp_path: Path) -> None:
    robot = gym_robot(POINT, proprioception=["place", "battery"])
    assert robot.safety.workspace_low == {"place.0": 0.0, "place.1": 0.0}
    assert robot.safety.workspace_high == {"place.0": 1.0, "place.1": 1.0}
    asked = f"--robot=gym:{POINT}"
    ask(tmp_path, "capture-goal", "there", "--state", "task=2", asked)
    stopped = ask(tmp_path, "run", "there", "--adapter", "still", "--fault", "stray@1", "--steps", "4", asked, code=4)
    assert stopped["recordings"][0]["stopped_by"] == "workspace"


def test_a_strangers_error_ends_as_hardware_that_failed_and_keeps_the_episode(tmp_path: Path) -> None:
    robot = "--robot=gym:gym_examples:Breaking-v0"
    ask(tmp_path, "capture-goal", "there", "--state", "task=2", robot)
    broken = a2g(tmp_path, "run", "there", "--adapter", "still", "--steps", "6", robot, "--session", "one")
    assert broken.exit_code == 3
    assert "Breaking-v0': step failed: the mass matrix is singular" in " ".join(broken.stderr.split())
    kept = ask(tmp_path, "recordings", "show", "one/episode-0000")["recordings"][0]
    assert (kept["steps"], kept["outcome"]["stopped_by"]) == (2, "hardware")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="EGL is Linux's")
@pytest.mark.parametrize(("said", "is_so"), [(None, "egl"), ("osmesa", "osmesa")])
def test_environments_on_mujoco_draw_without_a_display(
    said: str | None, is_so: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MUJOCO_GL", said or "")
    if said is None:
        monkeypatch.delenv("MUJOCO_GL")
    gym_robot(POINT)
    assert os.environ["MUJOCO_GL"] == is_so
