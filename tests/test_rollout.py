import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recording_examples import same
from rollout_examples import RIGHT, Kept, Scripted, job, recorder, roll, steady

from a2g_cli.core.types import Goal
from a2g_cli.data.recording.reader import read_episode
from a2g_cli.policies.base import Plan, PlanRequest
from a2g_cli.robots.base import EPISODE_LIMIT, Trial
from a2g_cli.robots.sim import SimRobot
from a2g_cli.runtime.rollout import roll_out
from a2g_cli.runtime.termination import RolloutSettings, limit_for

# -- one episode ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
@pytest.mark.parametrize("chunk", [1, 3, 50])
def test_an_episode_has_exactly_as_many_actions_as_the_limit_and_one_frame_more(
    robots: list[SimRobot], trials: list[Trial], limit: int, chunk: int
) -> None:
    policy = steady(chunk)
    sink, outcome = roll(robots[0], trials[0], policy, limit)
    assert len(sink.sent) == limit
    assert len(sink.observations) == limit + 1
    assert outcome == sink.outcome
    assert (outcome.success, outcome.judge, outcome.stopped_by) == (False, "truth", "steps")
    assert len(policy.asked) == -(-limit // chunk)
    assert not sink.abandoned


class Hurried(SimRobot):
    """A robot whose task allows six actions."""

    limit = 6  # type: ignore[assignment]


def test_without_a_limit_an_episode_is_as_long_as_the_robot_s_own_task_allows(trials: list[Trial]) -> None:
    robot, sink = Hurried(size=16), Kept()
    robot.connect()
    try:
        list(roll_out([robot], [job(trials[0], sink)], steady(), RolloutSettings()))
    finally:
        robot.close()
    assert len(sink.sent) == 6


def test_whoever_says_nothing_of_a_limit_has_a_general_one() -> None:
    assert limit_for(SimRobot(size=16), RolloutSettings()) == SimRobot(size=16).task.limit
    assert limit_for(SimRobot(size=16), RolloutSettings(limit=3)) == 3
    assert limit_for(object(), RolloutSettings()) == EPISODE_LIMIT  # type: ignore[arg-type]


def test_a_plan_is_asked_for_from_the_latest_observation(robots: list[SimRobot], trials: list[Trial]) -> None:
    policy = steady(3)
    sink, _ = roll(robots[0], trials[0], policy, 7)
    asked = [requests[0] for requests in policy.asked]
    assert [request.index for request in asked] == [0, 1, 2]
    assert {request.seed for request in asked} == {trials[0].index}
    assert [request.observation for request in asked] == [sink.observations[i] for i in (0, 3, 6)]
    assert all(request.goal is trials[0].goal for request in asked)


def test_actions_go_out_in_order_once_a_control_period(robots: list[SimRobot], trials: list[Trial]) -> None:
    chunk = np.array([[0.01 * i / 7, 0, 0, 1] for i in range(7)], np.float32)
    sink, _ = roll(robots[0], trials[0], Scripted(lambda _: chunk), 7)
    np.testing.assert_array_equal(np.stack(sink.sent), chunk)
    times = np.array([observation.time for observation in sink.observations])
    np.testing.assert_allclose(np.diff(times), 1 / robots[0].spec.rate)


def test_the_next_observation_waits_for_the_end_of_the_control_period(
    robots: list[SimRobot], trials: list[Trial], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The simulator's clock jumps by itself; hardware must be waited for.
    robot, order = robots[0], []
    act, observe = robot.act, robot.observe
    monkeypatch.setattr(robot, "act", lambda action: (order.append(("act", robot.clock.now())), act(action))[1])
    monkeypatch.setattr(robot, "observe", lambda: (order.append(("observe", 0.0)), observe())[1])
    monkeypatch.setattr(robot.clock, "sleep_until", lambda moment: order.append(("sleep", moment)))
    roll(robot, trials[0], steady(), 2)
    assert [what for what, _ in order] == ["observe", "act", "sleep", "observe", "act", "sleep", "observe"]
    for i in (1, 4):
        assert order[i + 1][1] == pytest.approx(order[i][1] + 1 / robot.spec.rate)


def test_what_is_kept_is_what_was_sent_after_the_limits(
    robots: list[SimRobot], trials: list[Trial], tmp_path: Path
) -> None:
    asked = np.array([[0.05, 0, 0, 1]], np.float32)
    path = tmp_path / "one.hdf5"
    list(
        roll_out(
            [robots[0]],
            [job(trials[0], recorder(path, trials[0], robots[0]))],
            Scripted(lambda _: asked),
            RolloutSettings(2),
        )
    )
    episode = read_episode(path)
    np.testing.assert_array_equal(episode.requested[0], asked[0])
    np.testing.assert_array_equal(episode.sent[0], robots[0].spec.clip(asked[0]))
    assert episode.sent[0][0] < asked[0][0]


def test_the_policy_s_last_estimate_is_kept_where_it_has_one(robots: list[SimRobot], trials: list[Trial]) -> None:
    _, outcome = roll(robots[0], trials[0], Scripted(lambda _: RIGHT[None], lambda index: 9.0 - index), 3)
    assert outcome.steps_to_go == 7.0
    assert roll(robots[0], trials[0], steady(), 3)[1].steps_to_go is None


@pytest.mark.parametrize(
    ("estimates", "steps", "reason"),
    [
        ([5, 1, 1, 9, 9], 2 * 2, "arrived"),  # the third plan is the second below: its chunk is not begun
        ([1, 5, 1, 5, 1], 7, "steps"),  # never twice running
        ([2, 2, 2, 2, 2], 7, "steps"),  # below, not at
        ([1, 1, 9, 9, 9], 1 * 2, "arrived"),
    ],
)
def test_it_ends_where_two_plans_running_say_that_it_has_arrived(
    robots: list[SimRobot], trials: list[Trial], estimates: list[float], steps: int, reason: str
) -> None:
    policy = Scripted(lambda _: np.repeat(RIGHT[None], 2, 0), lambda index: float(estimates[index]))
    sink, outcome = roll(robots[0], trials[0], policy, 7, arrived_below=2.0)
    assert (outcome.stopped_by, len(sink.sent)) == (reason, steps)


def test_without_a_threshold_no_estimate_ends_an_episode(robots: list[SimRobot], trials: list[Trial]) -> None:
    sink, outcome = roll(robots[0], trials[0], Scripted(lambda _: RIGHT[None], lambda _: 0.0), 5)
    assert (outcome.stopped_by, len(sink.sent)) == ("steps", 5)


# -- success --------------------------------------------------------------------------------------------------------------


class Truth(SimRobot):
    """A robot whose truth follows a script: one answer a step."""

    def __init__(self, answers: Sequence[bool]) -> None:
        super().__init__(size=16)
        self._answers = iter(answers)

    def succeeded(self, goal: Goal) -> bool:
        return next(self._answers)


@pytest.mark.parametrize(
    ("answers", "success"),
    [
        ("0000000", False),
        ("1100000", False),
        ("1110000", True),  # that it is undone later does not take it back
        ("0000111", True),
        ("0000011", False),
        ("1101101", False),  # never three without a break
        ("1101110", True),
    ],
)
@pytest.mark.parametrize("stop", [False, True])
def test_success_is_truth_that_holds_without_a_break(
    trials: list[Trial], answers: str, success: bool, stop: bool
) -> None:
    robot = Truth([answer == "1" for answer in answers])
    robot.connect()
    try:
        sink, outcome = roll(robot, trials[0], steady(), 7, hold=3, stop_on_truth=stop)
    finally:
        robot.close()
    assert (outcome.success, outcome.judge) == (success, "truth")
    stopped = stop and success
    assert outcome.stopped_by == ("success" if stopped else "steps")
    assert len(sink.sent) == (answers.index("111") + 3 if stopped else 7)


def test_a_goal_without_truth_is_judged_by_nobody(robots: list[SimRobot], trials: list[Trial]) -> None:
    trial = replace(trials[0], goal=replace(trials[0].goal, truth=None))
    _, outcome = roll(robots[0], trial, steady(), 2)
    assert (outcome.success, outcome.judge) == (None, "none")


def test_the_simulator_s_own_truth_is_a_success(robots: list[SimRobot], trials: list[Trial]) -> None:
    assert trials[0].goal.truth is not None
    solved = replace(trials[0], start=trials[0].goal.truth)
    still = Scripted(lambda _: np.array([[0, 0, 0, 1]], np.float32))
    assert roll(robots[0], solved, still, 5)[1].success is True
    assert roll(robots[0], solved, still, 4)[1].success is False  # held for four steps, not for five


# -- lanes ----------------------------------------------------------------------------------------------------------------


def wobble(request: PlanRequest) -> np.ndarray:
    random = np.random.default_rng([request.seed, request.index])
    moves = random.uniform(-0.02, 0.02, (2, 4)).astype(np.float32)
    moves[:, 3] = 1
    # ... and it looks at what it sees, so that a mixed-up observation would show.
    moves[:, 0] += np.float32(request.observation.proprioception[0] * 0.01)
    return moves


@pytest.mark.parametrize("ahead", [0, 0.5, 1])
def test_lanes_in_lockstep_record_what_one_robot_alone_records(
    robots: list[SimRobot], trials: list[Trial], tmp_path: Path, ahead: float
) -> None:
    policy = Scripted(wobble, ahead=ahead)
    recorded = {}
    for lanes in (1, 3):
        folder = tmp_path / str(lanes)
        paths = [folder / f"episode-{i}.hdf5" for i in range(5)]
        jobs = [job(trials[i], recorder(paths[i], trials[i], robots[0])) for i in range(5)]
        done = list(roll_out(robots[:lanes], jobs, policy, RolloutSettings(limit=5)))
        assert sorted(index for index, _ in done) == [0, 1, 2, 3, 4]
        recorded[lanes] = [read_episode(path) for path in paths]
    for alone, together in zip(recorded[1], recorded[3], strict=True):
        start = [episode.observations[0].time for episode in (alone, together)]
        for episode, begun in zip((alone, together), start, strict=True):
            # Simulated clocks run on from episode to episode; everything else is equal to the last bit.
            for i, seen in enumerate(episode.observations):
                captured = {camera: round(moment - begun, 6) for camera, moment in seen.captured_at.items()}
                episode.observations[i] = replace(seen, time=round(seen.time - begun, 6), captured_at=captured)
        assert same(alone, together)


def test_in_a_simulation_asking_within_the_last_period_is_asking_at_its_end(
    robots: list[SimRobot], trials: list[Trial]
) -> None:
    waited, _ = roll(robots[0], trials[0], Scripted(wobble), 9)
    ahead, _ = roll(robots[0], trials[0], Scripted(wobble, ahead=0.5), 9)
    np.testing.assert_array_equal(np.stack(waited.sent), np.stack(ahead.sent))
    for one, other in zip(waited.observations, ahead.observations, strict=True):
        np.testing.assert_array_equal(one.images["front"], other.images["front"])
        np.testing.assert_array_equal(one.proprioception, other.proprioception)


def test_all_lanes_are_planned_for_in_one_pass(robots: list[SimRobot], trials: list[Trial]) -> None:
    policy = steady(2)
    jobs = [job(trial, Kept()) for trial in trials]
    assert len(list(roll_out(robots, jobs, policy, RolloutSettings(limit=4)))) == 5
    assert [len(requests) for requests in policy.asked] == [3, 3, 2, 2]


def test_a_free_lane_takes_the_next_job(robots: list[SimRobot], trials: list[Trial]) -> None:
    # The first episode says at once that it has arrived; its lane begins the third while the second goes on.
    class Uneven(Scripted):
        def plan(self, requests: Sequence[PlanRequest]) -> list[Plan]:
            self.asked.append(list(requests))
            return [Plan(RIGHT[None], 0.0 if request.seed == 0 else 50.0) for request in requests]

    policy = Uneven(lambda _: RIGHT[None])
    jobs = [job(trials[i], Kept()) for i in range(3)]
    done = list(roll_out(robots[:2], jobs, policy, RolloutSettings(limit=4, arrived_below=1.0)))
    assert [index for index, _ in done] == [0, 1, 2]
    assert [sorted(request.seed for request in requests) for requests in policy.asked][:4] == [
        [0, 1],
        [0, 1],
        [1, 2],
        [1, 2],
    ]


def test_watchers_see_every_plan_and_every_step(robots: list[SimRobot], trials: list[Trial]) -> None:
    class Watcher:
        def __init__(self) -> None:
            self.told: list[tuple[str, float]] = []

        def began(self, goal: Goal, limit: int) -> None:
            self.told.append((goal.name, limit))

        def planned(self, observation: object, imagined: object, steps_to_go: float, seconds: float) -> None:
            assert seconds >= 0
            self.told.append(("plan", steps_to_go))

        def stepped(self, step: int, observation: object, steps_to_go: float) -> None:
            self.told.append(("step", step))

    watcher = Watcher()
    policy = Scripted(lambda _: np.repeat(RIGHT[None], 2, 0), lambda index: 10.0 + index)
    jobs = [job(trials[0], Kept()), job(trials[1], Kept())]  # of two robots a watcher sees the first
    list(roll_out(robots[:2], jobs, policy, RolloutSettings(limit=3), watcher))
    assert watcher.told == [
        (trials[0].goal.name, 3),
        ("plan", 10.0),
        ("step", 1),
        ("step", 2),
        ("plan", 11.0),
        ("step", 3),
    ]


# -- the policy's episodes ------------------------------------------------------------------------------------------------


class Remembering(Scripted):
    """Keeps something for every episode; a request of an episode that it does not know is an error."""

    def __init__(self, ahead: float, seconds: float) -> None:
        super().__init__(lambda _: np.repeat(RIGHT[None], 2, 0), ahead=ahead)
        self.seconds, self.slots, self.ended = seconds, dict[int, int](), list[int]()

    def start_episode(self, seed: int, slot: int) -> dict[str, Any]:
        assert seed not in self.slots
        self.slots[seed] = slot
        return {"slot": slot}

    def end_episode(self, seed: int) -> None:
        self.ended.append(self.slots.pop(seed))

    def plan(self, requests: Sequence[PlanRequest]) -> list[Plan]:
        for request in requests:
            assert request.seed in self.slots
            time.sleep(self.seconds)
            assert request.seed in self.slots, "an episode ended while it was planned for"
        return super().plan(requests)


@pytest.mark.parametrize(("ahead", "seconds"), [(0.0, 0.0), (1.0, 0.0), (1.0, 0.02)])
def test_a_policy_is_told_of_the_beginning_and_of_the_end_of_every_episode(
    robots: list[SimRobot], trials: list[Trial], ahead: float, seconds: float
) -> None:
    policy, notes = Remembering(ahead, seconds), [dict[str, Any]() for _ in trials]
    jobs = [replace(job(trial, Kept()), slot=10 + i, note=notes[i].update) for i, trial in enumerate(trials)]
    # Interrupted in the middle of a chunk: the plan that was requested ahead is still being made when the episode ends.
    calls = iter(range(1000))
    done = list(roll_out(robots[:2], jobs, policy, RolloutSettings(limit=5), None, lambda: next(calls) == 8))
    assert len(done) == len(trials)
    assert notes == [{"slot": 10 + i} for i in range(len(trials))]
    assert sorted(policy.ended) == [10 + i for i in range(len(trials))]
    assert not policy.slots


def test_a_policy_is_told_of_the_end_of_episodes_that_break_off(robots: list[SimRobot], trials: list[Trial]) -> None:
    class Failing(Remembering):
        def plan(self, requests: Sequence[PlanRequest]) -> list[Plan]:
            if requests[0].index == 1:
                raise RuntimeError("no plan")
            return super().plan(requests)

    policy = Failing(0.0, 0.0)
    jobs = [job(trial, Kept()) for trial in trials]
    with pytest.raises(RuntimeError, match="no plan"):
        list(roll_out(robots[:2], jobs, policy, RolloutSettings(limit=5)))
    assert not policy.slots
