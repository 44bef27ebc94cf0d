"""What every scene promises; each scene's own test file inherits it."""

import json
from dataclasses import replace

import numpy as np
import pytest

from a2g_cli.core.errors import GoalError
from a2g_cli.core.plugins import known
from a2g_cli.robots.sim import SimRobot
from a2g_cli.simulator.demonstrations import demonstrate, demonstration_episodes
from a2g_cli.simulator.expert import ScriptedExpert
from a2g_cli.simulator.scenes.scene import REST
from a2g_cli.simulator.shifts import parse_shift


def connected(scene: str, **arguments: object) -> SimRobot:
    robot = SimRobot(**{"scene": scene, "cameras": (), **arguments})  # type: ignore[arg-type]
    robot.connect()
    return robot


def drive_home(robot: SimRobot) -> None:
    for _ in range(100):
        action, left = robot.action_to_rest_pose(None)  # type: ignore[arg-type]
        if left == 0:
            return
        robot.act(action)
    raise AssertionError("it did not come home")


class SceneContract:
    scene: str

    def test_a_trial_is_not_solved_from_the_start_and_its_goal_is_reached_by_its_own_state(self) -> None:
        robot = connected(self.scene)
        for index in range(20):
            trial = robot.trial("evaluation", 0, index)
            assert trial.goal.truth is not None
            assert not robot.task.reached(trial.start, trial.goal.truth)
            assert robot.task.reached(trial.goal.truth, trial.goal.truth)
            robot.begin(trial.goal.truth)
            assert robot.succeeded(trial.goal)

    def test_every_body_has_a_mass_without_which_older_versions_of_mujoco_refuse_the_scene(self) -> None:
        assert (connected(self.scene).tabletop.model.body_mass[1:] > 0).all()

    def test_what_stands_fast_stands_in_the_start_where_the_goal_shows_it(self) -> None:
        robot = connected(self.scene)
        for index in range(20):
            trial = robot.trial("practice", 0, index)
            assert trial.goal.truth is not None
            assert list(trial.start) == list(trial.goal.truth)
            for name in robot.task.fixtures:
                assert trial.start[name] == trial.goal.truth[name]

    @pytest.mark.parametrize("shift", ["none", "unseen", "new-object:2"])
    def test_a_state_that_is_set_is_the_state_that_is_read(self, shift: str) -> None:
        robot = connected(self.scene, shift=shift)
        for index in range(5):
            trial = robot.trial("evaluation", 3, index)
            for state in (trial.start, trial.goal.truth):
                assert state is not None
                robot.begin(state)
                for name, values in json.loads(json.dumps(state)).items():
                    np.testing.assert_allclose(robot.state()[name], values, atol=1e-6)

    def test_the_default_state_is_one_and_is_no_trap(self) -> None:
        robot = connected(self.scene)
        robot.begin(robot.task.default_state())
        before = robot.task.default_state()
        opening = 0.0 if robot.task.is_held(before) else before["tool"][3]
        for _ in range(3):
            robot.act(np.array([0.0, 0.0, 0.0, opening], dtype=np.float32))
        for name, values in robot.state().items():
            np.testing.assert_allclose(values[:3], before[name][:3], atol=0.004)

    def test_the_expert_solves_disturbed_and_diverse_trials(self) -> None:
        robot = connected(self.scene, disturbance=1.0)
        episodes = list(demonstration_episodes(robot, seed=1, first=0, count=20, diverse=0.3))
        assert sum(episode.outcome is not None and episode.outcome.success is True for episode in episodes) >= 19

    @pytest.mark.parametrize("shift", known("shift"))
    def test_the_expert_solves_every_shift(self, shift: str) -> None:
        robot = connected(self.scene, shift=shift)
        episodes = [demonstrate(robot, robot.trial("demonstration", 2, index)) for index in range(6)]
        assert sum(episode.outcome is not None and episode.outcome.success is True for episode in episodes) >= 5

    def test_the_expert_takes_less_time_than_an_evaluation_allows(self) -> None:
        robot = connected(self.scene)
        for index in range(8):
            episode = demonstrate(robot, robot.trial("demonstration", 3, index))
            assert episode.outcome is not None
            assert episode.outcome.success
            assert len(episode) < 0.9 * robot.task.limit

    def test_the_expert_stays_home_when_the_work_is_done(self) -> None:
        robot = connected(self.scene)
        goal = robot.trial("demonstration", 0, 0).goal
        assert goal.truth is not None
        robot.begin(goal.truth)
        expert = ScriptedExpert(robot)
        assert expert.done(goal)
        np.testing.assert_allclose(expert.act(goal)[:3], 0.0, atol=1e-4)

    @pytest.mark.parametrize("policy", ["still", "random"])
    def test_doing_nothing_or_anything_does_not_succeed(self, policy: str) -> None:
        robot = connected(self.scene)
        random = np.random.default_rng(0)
        for index in range(8):
            trial = robot.trial("evaluation", 1, index)
            robot.begin(trial.start)
            for _ in range(40):
                action = random.uniform(robot.spec.action_low, robot.spec.action_high)
                if policy == "still":
                    action = np.array([0.0, 0.0, 0.0, trial.start["tool"][3]])
                robot.act(action.astype(np.float32))
                assert not robot.succeeded(trial.goal)

    def test_a_chosen_goal_brings_a_start_of_its_own(self) -> None:
        robot, other = connected(self.scene), connected(self.scene, seed=9)
        goal = robot.trial("practice", 4, 0).goal
        assert goal.truth is not None
        starts = [robot.start_for(goal, 1, index) for index in range(5)]
        assert starts[0] == other.start_for(goal, 1, 0)
        assert starts[0] != starts[1]
        for start in starts:
            assert not robot.task.reached(start, goal.truth)
            assert all(start[name] == goal.truth[name] for name in robot.task.fixtures)

    def test_a_table_can_be_asked_for_something_else_as_often_as_it_says(self) -> None:
        robot = connected(self.scene)
        robot.begin(robot.trial("practice", 4, 1).start)
        expert = ScriptedExpert(robot)
        if not robot.undone_by:
            assert robot.next_goal(0, 0) is None
            return
        for index in range(8):
            before = robot.state()
            goal = robot.next_goal(0, index)
            assert goal is not None
            assert goal.truth is not None
            assert not robot.succeeded(goal)
            assert robot.state() == before, "drawing moves nothing"
            for name in robot.task.fixtures:
                assert goal.truth[name] == before[name]
            for _ in range(robot.task.demonstration_limit):
                robot.act(expert.act(goal))
                if expert.done(goal):
                    break
            assert robot.succeeded(goal)
            assert robot.rearranged(before)
            if "cycle" not in robot.undone_by:
                drive_home(robot)

    def test_the_drive_home_ends_and_leaves_what_can_be_asked(self) -> None:
        robot = connected(self.scene)
        goal = robot.trial("practice", 4, 2).goal
        assert goal.truth is not None
        robot.begin(goal.truth)
        drive_home(robot)
        np.testing.assert_allclose(robot.tabletop.tool(), REST, atol=0.006)
        assert (robot.next_goal(0, 0) is not None) == ("rest-pose" in robot.undone_by)

    def test_another_scene_s_goal_is_refused(self) -> None:
        robot = connected(self.scene)
        goal = robot.trial("practice", 4, 0).goal
        assert goal.truth is not None
        torn = {**goal.truth, "tool": goal.truth["tool"][:3]}
        for truth in (None, {"tool": [0.0, 0.0, 0.1, 1.0], "teapot": [0.0, 0.0]}, {}, torn):
            stranger = replace(goal, truth=truth)
            with pytest.raises(GoalError):
                robot.start_for(stranger, 0, 0)
            with pytest.raises(GoalError):
                robot.succeeded(stranger)

    def test_diverse_starts_are_at_rest(self) -> None:
        robot = connected(self.scene)
        random = np.random.default_rng(0)
        for index in range(20):
            trial = robot.trial("demonstration", 5, index)
            assert trial.goal.truth is not None
            start = robot.task.diverse_start(trial.start, trial.goal.truth, random)
            robot.begin(start)
            np.testing.assert_allclose(robot.state()["tool"], start["tool"], atol=1e-6)
            robot.act(np.array([0.0, 0.0, 0.0, start["tool"][3] * (not robot.task.is_held(start))], dtype=np.float32))
            for name in robot.task.things:  # neither thrown out of the fingers nor dropped
                assert np.linalg.norm(np.subtract(robot.state()[name][:3], start[name][:3])) < 0.008

    def test_goals_look_unlike_starts_and_unlike_one_another(self) -> None:
        robot = connected(self.scene, cameras=("front",))
        trials = [robot.trial("evaluation", 2, index) for index in range(6)]
        assert len({trial.goal.fingerprint for trial in trials}) == len(trials)
        for trial in trials:
            robot.begin(trial.start)
            assert not np.array_equal(robot.observe().images["front"], trial.goal.images["front"])
        robot.close()

    def test_the_unseen_shift_looks_and_asks_otherwise(self) -> None:
        plain, other = (
            connected(self.scene, cameras=("front",)),
            connected(self.scene, cameras=("front",), shift="unseen"),
        )
        assert parse_shift("unseen").unseen
        for index in range(3):
            one, two = (robot.trial("evaluation", 0, index) for robot in (plain, other))
            assert one.goal.fingerprint != two.goal.fingerprint
        plain.close()
        other.close()
