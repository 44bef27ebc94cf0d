"""An image without a simulator's state: it can be tried as a goal, but no other scene takes the place of its own unsaid."""

from dataclasses import replace
from pathlib import Path

import PIL.Image
import pytest
from cli_examples import a2g, ask, record, refused

from a2g_cli.core import plugins
from a2g_cli.core.errors import GoalError
from a2g_cli.core.workspace import Workspace
from a2g_cli.data.goals import load_goal
from a2g_cli.data.recording.reader import read_episode
from a2g_cli.data.recording.writer import write_episode
from a2g_cli.improvement.goal_sampling import Candidate, FromRecordings
from a2g_cli.improvement.trials import ResetSampler, Stage
from a2g_cli.robots.sim import SimRobot
from a2g_cli.runtime.reset import without_state

RUN = ("--steps", 2, "--adapter", "random")


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    PIL.Image.effect_noise((64, 64), 60).convert("RGB").save(path)
    return path


def test_capture_goal_says_that_a_simulator_knows_no_state_for_a_photo(tmp_path: Path, photo: Path) -> None:
    record(tmp_path)
    for name, source in {"photo": ("--from-image", photo), "frame": ("--from-recording", "latest")}.items():
        (warning,) = ask(tmp_path, "capture-goal", name, *source)["warnings"]
        assert "sim:place does not know the state" in warning
        assert "--state or --seed" in warning
    assert ask(tmp_path, "capture-goal", "own", "--seed", 1)["warnings"] == []


def test_a_real_robot_takes_a_photo_without_a_word(
    tmp_path: Path, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = plugins.load
    monkeypatch.setattr(plugins, "load", lambda kind, name: _Bare if kind == "robot" else load(kind, name))
    assert ask(tmp_path, "capture-goal", "cup", "--from-image", photo, "--robot", "bare")["warnings"] == []


class _Bare:
    """A robot with a camera and no truth."""

    def __init__(self) -> None:
        self._robot = SimRobot()
        self.spec, self.clock = self._robot.spec, self._robot.clock


def test_run_tries_it_and_says_that_its_scene_is_another_one(tmp_path: Path, photo: Path) -> None:
    ask(tmp_path, "capture-goal", "photo", "--from-image", photo)
    ask(tmp_path, "capture-goal", "own", "--seed", 1)
    tried = a2g(tmp_path, "run", "photo", *RUN)
    assert tried.exit_code == 0, "nobody can say whether it was reached"
    assert tried.stderr.count("Each episode starts in a random scene") == 1
    assert "random scene" not in a2g(tmp_path, "run", "own", *RUN).stderr


def test_improve_refuses_it_before_anything_is_made(tmp_path: Path, photo: Path) -> None:
    ask(tmp_path, "capture-goal", "photo", "--from-image", photo)
    ask(tmp_path, "capture-goal", "own", "--seed", 1)
    for reset in ("own", "cycle"):
        said = refused(tmp_path, "improve", "own", "photo", "--reset", reset, "--evaluation", 1)
        assert "'photo' is an image without a state of sim:place" in said
        assert f"a2g run photo --workspace {tmp_path}" in said
    assert not (tmp_path / "recordings" / "sessions").exists()


def test_no_start_is_drawn_for_it_by_those_who_practise(tmp_path: Path, photo: Path) -> None:
    ask(tmp_path, "capture-goal", "photo", "--from-image", photo)
    goal, robot = load_goal(Workspace(tmp_path), "photo"), SimRobot()
    robot.connect()
    assert without_state(robot, goal)
    with pytest.raises(GoalError, match="has no true state"):
        list(ResetSampler([robot], 0, 1, [goal]).of(0, Stage.PRACTICE, [0]))
    robot.close()


def test_what_was_achieved_on_a_table_that_nobody_knows_becomes_no_goal_on_another(tmp_path: Path) -> None:
    known = record(tmp_path)
    made = read_episode(known)
    unknown = known.with_name("episode-0001.hdf5")
    write_episode(unknown, SimRobot().spec, replace(made, goal=replace(made.goal, truth=None)))
    robot = SimRobot()
    robot.connect()
    trial = robot.trial("practice", 1, 0)
    drawn = Candidate(trial.goal, trial.start, lambda: robot.photograph(trial.start))
    only = FromRecordings(robot, lambda _: [unknown], lambda _, __: False)
    assert only(drawn, 1, (1, 0)) is drawn
    both = FromRecordings(robot, lambda _: [unknown, known], lambda _, __: False)
    assert both(drawn, 1, (1, 0)).goal.source.startswith(f"recording:{known}")
    robot.close()
