from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Condition, Event, Thread
from threading import enumerate as enumerate_threads

import numpy as np
import pytest
from recording_examples import same

from a2g_cli.episode import Goal, Observation, Outcome, Provenance, State, Vector
from a2g_cli.errors import HardwareError, RecordingError, SafetyStop
from a2g_cli.policy.policy import Plan, PlanRequest
from a2g_cli.recording.assemble import salvage
from a2g_cli.recording.reader import read_episode
from a2g_cli.robots.robot import EPISODE_LIMIT, Robot, Trial
from a2g_cli.robots.sim import SimRobot
from a2g_cli.session.recorder import Recorder
from a2g_cli.session.rollout import Job, RolloutSettings, limit_for, roll_out

RIGHT = np.array([0.01, 0.0, 0.0, 1.0], np.float32)


class Scripted:
    """Answers request i of an episode with ``chunk(request)``; keeps what it was asked."""

    name = "scripted"

    def __init__(
        self, chunk: Callable[[PlanRequest], np.ndarray], left: Callable[[int], float] | None = None, ahead: float = 0
    ) -> None:
        self._chunk, self._left, self._ahead = chunk, left or (lambda _: float("nan")), ahead
        self.asked: list[list[PlanRequest]] = []

    def plan(self, requests: Sequence[PlanRequest]) -> list[Plan]:
        self.asked.append(list(requests))
        return [Plan(self._chunk(request), self._left(request.index), ahead=self._ahead) for request in requests]


def steady(length: int = 3, ahead: float = 0) -> Scripted:
    return Scripted(lambda _: np.repeat(RIGHT[None], length, 0), ahead=ahead)


class Kept:
    """A sink in memory."""

    def __init__(self) -> None:
        self.observations: list[Observation] = []
        self.sent: list[Vector] = []
        self.outcome: Outcome | None = None
        self.abandoned = False

    def begin(self, first: Observation) -> None:
        self.observations.append(first)

    def append(self, requested: Vector, sent: Vector, observation: Observation) -> None:
        self.sent.append(sent)
        self.observations.append(observation)

    def finish(self, outcome: Outcome) -> None:
        assert self.outcome is None
        self.outcome = outcome

    def abandon(self) -> None:
        self.abandoned = True


@pytest.fixture(scope="module")
def robots() -> Iterator[list[SimRobot]]:
    made = [SimRobot(size=16) for _ in range(3)]
    for robot in made:
        robot.connect()
    yield made
    for robot in made:
        robot.close()


@pytest.fixture(scope="module")
def trials(robots: list[SimRobot]) -> list[Trial]:
    return [robots[0].trial("practice", 1, i) for i in range(5)]


def job(trial: Trial, sink: object, seed: int | None = None) -> Job:
    return Job(
        trial.goal, trial.index if seed is None else seed, lambda robot: begin(robot, trial.start), lambda _: sink
    )  # type: ignore[arg-type, return-value]


def begin(robot: Robot, start: State) -> None:
    assert isinstance(robot, SimRobot)
    robot.begin(start)


def roll(robot: SimRobot, trial: Trial, policy: Scripted, limit: int = 7, **settings: object) -> tuple[Kept, Outcome]:
    sink = Kept()
    done = list(roll_out([robot], [job(trial, sink)], policy, RolloutSettings(limit=limit, **settings)))  # type: ignore[arg-type]
    assert [index for index, _ in done] == [0]
    return sink, done[0][1]


def recorder(path: Path, trial: Trial, robot: SimRobot) -> Recorder:
    return Recorder(path, robot.spec, trial.goal, Provenance(robot.spec.name, "scripted", seed=trial.seed))


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
    asked = np.array([[5.0, 0, 0, 1]], np.float32)
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
    assert episode.sent[0][0] < 5


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


# -- endings that nobody wanted -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("asked_after", [1, 2, 4])
def test_an_interruption_finishes_the_step_saves_the_episode_and_rests(
    robots: list[SimRobot], trials: list[Trial], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked_after: int
) -> None:
    rests: list[int] = []
    monkeypatch.setattr(robots[0], "rest", lambda: rests.append(1))
    steps = iter(range(1, 100))
    acted = robots[0].act
    state = {"step": 0}

    def act(action: Vector) -> Vector:
        state["step"] = next(steps)
        return acted(action)

    monkeypatch.setattr(robots[0], "act", act)
    paths = [tmp_path / f"episode-{i}.hdf5" for i in range(3)]
    jobs = [job(trials[i], recorder(paths[i], trials[i], robots[0])) for i in range(3)]
    done = list(roll_out(robots[:1], jobs, steady(3), RolloutSettings(7), None, lambda: state["step"] >= asked_after))
    assert [(index, outcome.stopped_by) for index, outcome in done] == [(0, "interrupted")]
    assert rests == [1]
    episode = read_episode(paths[0])
    assert len(episode) == asked_after
    assert len(episode.observations) == asked_after + 1
    assert episode.outcome == done[0][1]
    assert sorted(tmp_path.iterdir()) == paths[:1]


def test_interrupted_before_the_first_episode_nothing_moves(robots: list[SimRobot], trials: list[Trial]) -> None:
    sink = Kept()
    assert list(roll_out(robots, [job(trials[0], sink)], steady(), RolloutSettings(), None, lambda: True)) == []
    assert sink.observations == []


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_an_action_that_is_no_number_stops_the_robot_and_saves_the_episode(
    robots: list[SimRobot], trials: list[Trial], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad: float
) -> None:
    rests: list[int] = []
    monkeypatch.setattr(robots[0], "rest", lambda: rests.append(1))
    chunk = np.stack([RIGHT, RIGHT, np.array([0, bad, 0, 1], np.float32), RIGHT])
    path = tmp_path / "one.hdf5"
    jobs = [job(trials[0], recorder(path, trials[0], robots[0])), job(trials[1], Kept())]
    with pytest.raises(SafetyStop, match="not a number"):
        list(roll_out(robots[:1], jobs, Scripted(lambda _: chunk), RolloutSettings(7)))
    assert rests == [1]
    episode = read_episode(path)
    assert len(episode) == 2
    assert episode.outcome is not None
    assert episode.outcome.stopped_by == "action-not-finite"
    assert list(tmp_path.iterdir()) == [path]


def test_an_action_that_is_no_number_at_once_leaves_no_empty_recording(
    robots: list[SimRobot], trials: list[Trial], tmp_path: Path
) -> None:
    policy = Scripted(lambda _: np.full((1, 4), np.nan, np.float32))
    with pytest.raises(SafetyStop):
        list(
            roll_out(
                robots[:1],
                [job(trials[0], recorder(tmp_path / "one.hdf5", trials[0], robots[0]))],
                policy,
                RolloutSettings(),
            )
        )
    assert list(tmp_path.iterdir()) == []


class Failing(SimRobot):
    """Fails in its third action."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(size=16)
        self._error, self._acted = error, 0

    def act(self, action: Vector) -> Vector:
        self._acted += 1
        if self._acted == 3:
            raise self._error
        return super().act(action)


@pytest.mark.parametrize(
    "error", [HardwareError("lost"), RecordingError("disk"), KeyboardInterrupt(), RuntimeError("a bug")], ids=repr
)
def test_when_the_robot_fails_what_was_recorded_can_be_salvaged(
    trials: list[Trial], tmp_path: Path, error: BaseException
) -> None:
    robot = Failing(error)
    robot.connect()
    path = tmp_path / "one.hdf5"
    try:
        with pytest.raises(type(error)):
            list(roll_out([robot], [job(trials[0], recorder(path, trials[0], robot))], steady(), RolloutSettings(7)))
    finally:
        robot.close()
    (left,) = tmp_path.iterdir()
    assert left.suffix == ".partial"
    assert len(read_episode(salvage(left))) == 2


def test_a_stop_by_the_robot_s_own_guard_saves_the_episode_and_rests(trials: list[Trial], tmp_path: Path) -> None:
    robot, rests = Failing(SafetyStop("too fast")), []
    robot.rest = lambda: rests.append(1)  # type: ignore[method-assign]
    robot.connect()
    path = tmp_path / "one.hdf5"
    try:
        with pytest.raises(SafetyStop, match="too fast"):
            list(roll_out([robot], [job(trials[0], recorder(path, trials[0], robot))], steady(), RolloutSettings(7)))
    finally:
        robot.close()
    assert rests == [1]
    episode = read_episode(path)
    assert len(episode) == 2
    assert episode.outcome is not None
    assert episode.outcome.stopped_by == "safety-stop"
    assert list(tmp_path.iterdir()) == [path]


def test_a_policy_that_fails_leaves_what_was_recorded(robots: list[SimRobot], trials: list[Trial]) -> None:
    def chunk(request: PlanRequest) -> np.ndarray:
        if request.index == 2:
            raise HardwareError("the GPU is gone")
        return RIGHT[None]

    sinks = [Kept(), Kept()]
    with pytest.raises(HardwareError):
        list(
            roll_out(
                robots[:2],
                [job(t, s) for t, s in zip(trials[:2], sinks, strict=True)],
                Scripted(chunk),
                RolloutSettings(7),
            )
        )
    for sink in sinks:
        assert len(sink.sent) == 2
        assert sink.abandoned
        assert sink.outcome is None


def test_whoever_stops_listening_leaves_nothing_open(robots: list[SimRobot], trials: list[Trial]) -> None:
    sinks = [Kept() for _ in range(3)]
    rolling = roll_out(
        robots[:2], [job(t, s) for t, s in zip(trials[:3], sinks, strict=True)], steady(), RolloutSettings(3)
    )
    next(rolling)
    rolling.close()
    assert [sink.outcome is not None or sink.abandoned for sink in sinks] == [True, True, False]


def test_one_lane_s_failure_abandons_the_others_too(robots: list[SimRobot], trials: list[Trial]) -> None:
    bad = Failing(HardwareError("lost"))
    bad.connect()
    sinks = [Kept(), Kept()]
    try:
        with pytest.raises(HardwareError):
            list(
                roll_out(
                    [robots[0], bad],
                    [job(t, s) for t, s in zip(trials[:2], sinks, strict=True)],
                    steady(),
                    RolloutSettings(7),
                )
            )
    finally:
        bad.close()
    assert [sink.abandoned for sink in sinks] == [True, True]


# -- brought to rest ------------------------------------------------------------------------------------------------------


class Full(Kept):
    """A sink whose disk takes one step."""

    def append(self, requested: Vector, sent: Vector, observation: Observation) -> None:
        if self.sent:
            raise RecordingError("the disk is full")
        super().append(requested, sent, observation)


class Unrecorded(Kept):
    """A sink that cannot even begin."""

    def begin(self, first: Observation) -> None:
        raise RecordingError("no room")


def resting(robot: SimRobot, monkeypatch: pytest.MonkeyPatch, error: Exception | None = None) -> list[str]:
    rests: list[str] = []

    def rest() -> None:
        rests.append("rest")
        if error is not None:
            raise error

    monkeypatch.setattr(robot, "rest", rest)
    return rests


@pytest.mark.parametrize("sink", [Full, Unrecorded])
def test_a_full_disk_brings_the_robot_to_rest(
    robots: list[SimRobot], trials: list[Trial], monkeypatch: pytest.MonkeyPatch, sink: type[Kept]
) -> None:
    rests = resting(robots[0], monkeypatch)
    with pytest.raises(RecordingError):
        list(roll_out(robots[:1], [job(trials[0], sink())], steady(), RolloutSettings(7)))
    assert rests == ["rest"]


@pytest.mark.parametrize("error", [HardwareError("lost"), KeyboardInterrupt(), RuntimeError("a bug")], ids=repr)
@pytest.mark.parametrize("rest_fails", [False, True])
def test_whatever_breaks_an_episode_off_brings_every_robot_to_rest_and_stays_the_error(
    robots: list[SimRobot],
    trials: list[Trial],
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    rest_fails: bool,
) -> None:
    bad = Failing(error)
    bad.connect()
    lanes, sinks = [robots[0], bad, robots[1]], [Kept() for _ in range(3)]
    refused = HardwareError("no brake") if rest_fails else None
    rests = [resting(lane, monkeypatch, refused) for lane in lanes]
    try:
        with pytest.raises(type(error)) as caught:
            list(
                roll_out(
                    lanes, [job(t, s) for t, s in zip(trials[:3], sinks, strict=True)], steady(), RolloutSettings(7)
                )
            )
    finally:
        bad.close()
    assert caught.value is error
    assert rests == [["rest"]] * 3
    assert all(sink.abandoned for sink in sinks)
    told = "The robot could not be brought to rest: no brake"
    assert getattr(error, "__notes__", []) == [told] * 3 * rest_fails


def test_a_policy_that_fails_brings_every_robot_to_rest(
    robots: list[SimRobot], trials: list[Trial], monkeypatch: pytest.MonkeyPatch
) -> None:
    def chunk(request: PlanRequest) -> np.ndarray:
        if request.index == 1:
            raise RuntimeError("out of memory")
        return RIGHT[None]

    rests = [resting(robot, monkeypatch) for robot in robots[:2]]
    with pytest.raises(RuntimeError, match="out of memory"):
        list(roll_out(robots[:2], [job(t, Kept()) for t in trials[:2]], Scripted(chunk), RolloutSettings(7)))
    assert rests == [["rest"]] * 2


def test_whoever_stops_listening_leaves_no_robot_moving(
    robots: list[SimRobot], trials: list[Trial], monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = Scripted(lambda request: np.repeat(RIGHT[None], 3 if request.seed == 0 else 1, 0))
    rests = [resting(robot, monkeypatch) for robot in robots[:2]]
    rolling = roll_out(robots[:2], [job(t, Kept()) for t in trials[:2]], policy, RolloutSettings(3))
    next(rolling)
    rolling.close()
    assert rests == [[], ["rest"]]  # the first lane's episode had ended


def test_a_robot_that_is_stopped_on_its_way_to_the_start_is_brought_to_rest(
    robots: list[SimRobot], trials: list[Trial], monkeypatch: pytest.MonkeyPatch
) -> None:
    def prepare(robot: Robot) -> None:
        raise KeyboardInterrupt

    rests = resting(robots[0], monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        list(roll_out(robots[:1], [Job(trials[0].goal, 0, prepare, lambda _: Kept())], steady(), RolloutSettings()))
    assert rests == ["rest"]


def test_a_safety_stop_saves_the_episode_even_when_the_robot_cannot_rest(
    robots: list[SimRobot], trials: list[Trial], monkeypatch: pytest.MonkeyPatch
) -> None:
    resting(robots[0], monkeypatch, HardwareError("no brake"))
    sink, chunk = Kept(), np.stack([RIGHT, np.full(4, np.nan, np.float32)])
    with pytest.raises(SafetyStop, match="not a number") as caught:
        list(roll_out(robots[:1], [job(trials[0], sink)], Scripted(lambda _: chunk), RolloutSettings()))
    assert caught.value.__notes__ == ["The robot could not be brought to rest: no brake"]
    assert sink.outcome is not None
    assert not sink.abandoned


# -- the control period ---------------------------------------------------------------------------------------------------


class FakeClock:
    """Moves when it is slept on, or told that something took time."""

    def __init__(self) -> None:
        self.moment = 100.0

    def now(self) -> float:
        return self.moment

    def sleep_until(self, moment: float) -> None:
        self.moment = max(self.moment, moment)


class Hardware(SimRobot):
    """Observation i takes ``cost(i)`` [s] of a clock that does not wait; keeps when it was moved."""

    def __init__(self, cost: Callable[[int], float]) -> None:
        super().__init__(size=16)
        self.real, self.cost, self.moved, self.seen = FakeClock(), cost, list[float](), 0

    @property
    def clock(self) -> FakeClock:  # type: ignore[override]
        return self.real

    def act(self, action: Vector) -> Vector:
        self.moved.append(self.real.now())
        return super().act(action)

    def observe(self) -> Observation:
        self.real.moment += self.cost(self.seen)
        self.seen += 1
        return super().observe()


def between(trial: Trial, cost: Callable[[int], float], policy: Scripted, limit: int) -> list[float]:
    """Return the times between actions [s], the control period being 0.1 s."""
    robot = Hardware(cost)
    robot.connect()
    try:
        roll(robot, trial, policy, limit)
    finally:
        robot.close()
    return np.diff(robot.moved).tolist()


def test_the_rate_is_kept_although_observing_takes_time(trials: list[Trial]) -> None:
    # The first action opens the schedule; from then on each goes out as late in its period as the last observation took.
    assert between(trials[0], lambda _: 0.07, steady(50), 6) == pytest.approx([0.17, *[0.1] * 4])


def test_a_step_that_came_late_is_not_made_up_for(trials: list[Trial]) -> None:
    costs = {2: 0.25}
    assert between(trials[0], lambda i: costs.get(i, 0.0), steady(50), 6) == pytest.approx([0.1, 0.35, 0.1, 0.1, 0.1])


def test_a_plan_begins_a_new_schedule(trials: list[Trial]) -> None:
    robot = Hardware(lambda _: 0.0)
    robot.connect()

    def chunk(request: PlanRequest) -> np.ndarray:
        robot.real.moment += 0.04  # thinking
        return np.repeat(RIGHT[None], 2, 0)

    try:
        roll(robot, trials[0], Scripted(chunk), 6)
    finally:
        robot.close()
    assert np.diff(robot.moved).tolist() == pytest.approx([0.1, 0.14, 0.1, 0.14, 0.1])


# -- a plan that is made while the present chunk runs ---------------------------------------------------------------------


@pytest.mark.parametrize("ahead", [1, 2, 3, 5])
def test_a_plan_asked_for_early_follows_the_chunk_that_runs(
    robots: list[SimRobot], trials: list[Trial], ahead: int
) -> None:
    policy = Scripted(lambda request: np.full((3, 4), request.index / 1000, np.float32), ahead=ahead)
    sink, _ = roll(robots[0], trials[0], policy, 11)
    asked = [requests[0] for requests in policy.asked]
    early = min(ahead, 3)  # of a chunk of three actions, no more than three are left
    assert [request.ahead for request in asked] == [0, early, early, early]
    assert [request.index for request in asked] == [0, 1, 2, 3]
    at = [next(i for i, seen in enumerate(sink.observations) if seen is request.observation) for request in asked]
    assert at == [0, 3 - early, 6 - early, 9 - early]
    np.testing.assert_allclose(np.stack(sink.sent)[:, 0], np.repeat([0, 0.001, 0.002, 0.003], 3)[:11])


def test_no_plan_is_asked_for_that_could_not_begin(robots: list[SimRobot], trials: list[Trial]) -> None:
    policy = steady(3, ahead=2)
    roll(robots[0], trials[0], policy, 6)
    assert len(policy.asked) == 2
    policy = steady(3, ahead=2)
    roll(robots[0], trials[0], policy, 7)
    assert len(policy.asked) == 3


class SharedClock(FakeClock):
    """A clock that others wait for: the robot's thread moves it, a planner's thread lets it pass."""

    def __init__(self) -> None:
        super().__init__()
        self._moved = Condition()

    def sleep_until(self, moment: float) -> None:
        with self._moved:
            super().sleep_until(moment)
            self._moved.notify_all()

    def wait_for(self, moment: float) -> None:
        with self._moved:
            assert self._moved.wait_for(lambda: self.moment >= moment - 1e-9, timeout=60)


class Timed(Hardware):
    """Says in every observation when it was made, on a clock that the planner shares."""

    def __init__(self) -> None:
        super().__init__(lambda _: 0.0)
        self.real: SharedClock = SharedClock()

    def observe(self) -> Observation:
        return replace(super().observe(), time=self.real.now())


class Thinking(Scripted):
    """Takes ``seconds`` [s] of the robot's clock for a plan, of which ``late`` [s] are left when the robot waits for it."""

    def __init__(self, clock: SharedClock, seconds: float, ahead: float, late: float) -> None:
        super().__init__(lambda _: np.repeat(RIGHT[None], 4, 0), ahead=ahead)
        self._clock, self._seconds, self._late = clock, seconds, late

    def plan(self, requests: Sequence[PlanRequest]) -> list[Plan]:
        if requests[0].ahead:
            self._clock.wait_for(requests[0].observation.time + self._seconds - self._late)
            self._clock.moment += self._late
        else:
            self._clock.moment += self._seconds
        return super().plan(requests)


def thinking(trial: Trial, seconds: float, ahead: float, late: float = 0.0) -> tuple[list[float], list[float]]:
    """Return the times between actions and between kept observations [s], the control period being 0.1 s."""
    robot = Timed()
    robot.connect()
    try:
        sink, _ = roll(robot, trial, Thinking(robot.real, seconds, ahead, late), 12)
    finally:
        robot.close()
    return np.diff(robot.moved).tolist(), np.diff([seen.time for seen in sink.observations]).tolist()


@pytest.mark.parametrize(("seconds", "ahead"), [(0.15, 2), (0.1, 1), (0.03, 0.3), (0.14, 1.5)])
def test_while_a_plan_is_made_no_control_period_is_missed(trials: list[Trial], seconds: float, ahead: float) -> None:
    acts, sights = thinking(trials[0], seconds, ahead)
    assert acts == pytest.approx([0.1] * 11)
    assert sights[1:] == pytest.approx([0.1] * 11)  # nothing moves before the first plan


def test_a_robot_that_waits_for_its_plans_stands_still_meanwhile(trials: list[Trial]) -> None:
    acts, sights = thinking(trials[0], 0.15, ahead=0)
    assert acts == pytest.approx([0.1, 0.1, 0.1, 0.25, 0.1, 0.1, 0.1, 0.25, 0.1, 0.1, 0.1])
    assert sights[1:] == pytest.approx([0.1, 0.1, 0.1, 0.25, 0.1, 0.1, 0.1, 0.25, 0.1, 0.1, 0.1])


def test_a_plan_that_comes_late_costs_its_delay_and_no_more(trials: list[Trial]) -> None:
    # 0.03 s late: its first action goes out late in its period, the next one in time again.
    acts, _ = thinking(trials[0], 0.13, ahead=1, late=0.03)
    assert acts == pytest.approx([0.1, 0.1, 0.1, 0.13, 0.07, 0.1, 0.1, 0.13, 0.07, 0.1, 0.1])


@pytest.mark.parametrize(("ahead", "early"), [(0.3, 0.3), (1.25, 0.25)])
def test_a_plan_within_a_period_is_made_from_what_is_seen_then_and_only_for_the_plan(
    trials: list[Trial], ahead: float, early: float
) -> None:
    robot, policy = Timed(), steady(3, ahead)
    robot.connect()
    try:
        sink, _ = roll(robot, trials[0], policy, 9)
    finally:
        robot.close()
    asked = [requests[0] for requests in policy.asked]
    assert [request.ahead for request in asked] == [0, ahead, ahead]
    ends = [sink.observations[3 - int(ahead)].time, sink.observations[6 - int(ahead)].time]
    assert [request.observation.time for request in asked[1:]] == pytest.approx([end - 0.1 * early for end in ends])
    assert not {id(request.observation) for request in asked[1:]} & {id(seen) for seen in sink.observations}
    assert len(sink.observations) == 10


def test_the_robot_goes_on_while_a_plan_is_made(robots: list[SimRobot], trials: list[Trial]) -> None:
    # The second plan is not made before the third step is taken: in one thread the two would wait for each other for ever.
    stepped = Event()

    class Watcher:
        def planned(self, *_: object) -> None: ...

        def stepped(self, step: int, *_: object) -> None:
            if step == 3:
                stepped.set()

    def chunk(request: PlanRequest) -> np.ndarray:
        if request.index:
            assert stepped.wait(60)
        return np.repeat(RIGHT[None], 3, 0)

    policy = Scripted(chunk, ahead=2)
    done = list(roll_out(robots[:1], [job(trials[0], Kept())], policy, RolloutSettings(5), Watcher()))
    assert [outcome.stopped_by for _, outcome in done] == ["steps"]


@pytest.mark.parametrize("error", [HardwareError("the GPU is gone"), RuntimeError("a bug")], ids=repr)
def test_what_goes_wrong_in_a_plan_that_is_made_ahead_is_told_and_brings_every_robot_to_rest(
    robots: list[SimRobot], trials: list[Trial], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def chunk(request: PlanRequest) -> np.ndarray:
        if request.index == 1:
            raise error
        return np.repeat(RIGHT[None], 3, 0)

    rests = [resting(robot, monkeypatch) for robot in robots[:2]]
    sinks = [Kept(), Kept()]
    jobs = [job(t, s) for t, s in zip(trials[:2], sinks, strict=True)]
    with pytest.raises(type(error)) as caught:
        list(roll_out(robots[:2], jobs, Scripted(chunk, ahead=1), RolloutSettings(9)))
    assert caught.value is error
    assert rests == [["rest"]] * 2
    assert [sink.abandoned for sink in sinks] == [True, True]
    assert len(sinks[0].sent) == 3  # the chunk that ran was run to its end


def planners() -> list[Thread]:
    return [thread for thread in enumerate_threads() if thread.name.startswith("planner")]


def test_an_interruption_does_not_begin_what_was_being_planned(
    robots: list[SimRobot], trials: list[Trial], monkeypatch: pytest.MonkeyPatch
) -> None:
    rests, policy, sink = resting(robots[0], monkeypatch), steady(3, ahead=2), Kept()
    done = list(
        roll_out(robots[:1], [job(trials[0], sink)], policy, RolloutSettings(9), None, lambda: len(sink.sent) == 2)
    )
    assert [(outcome.stopped_by, len(sink.sent)) for _, outcome in done] == [("interrupted", 2)]
    assert rests == ["rest"]
    assert planners() == []


@pytest.mark.parametrize("error", [SafetyStop("too fast"), KeyboardInterrupt(), HardwareError("lost")], ids=repr)
def test_a_robot_that_stops_while_a_plan_is_made_is_at_rest_before_anyone_waits_for_the_plan(
    trials: list[Trial], error: BaseException
) -> None:
    rested = Event()
    robot = Failing(error)  # in its third action: the next plan is being made
    robot.rest = rested.set  # type: ignore[method-assign]
    robot.connect()

    def chunk(request: PlanRequest) -> np.ndarray:
        assert not request.index or rested.wait(60)
        return np.repeat(RIGHT[None], 4, 0)

    sink = Kept()
    try:
        with pytest.raises(type(error)) as caught:
            list(roll_out([robot], [job(trials[0], sink)], Scripted(chunk, ahead=2), RolloutSettings(9)))
    finally:
        robot.close()
    assert caught.value is error
    assert rested.is_set()
    assert sink.abandoned != isinstance(error, SafetyStop)
    assert planners() == []


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

        def planned(self, observation: object, imagined: object, steps_to_go: float, seconds: float) -> None:
            assert seconds >= 0
            self.told.append(("plan", steps_to_go))

        def stepped(self, step: int, observation: object, steps_to_go: float) -> None:
            self.told.append(("step", step))

    watcher = Watcher()
    policy = Scripted(lambda _: np.repeat(RIGHT[None], 2, 0), lambda index: 10.0 + index)
    list(roll_out(robots[:1], [job(trials[0], Kept())], policy, RolloutSettings(limit=3), watcher))
    assert watcher.told == [("plan", 10.0), ("step", 1), ("step", 2), ("plan", 11.0), ("step", 3)]
