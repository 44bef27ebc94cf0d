from collections.abc import Callable, Sequence
from dataclasses import replace
from threading import Condition, Event, Thread
from threading import enumerate as enumerate_threads

import numpy as np
import pytest
from rollout_examples import RIGHT, Failing, Kept, Scripted, job, resting, roll, steady

from a2g_cli.core.errors import HardwareError, SafetyStop
from a2g_cli.core.types import Observation, Vector
from a2g_cli.policies.base import Plan, PlanRequest
from a2g_cli.robots.base import Trial
from a2g_cli.robots.sim import SimRobot
from a2g_cli.runtime.rollout import roll_out
from a2g_cli.runtime.termination import RolloutSettings

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
        now = self.real.now()
        return replace(super().observe(), time=now, captured_at={"front": now})


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
        def began(self, *_: object) -> None: ...

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
    assert sink.abandoned == isinstance(error, KeyboardInterrupt)
    assert planners() == []
