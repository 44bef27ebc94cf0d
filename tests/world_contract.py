"""What every World must do. The tests of an environment's owner inherit from WorldContract and say how to make its robot."""

import numpy as np
import pytest
from robot_contract import InstrumentedRobotContract

from a2g_cli.core.types import Goal
from a2g_cli.robots.base import InstrumentedRobot, Robot
from a2g_cli.robots.gymnasium_instrumented import WorldGymRobot


class WorldContract(InstrumentedRobotContract):
    """Inherit, name the class ``Test...``, and override ``make_robot`` with ``gym_robot(ID, world=...)``."""

    episodes = 3
    """How many of the expert's episodes are tried, where the world has one; at least half of them have to succeed."""

    def test_a_start_for_a_goal_is_drawn_from_its_arguments_alone(self, instrumented: InstrumentedRobot) -> None:
        goal = instrumented.trial("practice", 0, 0).goal
        first = instrumented.start_for(goal, 4, 1)
        instrumented.start_for(goal, 4, 2)
        assert instrumented.start_for(goal, 4, 1) == first
        instrumented.begin(first)
        assert not instrumented.succeeded(goal)

    def test_two_robots_draw_the_same(self, robot: Robot, instrumented: InstrumentedRobot) -> None:
        other = self.make_robot()
        other.connect()
        try:
            assert isinstance(other, InstrumentedRobot)
            other.trial("practice", 9, 9)  # what came before does not matter
            mine, its = instrumented.trial("practice", 1, 2), other.trial("practice", 1, 2)
            assert mine.start == its.start
            assert mine.goal.fingerprint == its.goal.fingerprint
        finally:
            other.close()

    def test_the_same_actions_from_the_same_start_lead_to_the_same_place(
        self, robot: Robot, instrumented: InstrumentedRobot
    ) -> None:
        trial = instrumented.trial("practice", 2, 0)
        spec, ends = robot.spec, []
        for _ in range(2):
            instrumented.begin(trial.start)
            random = np.random.default_rng(0)
            for _ in range(5):
                robot.act(random.uniform(spec.action_low, spec.action_high).astype(np.float32))
            ends.append(robot.observe().proprioception)
        np.testing.assert_allclose(ends[0], ends[1], atol=1e-4)

    def test_its_expert_reaches_its_goals(self, robot: Robot, instrumented: InstrumentedRobot) -> None:
        assert isinstance(robot, WorldGymRobot)
        if not hasattr(robot._here(), "expert"):
            pytest.skip("the world has no expert")
        reached = 0
        for index in range(self.episodes):
            trial = instrumented.trial("demonstration", 0, index)
            instrumented.begin(trial.start)
            reached += self._follow(robot, trial.goal)
        assert 2 * reached >= self.episodes

    @staticmethod
    def _follow(robot: WorldGymRobot, goal: Goal) -> bool:
        for _ in range(robot.limit):
            action = robot.expert_action(goal)
            if action is None or robot.succeeded(goal):
                break
            robot.act(action)
        return robot.succeeded(goal)
