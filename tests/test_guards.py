"""Every guard, on a robot without physics: the fault that proves it, what is left behind, and what does not stop anybody."""

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from bench_robot import GOAL, SPEC, BenchRobot
from rollout_examples import Kept, Scripted

from a2g_cli.core.errors import A2GError, HardwareError, SafetyStop, UsageError
from a2g_cli.core.safety_limits import SafetyLimits
from a2g_cli.core.types import Provenance
from a2g_cli.data.recording.reader import read_episode
from a2g_cli.robots.base import RobotSpec
from a2g_cli.robots.sim import SimRobot
from a2g_cli.runtime.faults import KINDS, OF_POLICY, Fault, FaultyPolicy, parse_fault, put_into_robot
from a2g_cli.runtime.recorder import Recorder
from a2g_cli.runtime.rollout import Job, roll_out
from a2g_cli.runtime.safety import CAUSES
from a2g_cli.runtime.safety.bounds import bounds_of, limits_of
from a2g_cli.runtime.safety.guards import Guards, check_room
from a2g_cli.runtime.sink import Sink
from a2g_cli.runtime.termination import RolloutSettings

DRIFT = np.array([[0.01, 0.01]], np.float32)


def drifting() -> Scripted:
    """Moves on with every action, so that an image that stays the same is one of a frozen camera."""
    return Scripted(lambda request: request.observation.proprioception[None, :1] * [1, 0] + DRIFT)


def run(
    robot: BenchRobot,
    policy: object = None,
    limit: int = 30,
    sink: Sink | None = None,
    settings: RolloutSettings | None = None,
) -> str:
    settings = replace(settings or RolloutSettings(), limit=limit)
    job = Job(GOAL, 0, lambda _: None, lambda _: sink or Kept())
    [(_, outcome)] = roll_out([robot], [job], policy or drifting(), settings)  # type: ignore[list-item, arg-type]
    return outcome.stopped_by


# -- each fault meets its guard -------------------------------------------------------------------------------------------


def limits_for(kind: str) -> SafetyLimits:
    return SafetyLimits(workspace_high={"x": 5.0}, max_speed={"joint": 1.5})


@pytest.mark.parametrize("kind", KINDS)
def test_each_fault_is_stopped_by_its_guard_the_arm_rests_and_the_episode_is_kept(kind: str, tmp_path: Path) -> None:
    robot, path = BenchRobot(), tmp_path / "one.hdf5"
    fault = Fault(kind, KINDS[kind].amount, 4)
    if kind in OF_POLICY:
        policy: object = FaultyPolicy(drifting(), robot, fault)
    else:
        put_into_robot(robot, fault)
        policy = drifting()
    sink = Recorder(path, SPEC, GOAL, Provenance("bench", "scripted"))
    with pytest.raises(HardwareError if kind == "disconnect" else SafetyStop) as caught:
        run(robot, policy, sink=sink, settings=RolloutSettings(safety=limits_for(kind)))
    cause = KINDS[kind].stops
    assert isinstance(caught.value, A2GError)
    assert caught.value.exit_code == (3 if kind == "disconnect" else 4)
    if isinstance(caught.value, SafetyStop):
        assert caught.value.cause == cause
        assert robot.done[-1] == "rest"
        assert robot.done.count("rest") == 1
    episode = read_episode(path)
    assert episode.outcome is not None
    assert episode.outcome.stopped_by == cause
    assert len(episode) >= 3
    assert all(np.isfinite(seen.proprioception).all() for seen in episode.observations)
    assert len(robot.sent) <= 4 + 11  # frozen: ten images; the others at once or after six deadlines


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in {"disconnect", "delay"}])
def test_a_fault_may_set_in_from_the_beginning(kind: str) -> None:
    robot, fault = BenchRobot(), Fault(kind, KINDS[kind].amount, 0)
    policy: object = FaultyPolicy(drifting(), robot, fault) if kind in OF_POLICY else drifting()
    if kind not in OF_POLICY:
        put_into_robot(robot, fault)
    with pytest.raises(SafetyStop) as caught:
        run(robot, policy, settings=RolloutSettings(safety=limits_for(kind)))
    assert caught.value.cause == KINDS[kind].stops


@pytest.mark.parametrize("kind", KINDS)
def test_before_it_sets_in_a_fault_changes_nothing(kind: str) -> None:
    robot, plain = BenchRobot(), BenchRobot()
    fault = Fault(kind, KINDS[kind].amount, 30)
    policy: object = FaultyPolicy(drifting(), robot, fault) if kind in OF_POLICY else drifting()
    if kind not in OF_POLICY:
        put_into_robot(robot, fault)
    assert run(robot, policy, limit=8) == run(plain, limit=8) == "steps"
    np.testing.assert_array_equal(np.stack(robot.sent), np.stack(plain.sent))


def test_without_a_fault_nothing_stops_anybody() -> None:
    robot = BenchRobot()
    assert run(robot) == "steps"
    assert "rest" not in robot.done


def test_a_fault_of_a_policy_is_not_for_a_real_robot() -> None:
    with pytest.raises(UsageError, match="use it with a simulator"):
        put_into_robot(BenchRobot(), parse_fault("jerk-action"))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("freeze", Fault("freeze", 0.0, 5)),
        ("delay@7", Fault("delay", KINDS["delay"].amount, 7)),
        ("stray:-3.5@0", Fault("stray", -3.5, 0)),
    ],
)
def test_a_fault_is_a_kind_an_amount_and_a_step(text: str, fault: Fault) -> None:
    assert parse_fault(text) == fault


@pytest.mark.parametrize(
    "text",
    [
        *("", "freez", "delay:", "delay:x", "delay:1e-e@3", "freeze@-1", "freeze@x"),
        *("delay:-1", "stall:0", "delay:1e999", "stray:1e999", "freeze:3"),
    ],
)
def test_what_is_no_fault_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_fault(text)


# -- what each limit means ------------------------------------------------------------------------------------------------


def guards(robot: BenchRobot | None = None, held: Callable[[], bool] = lambda: True, **limits: object) -> Guards:
    return Guards(robot or BenchRobot(), SafetyLimits(**limits), held)  # type: ignore[arg-type]


def stopped(call: Callable[[], object]) -> str:
    with pytest.raises(SafetyStop) as caught:
        call()
    assert caught.value.cause in CAUSES
    return caught.value.cause


def test_a_little_beyond_the_range_is_brought_back_and_far_beyond_stops() -> None:
    watch = guards(workspace_high={"dx": 0.02})
    asked = np.array([0.0, 0.03], np.float32)
    np.testing.assert_allclose(watch.allow(asked), [0.0, 0.02])
    assert asked[1] == np.float32(0.03)
    edge = 0.02 + 0.07  # one whole range of -0.05 to 0.02 beyond
    watch.allow(np.array([0.0, edge - 1e-4], np.float32))
    assert stopped(lambda: watch.allow(np.array([0.0, edge + 1e-4], np.float32))) == "action-range"


def test_an_action_within_the_limits_is_the_very_same() -> None:
    asked = np.array([0.1, 0.03], np.float32)
    assert guards().allow(asked) is asked


def test_a_target_may_not_jump_by_more_than_a_fifth_of_its_range_and_a_displacement_may() -> None:
    watch = guards()
    watch.allow(np.array([0.0, -0.05], np.float32))
    watch.allow(np.array([0.79, 0.05], np.float32))
    assert stopped(lambda: watch.allow(np.array([-0.02, 0.05], np.float32))) == "action-jump"


def test_the_first_action_may_not_jump_from_where_the_arm_is_measured() -> None:
    robot = BenchRobot()
    robot.at = np.array([1.5, 0.0], np.float32)
    watch = guards(robot)
    watch.measured(robot.observe())
    assert stopped(lambda: watch.allow(np.array([0.0, 0.0], np.float32))) == "action-jump"
    watch.allow(np.array([1.4, 0.0], np.float32))


def test_the_user_s_step_goes_over_the_one_that_is_derived() -> None:
    watch = guards(max_step={"joint": 0.1, "dx": 0.01})
    watch.allow(np.array([0.0, 0.0], np.float32))
    assert stopped(lambda: watch.allow(np.array([0.0, 0.02], np.float32))) == "action-jump"
    watch.allow(np.array([0.09, 0.0], np.float32))


@pytest.mark.parametrize(("at", "cause"), [(2.07, None), (2.09, "workspace"), (-2.07, None), (-2.09, "workspace")])
def test_what_has_a_target_is_held_to_its_range_with_a_little_slack(at: float, cause: str | None) -> None:
    robot = BenchRobot()
    robot.at[0] = at
    if cause is None:
        guards(robot).measured(robot.observe())
    else:
        assert stopped(lambda: guards(robot).measured(robot.observe())) == cause


def moved(robot: BenchRobot, watch: Guards, by: float, seconds: float, index: int = 0) -> None:
    watch.measured(robot.observe())
    robot.at[index] += by
    robot.clock.moment += seconds
    watch.measured(robot.observe())


def test_speed_is_measured_change_over_measured_time() -> None:
    moved(BenchRobot(), guards(max_speed={"x": 1.0}), 0.09, 0.1, 1)
    assert stopped(lambda: moved(BenchRobot(), guards(max_speed={"x": 1.0}), 0.11, 0.1, 1)) == "speed"
    slow = BenchRobot()
    moved(slow, guards(slow, max_speed={"x": 1.0}), 0.11, 0.2, 1)
    # A joint with a range of 4 rad: 8 rad/s, unless it is said.
    assert stopped(lambda: moved(BenchRobot(), guards(), 0.81, 0.1)) == "speed"


def test_a_measured_jump_is_held_whatever_time_it_took() -> None:
    assert stopped(lambda: moved(BenchRobot(), guards(max_step={"x": 0.05}), 0.06, 10.0, 1)) == "jump"


def test_what_the_robot_declares_holds_where_the_user_says_nothing() -> None:
    robot = BenchRobot(safety=SafetyLimits(workspace_low={"x": -1.0, "joint": -0.5}, frozen_frames=33, frame_age=0.1))
    limits = limits_of(robot, SafetyLimits(workspace_low={"x": -2.0}, frame_age=0.2))  # type: ignore[arg-type]
    assert limits.workspace_low == {"x": -2.0, "joint": -0.5}
    assert (limits.frozen_frames, limits.frame_age) == (33, 0.2)


@pytest.mark.parametrize(
    "limits",
    [
        {"workspace_low": {"y": 0.0}},
        {"max_speed": {"dx": 1.0}},
        {"workspace_low": {"x": 1.0}, "workspace_high": {"x": 1.0}},
        {"workspace_low": {"dx": 0.05}},
        {"max_step": {"x": 0.0}},
        {"max_speed": {"x": float("nan")}},
    ],
)
def test_limits_that_do_not_fit_the_robot_are_refused(limits: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        bounds_of(SPEC, SafetyLimits(**limits))  # type: ignore[arg-type]


def test_a_robot_without_bounds_has_none() -> None:
    spec = RobotSpec("free", ("a",), ("1",), (-np.inf,), (np.inf,), 10.0, ("b",), ("1",), {})
    bounds = bounds_of(spec, SafetyLimits())
    for row in (bounds.action_step, bounds.measured_high, bounds.measured_speed, bounds.measured_step):
        assert np.isinf(row).all()


# -- frames ---------------------------------------------------------------------------------------------------------------


def test_the_same_image_of_an_arm_that_stands_still_is_no_frozen_camera() -> None:
    robot = BenchRobot()
    robot.scorer = lambda: np.zeros((8, 8, 3), np.uint8)
    still = Scripted(lambda _: np.zeros((1, 2), np.float32))
    assert run(robot, still) == "steps"


@pytest.mark.parametrize(("frozen", "cause"), [(10, "frozen-frame"), (0, None)])
def test_frozen_frames_are_counted_and_can_be_let_be(frozen: int, cause: str | None) -> None:
    robot = BenchRobot()
    robot.scorer = lambda: np.zeros((8, 8, 3), np.uint8)
    settings = RolloutSettings(safety=SafetyLimits(frozen_frames=frozen))
    if cause is None:
        assert run(robot, settings=settings) == "steps"
    else:
        assert stopped(lambda: run(robot, settings=settings)) == cause
        assert len(robot.sent) == frozen - 1


def test_a_frame_of_the_future_has_another_clock() -> None:
    robot = BenchRobot()
    seen = replace(robot.observe(), captured_at={"eye": robot.clock.now() + 1})
    assert stopped(lambda: guards(robot).readable(seen)) == "stale-frame"


# -- time, room, and the key ----------------------------------------------------------------------------------------------


def test_a_key_that_is_let_go_of_stops_before_the_next_action() -> None:
    robot, sink = BenchRobot(), Kept()
    settings = RolloutSettings(safety=SafetyLimits(hold_key="k"), held=lambda: len(robot.sent) < 3)
    assert stopped(lambda: run(robot, sink=sink, settings=settings)) == "hold-released"
    assert len(robot.sent) == 3
    assert sink.outcome is not None
    assert sink.outcome.stopped_by == "hold-released"
    assert robot.done[-1] == "rest"


def test_missed_deadlines_stop_when_there_are_more_in_a_row_than_allowed() -> None:
    def slow(allowed: int, late: range) -> BenchRobot:
        robot = BenchRobot()
        observe = robot.observe

        def seen() -> object:
            robot.clock.moment += 0.25 if len(robot.sent) in late else 0.0
            return observe()

        robot.observe = seen  # type: ignore[method-assign, assignment]
        run(robot, Scripted(lambda _: np.zeros((50, 2), np.float32)), 20, None, settings(allowed))
        return robot

    def settings(allowed: int) -> RolloutSettings:
        return RolloutSettings(safety=SafetyLimits(missed_deadlines=allowed))

    slow(2, range(5, 7))
    assert stopped(lambda: slow(2, range(5, 8))) == "missed-deadline"
    assert stopped(lambda: slow(0, range(5, 6))) == "missed-deadline"


def test_without_room_on_the_disk_nothing_moves(tmp_path: Path) -> None:
    robot, prepared = BenchRobot(), []
    limits = SafetyLimits(disk_floor_gb=1e9)
    job = Job(GOAL, 0, prepared.append, lambda _: Kept(), tmp_path / "not" / "there.hdf5")  # type: ignore[arg-type]
    with pytest.raises(SafetyStop, match="GB are free") as caught:
        list(roll_out([robot], [job], drifting(), RolloutSettings(safety=limits)))  # type: ignore[list-item]
    assert caught.value.cause == "disk-floor"
    assert prepared == robot.done == []
    check_room(SafetyLimits(disk_floor_gb=0.0), tmp_path)


def test_the_simulator_lets_its_own_tools_work() -> None:
    robot = SimRobot(size=16)
    bounds = bounds_of(robot.spec, limits_of(robot, SafetyLimits()))
    assert np.isfinite(bounds.measured_speed).all()
    assert np.isfinite([bounds.measured_low, bounds.measured_high]).all()


# -- the page -------------------------------------------------------------------------------------------------------------


def test_the_page_lists_every_guard_and_every_fault() -> None:
    page = (Path(__file__).parents[1] / "docs" / "safety.md").read_text(encoding="utf-8")
    for name, kind in KINDS.items():
        [line] = [line for line in page.splitlines() if f"`--fault {name}" in line]
        assert f"`{kind.stops}`" in line
    for cause in CAUSES:
        assert sum(line.startswith(f"| `{cause}` |") for line in page.splitlines()) == 1, cause
    for field in fields(SafetyLimits):
        assert f"`{'deadman_key' if field.name == 'hold_key' else field.name}" in page, field.name
