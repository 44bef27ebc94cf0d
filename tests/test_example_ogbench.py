"""The package for OGBench in ``examples/``; what needs OGBench itself is skipped where it is missing."""

from importlib.util import find_spec
from pathlib import Path

import pytest
from example_packages import count_lines, installed
from world_contract import WorldContract

from a2g_cli.core.errors import UsageError
from a2g_cli.core.plugins import known, load
from a2g_cli.core.types import Goal
from a2g_cli.robots.base import InstrumentedRobot

without_ogbench = pytest.mark.skipif(find_spec("ogbench") is None, reason="OGBench is not installed")


@pytest.fixture(scope="module", autouse=True)
def site(tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    """Where it is installed."""
    with installed("a2g-ogbench", tmp_path_factory.mktemp("ogbench")) as folder:
        yield folder


def test_it_can_be_installed_and_is_found_by_its_name(site: Path) -> None:
    assert "ogbench" in known("robot")
    assert (site / "a2g_ogbench.py").exists()


@without_ogbench
class TestOpeningAndClosingTheDrawer(WorldContract):
    def make_robot(self):  # type: ignore[no-untyped-def]
        return load("robot", "ogbench")("drawer")


@without_ogbench
@pytest.mark.parametrize("task", ["cube", "window", "button"])
def test_other_tasks_draw_goals_that_are_reached(task: str) -> None:
    robot = load("robot", "ogbench")(task)
    robot.connect()
    assert isinstance(robot, InstrumentedRobot)
    trial = robot.trial("practice", 0, 0)
    assert trial.goal.truth is not None
    robot.begin(trial.start)
    assert not robot.succeeded(trial.goal)
    robot.begin(trial.goal.truth)
    assert robot.succeeded(trial.goal)
    robot.close()


@without_ogbench
def test_ogbenchs_own_evaluation_goals_are_goals_in_words() -> None:
    robot = load("robot", "ogbench")("cube")
    robot.connect()
    assert isinstance(robot, InstrumentedRobot)
    truth = robot.state_from({"task": [4]})
    assert truth["cube"][:2] == pytest.approx([0.5, 0.2], abs=5e-3)
    goal = Goal("diagonal", robot.photograph(truth), robot.spec.name, truth)
    robot.begin(robot.start_for(goal, 0, 0))
    assert not robot.succeeded(goal)
    robot.begin(truth)
    assert robot.succeeded(goal)
    with pytest.raises(UsageError, match="task=1 to task=5"):
        robot.state_from({"task": [6]})
    robot.close()


@without_ogbench
def test_an_unknown_task_is_refused_in_a_line() -> None:
    with pytest.raises(UsageError, match="did you mean drawer"):
        load("robot", "ogbench")("drawre")


def test_it_is_short_enough_to_be_read() -> None:
    assert count_lines("a2g-ogbench") < 260
