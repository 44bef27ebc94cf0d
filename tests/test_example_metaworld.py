"""The package for Meta-World in ``examples/``; what needs Meta-World itself is skipped where it is missing."""

from importlib.util import find_spec
from pathlib import Path

import pytest
from example_packages import count_lines, installed
from world_contract import WorldContract

from a2g_cli.core.errors import UsageError
from a2g_cli.core.plugins import known, load
from a2g_cli.robots.base import InstrumentedRobot

without_metaworld = pytest.mark.skipif(find_spec("metaworld") is None, reason="Meta-World is not installed")


@pytest.fixture(scope="module", autouse=True)
def site(tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    """Where it is installed."""
    with installed("a2g-metaworld", tmp_path_factory.mktemp("metaworld")) as folder:
        yield folder


def test_it_can_be_installed_and_is_found_by_its_name(site: Path) -> None:
    assert "metaworld" in known("robot")
    assert (site / "a2g_metaworld.py").exists()


@without_metaworld
class TestReaching(WorldContract):
    def make_robot(self):  # type: ignore[no-untyped-def]
        return load("robot", "metaworld")("reach-v3")


@without_metaworld
@pytest.mark.parametrize("task", ["push-v3", "drawer-open-v3", "button-press-topdown-v3"])
def test_other_tasks_draw_goals_that_are_reached(task: str) -> None:
    robot = load("robot", "metaworld")(task)
    robot.connect()
    assert isinstance(robot, InstrumentedRobot)
    trial = robot.trial("practice", 0, 0)
    assert trial.goal.truth is not None
    robot.begin(trial.start)
    assert not robot.succeeded(trial.goal)
    robot.begin(trial.goal.truth)
    assert robot.succeeded(trial.goal)
    robot.close()


@without_metaworld
def test_an_unknown_task_is_refused_in_a_line() -> None:
    with pytest.raises(UsageError, match="did you mean push-v3"):
        load("robot", "metaworld")("psuh-v3")


def test_it_is_short_enough_to_be_read() -> None:
    assert count_lines("a2g-metaworld") < 160
