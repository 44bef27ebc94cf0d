from dataclasses import replace

import numpy as np
import pytest

from a2g_cli.errors import GoalError
from a2g_cli.robots.sim import SimRobot
from a2g_cli.simulator.demonstrations import demonstrate, demonstration_episodes
from a2g_cli.simulator.expert import ScriptedExpert
from a2g_cli.simulator.scenes.place import Place
from a2g_cli.simulator.scenes.scene import REST
from a2g_cli.simulator.shifts import SHIFTS, Shift


def connected(**arguments: object) -> SimRobot:
    robot = SimRobot(**{"cameras": (), **arguments})  # type: ignore[arg-type]
    robot.connect()
    return robot


def test_the_expert_solves_disturbed_and_diverse_trials() -> None:
    robot = connected(disturbance=1.0)
    episodes = list(demonstration_episodes(robot, seed=1, first=0, count=60, diverse=0.3))
    assert sum(episode.outcome is not None and episode.outcome.success is True for episode in episodes) >= 59
    assert 25 < np.mean([len(episode) for episode in episodes]) < 50


@pytest.mark.parametrize("name", SHIFTS)
def test_the_expert_solves_every_shift(name: str) -> None:
    robot = connected(shift=name)
    episodes = [demonstrate(robot, robot.trial("demonstration", 2, index)) for index in range(20)]
    assert sum(episode.outcome is not None and episode.outcome.success is True for episode in episodes) >= 19


def test_a_demonstration_is_a_whole_and_clean_episode() -> None:
    robot = connected(cameras=("front",), disturbance=1.0)
    episode = demonstrate(robot, robot.trial("demonstration", 0, 0))
    assert len(episode.observations) == len(episode) + 1
    assert all(np.array_equal(asked, sent) for asked, sent in zip(episode.requested, episode.sent, strict=True))
    assert episode.provenance.policy == "expert"
    assert episode.outcome is not None
    assert (episode.outcome.success, episode.outcome.judge, episode.outcome.stopped_by) == (True, "truth", "success")
    robot.close()


def test_demonstrations_depend_on_their_index_alone() -> None:
    robot = connected(disturbance=1.0)
    together = list(demonstration_episodes(robot, seed=4, first=0, count=4, diverse=0.5))
    (alone,) = demonstration_episodes(connected(disturbance=1.0), seed=4, first=3, count=1, diverse=0.5)
    assert np.array_equal(alone.sent, together[3].sent)


def test_the_limit_ends_a_demonstration_as_not_done() -> None:
    robot = connected()
    episode = demonstrate(robot, robot.trial("demonstration", 0, 0), limit=5)
    assert len(episode) == 5
    assert episode.outcome is not None
    assert (episode.outcome.success, episode.outcome.stopped_by) == (False, "steps")


def test_the_expert_stays_home_when_the_work_is_done() -> None:
    robot = connected()
    goal = robot.trial("demonstration", 0, 0).goal
    assert goal.truth is not None
    robot.begin(goal.truth)
    expert = ScriptedExpert(robot)
    assert expert.done(goal)
    np.testing.assert_allclose(expert.act(goal), [0.0, 0.0, 0.0, 1.0], atol=1e-4)


def test_the_law_is_continuous_while_it_fetches() -> None:
    """A millimetre changes little: what a network has to learn has no cliffs on the way to the block."""
    random = np.random.default_rng(0)
    scene = Place(Shift())
    goal = scene.default_state()
    block = [0.08, 0.05, 0.024, 1.0, 0.0, 0.0, 0.0]
    for _ in range(300):
        tool = random.uniform([-0.18, -0.16, 0.03], [0.14, 0.16, 0.22])
        near = tool + random.normal(size=3) * 0.0003
        one, opening = scene.law({"block": block, "tool": [*tool, 1.0]}, goal)
        other, opening_near = scene.law({"block": block, "tool": [*near, 1.0]}, goal)
        assert np.abs(one - other).max() < 0.008
        assert abs(opening - opening_near) < 0.2


def test_a_goal_without_truth_is_of_no_use_to_the_expert() -> None:
    robot = connected()
    with pytest.raises(GoalError):
        ScriptedExpert(robot).act(replace(robot.trial("demonstration", 0, 0).goal, truth=None))


def test_diverse_starts_are_in_reach_and_clear_of_the_block() -> None:
    random = np.random.default_rng(0)
    robot = connected()
    held = 0
    for _ in range(60):
        start = robot.task.diverse_start(robot.task.default_state(), random)
        robot.begin(start)
        np.testing.assert_allclose(robot.state()["tool"], start["tool"], atol=1e-6)
        robot.act(np.array([0.0, 0.0, 0.0, 0.0], dtype=np.float32))
        moved = np.linalg.norm(np.subtract(robot.state()["block"][:3], start["block"][:3]))
        assert moved < 0.006  # neither thrown out of the fingers nor dropped
        held += start["block"][:2] == start["tool"][:2]
    assert 10 < held < 30
    assert start["tool"][:3] != list(REST)
