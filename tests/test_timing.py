import json
import math
from pathlib import Path

import numpy as np
import pytest
from bench_robot import GOAL, SPEC, BenchClock, BenchRobot
from rollout_examples import Kept, Scripted

from a2g_cli.core.types import Outcome, Provenance, StepTiming
from a2g_cli.data.recording.reader import Recording
from a2g_cli.data.recording.writer import RecordingWriter
from a2g_cli.policies.baselines import StillPolicy
from a2g_cli.runtime.recorder import Recorder
from a2g_cli.runtime.rollout import Job, roll_out
from a2g_cli.runtime.sink import Timed
from a2g_cli.runtime.termination import RolloutSettings
from a2g_cli.runtime.timing import Schedule, TimingStats, in_words, missed


def at(acted: float, due: float = math.nan, planning: float = math.nan) -> StepTiming:
    return StepTiming(acted, due, planning)


@pytest.mark.parametrize(
    ("before", "now", "late"),
    [
        (None, at(5.0), False),
        (at(1.0), at(1.1, 1.1), False),
        (at(1.0), at(1.149, 1.1), False),
        (at(1.0), at(1.151, 1.1), True),
        (at(1.08, 1.0), at(1.1, 1.1), False),
        (at(1.0), at(1.4, planning=0.3), False),  # it stood still for its plan
        (at(1.0), at(1.5, planning=0.3), True),  # and for something else besides
        (at(1.0), at(1.4, 1.1, 0.3), True),  # it did not wait: the plan came too late
    ],
)
def test_a_deadline_is_missed_by_half_a_period(before: StepTiming | None, now: StepTiming, late: bool) -> None:
    assert missed(before, now, 10.0) is late


def test_a_schedule_is_a_grid_that_skips_what_is_over() -> None:
    clock = BenchClock()
    schedule = Schedule(clock, 10.0)
    clock.moment = 1.0
    assert schedule.deadline() == pytest.approx(1.1)
    schedule.due = 1.1
    clock.moment = 1.13
    assert schedule.deadline() == pytest.approx(1.2)
    schedule.wait()
    assert clock.moment == 1.13, "nobody waits in stepped time"
    clock.moment = 1.25
    assert schedule.deadline() == pytest.approx(1.35)
    assert schedule.grace() < 0
    schedule.reset()
    assert schedule.grace() == 0
    assert schedule.deadline() == pytest.approx(1.35)


def test_where_time_goes_on_every_action_has_the_same_phase_whatever_looking_takes() -> None:
    robot = BenchRobot(real=True)
    observe = robot.observe

    def look() -> object:
        robot.clock.moment += [0.002, 0.009, 0.0, 0.005][robot.images % 4]
        return observe()

    robot.observe = look  # type: ignore[method-assign, assignment]
    kept = Kept()
    episode(None, kept, robot, 9, ahead=1.0)
    assert np.diff(robot.moved) == pytest.approx([0.1] * 8)
    assert [row.acted_at - row.due_at for row in kept.timings[1:]] == pytest.approx([0.01] * 8)


def episode(
    timing_stats: TimingStats | None, sink: object, robot: BenchRobot, limit: int = 6, ahead: float = 1.0
) -> Timed:
    policy = Scripted(lambda _: np.zeros((3, 2), np.float32), ahead=ahead)
    timed = Timed(sink, timing_stats or TimingStats(10.0))  # type: ignore[arg-type]
    robot.scorer = None
    list(roll_out([robot], [Job(GOAL, 0, lambda _: None, lambda _: timed)], policy, RolloutSettings(limit)))  # type: ignore[list-item]
    return timed


def test_every_step_says_when_it_went_out_when_it_was_due_and_what_its_plan_took() -> None:
    kept, robot = Kept(), BenchRobot()
    episode(None, kept, robot)
    rows = kept.timings
    assert [row.acted_at for row in rows] == pytest.approx(robot.moved)
    assert math.isnan(rows[0].due_at)
    assert [row.due_at for row in rows[1:]] == pytest.approx([100.1, 100.2, 100.3, 100.4, 100.5])
    assert [math.isnan(row.planning) for row in rows] == [False, True, True] * 2


def test_a_summary_of_episodes() -> None:
    timing_stats = TimingStats(10.0)
    for start in (10.0, 50.0):
        timing_stats.begin()
        sights = BenchRobot()
        for i, late in enumerate([0.0, 0.0, 0.01, 0.0, 0.08]):
            sights.clock.moment = start + 0.1 * i
            due = math.nan if i == 0 else start + 0.1 * i
            timing_stats.add(at(start + 0.1 * i + late, due, 0.02 if i == 0 else math.nan), sights.observe())
    told = timing_stats.to_json()
    assert told["steps"] == 10
    assert told["missed"] == 2
    assert told["planning_ms"] == {"median": 20.0, "p99": 20.0}
    assert told["frame_age_ms"] == {"median": 0.0, "p99": 0.0}
    assert told["jitter_ms"]["median"] == pytest.approx(10.0)
    assert told["achieved_hz"] == pytest.approx(10 / 1.2, rel=1e-3)
    json.dumps(told, allow_nan=False)
    assert "missed deadlines 2 of 10" in in_words(told)
    assert in_words(TimingStats(10.0).to_json()) == "10 Hz; missed deadlines 0 of 0"


def test_a_policy_that_does_not_look_keeps_time_too() -> None:
    robot, timing_stats = BenchRobot(), TimingStats(10.0)
    robot.scorer = None
    timed = Timed(Kept(), timing_stats)
    list(roll_out([robot], [Job(GOAL, 0, lambda _: None, lambda _: timed)], StillPolicy(SPEC), RolloutSettings(6)))  # type: ignore[list-item]
    told = timing_stats.to_json()
    assert told["steps"] == 6
    assert told["achieved_hz"] == pytest.approx(10.0)
    assert "10.00 of 10 Hz; jitter median 0.0, p99 0.0 ms" in in_words(told)


def test_a_recording_keeps_the_times(tmp_path: Path) -> None:
    path, robot = tmp_path / "one.hdf5", BenchRobot()
    timed = episode(None, Recorder(path, SPEC, GOAL, Provenance("bench", "scripted")), robot)
    assert timed.outcome == Outcome(None, "none", "steps")
    with Recording(path) as recording:
        rows = recording.timings
        assert rows is not None
        assert [row.acted_at for row in rows] == robot.moved
        assert [math.isnan(row.due_at) for row in rows] == [True] + [False] * 5
        assert sum(not math.isnan(row.planning) for row in rows) == 2


def partial(folder: Path) -> Path:
    robot = BenchRobot()
    writer = RecordingWriter(folder / "a.hdf5", SPEC, GOAL, Provenance("bench", "scripted"), robot.observe())
    action = np.zeros(2, np.float32)
    writer.append(action, action, robot.observe(), at(1.0, 2.0, 3.0))
    writer.append(action, action, robot.observe())
    writer.abandon()
    return writer.partial


def test_a_recording_without_times_says_so(tmp_path: Path) -> None:
    robot, action = BenchRobot(), np.zeros(2, np.float32)
    with RecordingWriter(tmp_path / "a.hdf5", SPEC, GOAL, Provenance("b", "person"), robot.observe()) as writer:
        writer.append(action, action, robot.observe())
        writer.finish(Outcome(None, "none", "steps"))
    with Recording(tmp_path / "a.hdf5") as recording:
        assert recording.timings is None
