from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bench_robot import GOAL, SPEC, BenchRobot
from rollout_examples import Kept

from a2g_cli.core.errors import HardwareError, SafetyStop, UnknownNameError, UsageError
from a2g_cli.core.safety_limits import SafetyLimits
from a2g_cli.core.types import Goal
from a2g_cli.robots.base import RestPoseRobot, Trial
from a2g_cli.robots.sim import SimRobot
from a2g_cli.runtime.reset import (
    PromptedReset,
    ResetFree,
    RestPoseReset,
    RobotReset,
    check_way,
    in_cycles,
    rest_pose_robot,
)
from a2g_cli.runtime.rollout import Job
from a2g_cli.runtime.termination import RolloutSettings

OTHER = replace(GOAL, name="other")


def home(sink: Kept, interrupted: bool = False, **limits: object) -> RestPoseReset:
    settings = RolloutSettings(safety=SafetyLimits(**limits))  # type: ignore[arg-type]
    job = lambda robot, goal, index: Job(goal, 0, lambda _: None, lambda _: sink)  # noqa: E731
    return RestPoseReset(0, settings, job, lambda: interrupted)


def away() -> BenchRobot:
    robot = BenchRobot()
    robot.at[0] = 1.5
    return robot


def test_a_cycle_goes_round_and_everything_else_one_by_one() -> None:
    goals = [GOAL, OTHER]
    assert in_cycles(goals, 2, "cycle") == [GOAL, OTHER, GOAL, OTHER]
    assert in_cycles(goals, 2, "own") == [GOAL, GOAL, OTHER, OTHER]
    with pytest.raises(UsageError, match="two goals"):
        in_cycles([GOAL], 2, "cycle")


def test_the_drive_home_is_recorded_step_by_step_and_ends_there() -> None:
    robot, sink = away(), Kept()
    assert home(sink).between(robot, GOAL, 1)  # type: ignore[arg-type]
    assert robot.at[0] == pytest.approx(0.0)
    assert sink.outcome is not None
    assert (sink.outcome.stopped_by, sink.outcome.success) == ("arrived", None)
    assert len(sink.sent) == len(robot.sent)
    assert np.abs(np.diff([action[0] for action in sink.sent])).max() <= 0.2 + 1e-6


def test_on_the_way_home_the_guards_watch() -> None:
    robot, sink = away(), Kept()
    with pytest.raises(SafetyStop) as caught:
        home(sink, max_speed={"joint": 1.0}).between(robot, GOAL, 1)  # type: ignore[arg-type]
    assert caught.value.cause == "speed"
    assert robot.done[-1] == "rest"
    assert sink.outcome is not None
    assert sink.outcome.stopped_by == "speed"


def test_a_robot_that_does_not_come_home_is_an_error() -> None:
    robot, sink = away(), Kept()
    robot.action_to_rest_pose = lambda seen: (np.array([1.5, 0.0], np.float32), 9.0)  # type: ignore[method-assign]
    with pytest.raises(HardwareError, match="did not reach its rest pose within 30 s"):
        home(sink).between(robot, GOAL, 1)  # type: ignore[arg-type]
    assert len(robot.sent) == 300


def test_an_interruption_on_the_way_home_ends_the_run() -> None:
    robot = away()
    assert not home(Kept(), interrupted=True).between(robot, GOAL, 1)  # type: ignore[arg-type]
    assert len(robot.sent) <= 1


def test_a_robot_without_a_rest_pose_is_refused() -> None:
    assert isinstance(BenchRobot(), RestPoseRobot)

    class Without:
        spec = SPEC

    with pytest.raises(UsageError, match="no rest pose"):
        rest_pose_robot(Without())  # type: ignore[arg-type]


def test_who_is_reset_when() -> None:
    robot = BenchRobot()
    for index in range(3):
        RobotReset(0).begin(robot, GOAL, index)  # type: ignore[arg-type]
    assert robot.done == ["reset"] * 3
    robot = BenchRobot()
    for index in range(3):
        assert ResetFree(0).between(robot, GOAL, index)  # type: ignore[arg-type]
        ResetFree(0).begin(robot, GOAL, index)  # type: ignore[arg-type]
    assert robot.done == ["reset"]


def test_a_person_is_asked_when_the_robot_is_at_rest() -> None:
    robot, asked = BenchRobot(), []

    def ask(goal: str) -> bool:
        asked.append((goal, list(robot.done)))
        return len(asked) < 2

    reset = PromptedReset(0, ask)
    assert reset.between(robot, GOAL, 0)  # type: ignore[arg-type]
    assert not reset.between(robot, OTHER, 1)  # type: ignore[arg-type]
    assert asked == [("anything", ["rest"]), ("other", ["rest", "rest"])]


def test_the_simulator_goes_home_from_anywhere_and_leaves_things_where_they_are(
    robots: list[SimRobot], trials: list[Trial]
) -> None:
    robot = robots[0]
    robot.begin(trials[0].start)
    for _ in range(4):
        robot.act(np.array([0.0, 0.03, -0.03, 0.5], np.float32))
    before, sink = robot.state(), Kept()
    assert home(sink).between(robot, trials[0].goal, 1)
    assert sink.outcome is not None
    assert sink.outcome.stopped_by == "arrived"
    assert sink.outcome.success is None, "what the drive home brings about is nobody's success"
    assert all(action[1] == 0 < action[2] for action in sink.sent[:3]), "up before across"
    np.testing.assert_allclose(robot.tabletop.tool(), (-0.16, 0.0, 0.16), atol=0.006)
    after = robot.state()
    for thing in ("can", "brick", "block"):
        np.testing.assert_allclose(after[thing][:2], before[thing][:2], atol=0.005)


def test_only_known_ways(tmp_path: Path) -> None:
    assert [check_way(way) for way in ("own", "rest-pose", "cycle", "prompt")]
    with pytest.raises(UnknownNameError, match="did you mean rest-pose"):
        check_way("rest-pos")
    assert isinstance(GOAL, Goal)
