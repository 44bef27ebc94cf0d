"""A plan that is late on a robot in real time: the robot continues its old plan, and then blends into the new one."""

import time
from collections.abc import Callable
from threading import Event, Timer

import numpy as np
import pytest
from bench_robot import GOAL, BenchRobot
from rollout_examples import Kept

from a2g_cli.core.errors import SafetyStop
from a2g_cli.core.safety_limits import SafetyLimits
from a2g_cli.policies.base import Plan, PlanRequest, Policy
from a2g_cli.runtime.blending import CROSSING, blended
from a2g_cli.runtime.rollout import Job, roll_out
from a2g_cli.runtime.termination import RolloutSettings

EXECUTE, TAIL = 4, 4


def plan(value: float, tail: int = TAIL, ahead: float = 1.0) -> Plan:
    """Asks for ``value`` all along: a jump to another plan would show."""
    actions = np.tile(np.array([value, 0.0], np.float32), (EXECUTE + tail, 1))
    return Plan(actions[:EXECUTE], float("nan"), ahead=ahead, tail=actions[EXECUTE:])


class Late(Policy):
    """Plan i asks for ``0.1 * i``; the second one is made only when ``until`` is set."""

    name = "late"

    def __init__(self, until: Event, tail: int = TAIL) -> None:
        self._until, self._tail = until, tail

    def plan(self, requests: list[PlanRequest]) -> list[Plan]:
        if requests[0].index == 1:
            assert self._until.wait(60)
        return [plan(0.1 * request.index, self._tail) for request in requests]


class OnTheWall(BenchRobot):
    """Its clock is not the machine's, but a wait for a plan takes no less of it; ``when`` is told of every action."""

    def __init__(self, when: Callable[["OnTheWall"], None], real: bool = True) -> None:
        super().__init__(real)
        self._when = when

    def act(self, action: np.ndarray) -> np.ndarray:
        sent = super().act(action)
        self._when(self)
        return sent


def run(robot: BenchRobot, policy: object, limit: int, **limits: object) -> tuple[Kept, str]:
    sink = Kept()
    settings = RolloutSettings(limit=limit, safety=SafetyLimits(**limits))  # type: ignore[arg-type]
    [(_, outcome)] = roll_out([robot], [Job(GOAL, 0, lambda _: None, lambda _: sink)], policy, settings)  # type: ignore[list-item, arg-type]
    return sink, outcome.stopped_by


def asked(sink: Kept) -> list[float]:
    return [round(float(action[0]), 4) for action in sink.sent]


def after(count: int, event: Event) -> Callable[[OnTheWall], None]:
    def when(robot: OnTheWall) -> None:
        if len(robot.sent) == count:
            event.set()
            time.sleep(0.1)  # the planner's thread goes on meanwhile

    return when


def test_a_plan_in_time_begins_where_the_chunk_ends() -> None:
    event = Event()
    sink, _ = run(OnTheWall(after(4, event)), Late(event), 8)
    assert asked(sink) == [0.0] * 4 + [0.1] * 4


@pytest.mark.parametrize("late", [1, 2, 3])
def test_a_late_plan_is_crossed_over_to_and_no_period_is_missed(late: int) -> None:
    event = Event()
    robot = OnTheWall(after(4 + late, event))
    sink, _ = run(robot, Late(event), 4 + late + EXECUTE)
    crossing = min(CROSSING, TAIL - late)
    ramp = [round(0.1 * (k + 1) / (crossing + 1), 4) for k in range(crossing)]
    # Late by so many periods, its first actions are left out: what it still holds is executed, four at most.
    assert asked(sink)[: 4 + late + EXECUTE] == [0.0] * (4 + late) + ramp + [0.1] * (EXECUTE - crossing)
    assert np.diff(robot.moved) == pytest.approx([0.1] * (len(sink.sent) - 1))
    assert "rest" not in robot.done


def test_nothing_left_to_go_on_with_means_rest_until_the_plan_is_there() -> None:
    event = Event()

    class Resting(OnTheWall):
        def rest(self) -> None:
            super().rest()
            event.set()

    robot = Resting(lambda _: None)
    sink, reason = run(robot, Late(event, tail=2), 10)
    assert reason == "steps"
    assert asked(sink)[:6] == [0.0] * 6  # the chunk, and both actions of the tail
    assert robot.done[:7] == ["act"] * 6 + ["rest"]


def test_whoever_waits_for_a_plan_is_still_watched() -> None:
    event = Event()

    class Resting(OnTheWall):
        def rest(self) -> None:
            super().rest()
            self.clock.moment += 50.0  # a planner that hangs

    robot = Resting(lambda _: None)
    letting_go = Timer(1.0, event.set)  # when the guard has spoken, the planner's thread is waited for
    letting_go.start()
    with pytest.raises(SafetyStop) as caught:
        run(robot, Late(event, tail=0), 10, episode_seconds=20.0)
    letting_go.join()
    assert caught.value.cause == "episode-time"


def test_in_stepped_time_no_plan_is_late() -> None:
    event = Event()
    robot = OnTheWall(lambda _: None, real=False)

    class Slow(Late):
        def plan(self, requests: list[PlanRequest]) -> list[Plan]:
            time.sleep(0.15 * (requests[0].index == 1))
            return super().plan(requests)

    event.set()
    sink, _ = run(robot, Slow(event), 8)
    assert asked(sink) == [0.0] * 4 + [0.1] * 4


@pytest.mark.parametrize("late", range(10))
def test_blending_keeps_what_is_not_crossed(late: int) -> None:
    old = np.zeros((5, 2), np.float32)
    new = blended(old[late:], plan(1.0), late)
    left = EXECUTE + TAIL - late
    assert len(new.chunk) == max(0, min(EXECUTE, left))
    assert new.tail is not None
    assert len(new.chunk) + len(new.tail) == max(0, left)
    crossing = min(CROSSING, max(0, 5 - late), len(new.chunk))
    steps = np.diff(np.concatenate([[0.0], new.chunk[:crossing, 0], [1.0]]))
    if crossing:
        np.testing.assert_allclose(steps, 1 / (crossing + 1), rtol=1e-5)
    assert (new.chunk[crossing:, 0] == 1).all()
