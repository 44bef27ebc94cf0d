from dataclasses import replace

import numpy as np
import pytest
from scene_contract import connected

from a2g_cli.core.errors import GoalError
from a2g_cli.simulator.demonstrations import demonstrate, demonstration_episodes
from a2g_cli.simulator.expert import ScriptedExpert


def test_a_demonstration_is_a_whole_and_clean_episode() -> None:
    robot = connected("place", cameras=("front",), disturbance=1.0)
    episode = demonstrate(robot, robot.trial("demonstration", 0, 0))
    assert len(episode.observations) == len(episode) + 1
    assert all(np.array_equal(asked, sent) for asked, sent in zip(episode.requested, episode.sent, strict=True))
    assert episode.provenance.policy == "expert"
    assert episode.outcome is not None
    assert (episode.outcome.success, episode.outcome.judge, episode.outcome.stopped_by) == (True, "truth", "success")
    robot.close()


@pytest.mark.parametrize("scene", ["place", "plug", "write"])
def test_demonstrations_depend_on_their_index_alone(scene: str) -> None:
    robot = connected(scene, disturbance=1.0)
    together = list(demonstration_episodes(robot, seed=4, first=0, count=4, diverse=0.5))
    (alone,) = demonstration_episodes(connected(scene, disturbance=1.0), seed=4, first=3, count=1, diverse=0.5)
    assert np.array_equal(alone.sent, together[3].sent)


def test_the_limit_ends_a_demonstration_as_not_done() -> None:
    robot = connected("place")
    episode = demonstrate(robot, robot.trial("demonstration", 0, 0), limit=5)
    assert len(episode) == 5
    assert episode.outcome is not None
    assert (episode.outcome.success, episode.outcome.stopped_by) == (False, "steps")


def test_a_goal_without_truth_is_of_no_use_to_the_expert() -> None:
    robot = connected("place")
    with pytest.raises(GoalError):
        ScriptedExpert(robot).act(replace(robot.trial("demonstration", 0, 0).goal, truth=None))
