from pathlib import Path

import numpy as np
import pytest
from rollout_examples import RIGHT, Failing, Kept, Scripted, job, recorder, resting, steady

from a2g_cli.core.errors import HardwareError, RecordingError, SafetyStop
from a2g_cli.core.types import Observation, StepTiming, Vector
from a2g_cli.data.recording.assemble import salvage
from a2g_cli.data.recording.reader import read_episode
from a2g_cli.policies.base import PlanRequest
from a2g_cli.robots.base import Robot, Trial
from a2g_cli.robots.sim import SimRobot
from a2g_cli.runtime.rollout import Job, roll_out
from a2g_cli.runtime.termination import RolloutSettings

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


def test_a_robot_that_is_lost_leaves_its_episode_with_the_cause(trials: list[Trial], tmp_path: Path) -> None:
    robot = Failing(HardwareError("the cable is out"))
    robot.connect()
    path = tmp_path / "one.hdf5"
    try:
        with pytest.raises(HardwareError, match="the cable is out"):
            list(roll_out([robot], [job(trials[0], recorder(path, trials[0], robot))], steady(), RolloutSettings(7)))
    finally:
        robot.close()
    episode = read_episode(path)
    assert len(episode) == 2
    assert episode.outcome is not None
    assert episode.outcome.stopped_by == "hardware"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [RecordingError("disk"), KeyboardInterrupt(), RuntimeError("a bug")], ids=repr)
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
    assert [sink.abandoned for sink in sinks] == [True, False]
    assert [sink.outcome and sink.outcome.stopped_by for sink in sinks] == [None, "hardware"]


# -- brought to rest ------------------------------------------------------------------------------------------------------


class Full(Kept):
    """A sink whose disk takes one step."""

    def append(self, requested: Vector, sent: Vector, observation: Observation, timing: StepTiming) -> None:
        if self.sent:
            raise RecordingError("the disk is full")
        super().append(requested, sent, observation, timing)


class Unrecorded(Kept):
    """A sink that cannot even begin."""

    def begin(self, first: Observation) -> None:
        raise RecordingError("no room")


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
    lost = isinstance(error, HardwareError)  # the robot that is lost: its own episode is complete, the others broke off
    assert [sink.abandoned for sink in sinks] == [True, not lost, True]
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
