"""What every robot must do. A driver's tests inherit from RobotContract and say how to make one."""

import json
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from a2g_cli.core.errors import A2GError, GoalError, HardwareError
from a2g_cli.core.types import Observation, Vector
from a2g_cli.robots.base import InstrumentedRobot, Robot


class RobotContract:
    """Inherit, name the class ``Test...``, and override ``make_robot``."""

    def make_robot(self) -> Robot:
        """Return a new robot that is not connected yet. Two of them must behave alike."""
        raise NotImplementedError

    def gentle_action(self, robot: Robot) -> Vector:
        """Return an action that is safe from where ``reset`` leads: the middle of the limits, unless overridden."""
        return np.mean([robot.spec.action_low, robot.spec.action_high], axis=0).astype(np.float32)

    @pytest.fixture
    def robot(self) -> Iterator[Robot]:
        robot = self.make_robot()
        robot.connect()
        yield robot
        robot.close()

    def test_the_spec_is_consistent(self) -> None:
        spec = self.make_robot().spec
        count = len(spec.action_names)
        assert count == len(spec.action_units) == len(spec.action_low) == len(spec.action_high) > 0
        assert all(low < high for low, high in zip(spec.action_low, spec.action_high, strict=True))
        assert len(spec.proprioception_names) == len(spec.proprioception_units)
        assert len(set(spec.action_names)) == count
        assert spec.rate > 0
        assert spec.cameras
        assert all(height > 0 and width > 0 for height, width in spec.cameras.values())
        assert spec.name

    def test_nothing_works_before_connect(self) -> None:
        robot = self.make_robot()
        with pytest.raises(HardwareError):
            robot.observe()
        with pytest.raises(HardwareError):
            robot.act(self.gentle_action(robot))

    def test_observations_are_as_the_spec_says(self, robot: Robot) -> None:
        robot.reset()
        check_observation(robot, robot.observe())
        robot.act(self.gentle_action(robot))
        robot.clock.sleep_until(robot.clock.now() + 1 / robot.spec.rate)
        check_observation(robot, robot.observe())

    def test_observing_moves_nothing(self, robot: Robot) -> None:
        robot.reset()
        first = robot.observe().proprioception
        for _ in range(3):
            np.testing.assert_allclose(robot.observe().proprioception, first, atol=1e-3)

    def test_an_observation_is_never_overwritten(self, robot: Robot) -> None:
        robot.reset()
        observation = robot.observe()
        images = {name: image.copy() for name, image in observation.images.items()}
        proprioception = observation.proprioception.copy()
        robot.act(self.gentle_action(robot))
        robot.observe()
        assert all(np.array_equal(observation.images[name], image) for name, image in images.items())
        assert np.array_equal(observation.proprioception, proprioception)

    def test_act_returns_what_was_sent_and_leaves_what_was_asked(self, robot: Robot) -> None:
        robot.reset()
        asked = self.gentle_action(robot)
        kept = asked.copy()
        sent = robot.act(asked)
        assert sent.dtype == np.float32
        assert sent.shape == asked.shape
        assert np.array_equal(asked, kept)
        assert np.array_equal(sent, robot.spec.clip(sent))

    def test_act_keeps_the_limits(self, robot: Robot) -> None:
        robot.reset()
        span = np.subtract(robot.spec.action_high, robot.spec.action_low)
        sent = robot.act((np.array(robot.spec.action_high) + span).astype(np.float32))
        assert np.all(sent <= np.array(robot.spec.action_high, dtype=np.float32))

    def test_an_action_that_is_no_number_is_refused(self, robot: Robot) -> None:
        robot.reset()
        before = robot.observe().proprioception
        with pytest.raises(A2GError):
            robot.act(np.full_like(self.gentle_action(robot), np.nan))
        np.testing.assert_allclose(robot.observe().proprioception, before, atol=1e-3)

    def test_time_goes_on(self, robot: Robot) -> None:
        robot.reset()
        start = robot.clock.now()
        for step in range(1, 4):
            robot.act(self.gentle_action(robot))
            robot.clock.sleep_until(start + step / robot.spec.rate)
            assert robot.clock.now() >= start + step / robot.spec.rate - 1e-9

    def test_connecting_twice_is_harmless(self, robot: Robot) -> None:
        robot.connect()
        check_observation(robot, robot.observe())

    def test_rest_holds(self, robot: Robot) -> None:
        robot.reset()
        robot.rest()
        check_observation(robot, robot.observe())

    def test_closing_twice_is_harmless(self, robot: Robot) -> None:
        robot.close()
        robot.close()
        with pytest.raises(HardwareError):
            robot.observe()

    def test_closing_before_connecting_is_harmless(self) -> None:
        self.make_robot().close()


class InstrumentedRobotContract(RobotContract):
    """For robots that know the truth: override ``make_robot`` with one that is instrumented too."""

    @pytest.fixture
    def instrumented(self, robot: Robot) -> InstrumentedRobot:
        assert isinstance(robot, InstrumentedRobot)
        return robot

    def test_a_trial_is_drawn_from_its_arguments_alone(self, instrumented: InstrumentedRobot) -> None:
        first = instrumented.trial("practice", 3, 5)
        instrumented.trial("practice", 3, 6)
        again = instrumented.trial("practice", 3, 5)
        assert first.start == again.start
        assert first.goal.truth == again.goal.truth
        assert first.goal.fingerprint == again.goal.fingerprint
        assert first.goal.name == again.goal.name

    def test_trials_differ_by_purpose_seed_and_index(self, instrumented: InstrumentedRobot) -> None:
        trials = [
            instrumented.trial("practice", 0, 0),
            instrumented.trial("evaluation", 0, 0),
            instrumented.trial("demonstration", 0, 0),
            instrumented.trial("practice", 1, 0),
            instrumented.trial("practice", 0, 1),
        ]
        assert len({json.dumps(trial.start) for trial in trials}) == len(trials)
        assert len({trial.goal.name for trial in trials}) == len(trials)

    def test_begin_makes_the_state_true(self, instrumented: InstrumentedRobot) -> None:
        trial = instrumented.trial("practice", 0, 0)
        instrumented.begin(trial.start)
        state = json.loads(json.dumps(instrumented.state()))
        assert state.keys() == trial.start.keys()
        for name, values in trial.start.items():
            np.testing.assert_allclose(state[name], values, atol=1e-6)

    def test_a_trial_begins_unsolved_and_its_goal_is_a_solution(self, instrumented: InstrumentedRobot) -> None:
        for index in range(5):
            trial = instrumented.trial("evaluation", 0, index)
            instrumented.begin(trial.start)
            assert not instrumented.succeeded(trial.goal)
            assert trial.goal.truth is not None
            instrumented.begin(trial.goal.truth)
            assert instrumented.succeeded(trial.goal)

    def test_a_goal_without_truth_is_not_judged(self, instrumented: InstrumentedRobot) -> None:
        with pytest.raises(GoalError):
            instrumented.succeeded(replace(instrumented.trial("practice", 0, 0).goal, truth=None))

    def test_photographing_changes_nothing(self, robot: Robot, instrumented: InstrumentedRobot) -> None:
        trial = instrumented.trial("practice", 0, 0)
        instrumented.begin(trial.start)
        before, state = robot.observe(), instrumented.state()
        assert trial.goal.truth is not None
        photos = instrumented.photograph(trial.goal.truth)
        after = robot.observe()
        assert instrumented.state() == state
        assert np.array_equal(before.proprioception, after.proprioception)
        for name in robot.spec.cameras:
            assert np.array_equal(before.images[name], after.images[name])
            assert np.array_equal(photos[name], trial.goal.images[name])


def check_observation(robot: Robot, observation: Observation) -> None:
    """Assert that ``observation`` is what the robot's spec promises."""
    spec = robot.spec
    assert observation.images.keys() == spec.cameras.keys() == observation.captured_at.keys()
    for name, (height, width) in spec.cameras.items():
        assert observation.images[name].shape == (height, width, 3)
        assert observation.images[name].dtype == np.uint8
        assert observation.captured_at[name] <= observation.time
    assert observation.proprioception.shape == (len(spec.proprioception_names),)
    assert observation.proprioception.dtype == np.float32
    assert np.isfinite(observation.proprioception).all()
    assert observation.time <= robot.clock.now()
