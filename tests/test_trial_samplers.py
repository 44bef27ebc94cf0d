"""Reset-free practice starts each trial where the last one ended, resets only if it must, and says when it is stuck."""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from bench_robot import GOAL, BenchRobot

from a2g_cli.core.errors import UsageError
from a2g_cli.core.types import Goal, State
from a2g_cli.data.recording.sessions import Session
from a2g_cli.improvement.reset_free import STUCK, CycleObserver, ResetFreeSampler
from a2g_cli.improvement.state import PROGRESS, RunState, load
from a2g_cli.improvement.trials import Attempt, ResetSampler, Stage, check_cycle, episode_index
from a2g_cli.robots.base import Trial
from a2g_cli.robots.sim import SimRobot

OTHER = replace(GOAL, name="other")
HERE = Path("episode.hdf5")


class TableRobot(BenchRobot):
    """A bench robot with one thing beside it, which the test moves, and which something can be asked of or not."""

    undone_by = ("cycle",)

    def __init__(self) -> None:
        super().__init__()
        self.thing, self.gone = 0.0, False
        self.begun: list[State] = []

    def trial(self, purpose: str, seed: int, index: int) -> Trial:
        return Trial("practice", seed, index, {"thing": [float(index)]}, replace(GOAL, name=f"drawn-{index}"))

    def start_for(self, goal: Goal, seed: int, index: int) -> State:
        return {"thing": [float(index)]}

    def begin(self, start: State) -> None:
        self.begun.append(start)

    def photograph(self, state: State) -> dict[str, object]:
        return {}

    def state_from(self, values: object) -> State:
        return {}

    def state(self) -> State:
        return {"thing": [self.thing]}

    def succeeded(self, goal: Goal) -> bool:
        return False

    def next_goal(self, seed: int, index: int) -> Goal | None:
        return None if self.gone else replace(GOAL, name=f"next-{index}")

    def out_of_reach(self) -> list[str]:
        return ["thing"] if self.gone else []

    def rearranged(self, before: State) -> bool:
        return before["thing"] != [self.thing]


@dataclass
class Bench:
    """A cycle on a table, rolled out by saying how each attempt ended."""

    robot: TableRobot = field(default_factory=TableRobot)
    goals: tuple[Goal, ...] = ()
    way: str = "cycle"
    satisfied: tuple[str, ...] = ()
    reached: bool = True
    notes: list[str] = field(default_factory=list)
    driven: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        observer = CycleObserver(lambda _: self.reached, lambda _, goal: goal.name in self.satisfied)
        self.cycle = ResetFreeSampler(
            self.robot,
            self.way,
            7,
            20,
            self.goals,
            observer,
            lambda index: not self.driven.append(index),
            self.notes.append,
        )

    def go(self, count: int, number: int = 0, stage: Stage = Stage.PRACTICE) -> list[Attempt]:
        made = []
        for attempt in self.cycle.of(number, stage, range(count)):
            attempt.begin(self.robot)
            made.append(attempt)
            self.cycle.ended(HERE)
        return made


def test_only_the_first_start_is_set_up_and_every_goal_is_drawn_for_what_is_there() -> None:
    bench = Bench()
    made = [*bench.go(3), *bench.go(2, stage=Stage.GATE), *bench.go(2, number=1)]
    assert [attempt.start for attempt in made] == ["fresh"] + ["left"] * 6
    assert len(bench.robot.begun) == 1
    assert [attempt.goal.name for attempt in made[:3]] == ["drawn-0", "next-1", "next-2"]
    assert len({attempt.index for attempt in made}) == len(made), "no two have the same chance"


def test_what_was_killed_goes_on_from_a_fresh_start() -> None:
    attempts = list(Bench().cycle.of(1, Stage.PRACTICE, [5, 6]))
    assert [(one.slot, one.start) for one in attempts] == [(5, "fresh"), (6, "left")]


def test_goals_that_fail_while_nothing_moves_are_a_cycle_that_is_stuck() -> None:
    bench = Bench(reached=False)
    made = bench.go(2 * STUCK + 1)
    assert [attempt.start for attempt in made] == [
        "fresh",
        *["left"] * (STUCK - 1),
        "stuck",
        *["left"] * (STUCK - 1),
        "stuck",
    ]
    assert [attempt.lost for attempt in made if attempt.start == "stuck"] == [STUCK, STUCK]
    assert len(bench.notes) == 2
    assert f"Episodes lost: {STUCK}" in bench.notes[0]
    assert len(bench.robot.begun) == 3


def test_a_policy_that_fails_but_moves_things_is_not_stuck() -> None:
    bench = Bench(reached=False)
    for attempt in bench.cycle.of(0, Stage.PRACTICE, range(3 * STUCK)):
        assert attempt.start != "stuck"
        bench.robot.thing += 0.02
        bench.cycle.ended(HERE)
    assert not bench.notes


def test_a_thing_that_is_gone_is_told_once_and_a_table_without_goals_is_set_up_anew() -> None:
    bench = Bench()
    attempts = bench.cycle.of(0, Stage.PRACTICE, range(3))
    next(attempts)
    bench.robot.gone = True
    bench.cycle.ended(HERE)
    bench.cycle.ended(HERE)
    assert next(attempts).start == "stuck"
    assert [("Out of reach" in note, "set up again" in note) for note in bench.notes] == [(True, False), (False, True)]


def test_a_thing_out_of_reach_that_named_goals_show_is_a_cycle_that_is_stuck() -> None:
    bench = Bench(goals=(GOAL, OTHER))
    attempts = bench.cycle.of(0, Stage.PRACTICE, range(3))
    next(attempts)
    bench.robot.gone = True
    bench.cycle.ended(HERE)
    assert next(attempts).start == "stuck"
    bench.robot.gone = False
    bench.cycle.ended(HERE)
    assert next(attempts).start == "left"
    assert ["the goals show what is out of reach now: thing" in note for note in bench.notes] == [True]


def test_named_goals_follow_one_another_and_one_that_holds_is_skipped() -> None:
    third = replace(GOAL, name="third")
    bench = Bench(goals=(GOAL, OTHER, third), satisfied=("other",))
    assert [attempt.goal.name for attempt in bench.go(4)] == ["anything", "third", "anything", "third"]
    everything = Bench(goals=(GOAL, OTHER), satisfied=("anything", "other"))
    assert [attempt.start for attempt in everything.go(3)] == ["fresh", "stuck", "stuck"], "said, and never looped on"


def test_a_fresh_start_is_one_of_a_goal_that_has_any() -> None:
    bench = Bench(goals=(replace(OTHER, truth={"thing": [9.0]}), replace(GOAL, truth={"thing": [1.0]})))

    def start_for(goal: Goal, seed: int, index: int) -> State:
        if goal.name == "other":
            raise UsageError("it undoes the first")
        return {"thing": [3.0]}

    bench.robot.start_for = start_for  # type: ignore[method-assign]
    assert [attempt.goal.name for attempt in bench.go(2)] == ["anything", "other"]
    assert bench.robot.begun == [{"thing": [3.0]}]
    bench = Bench(goals=(replace(OTHER, truth={"thing": [9.0]}),) * 2)
    bench.robot.start_for = start_for  # type: ignore[method-assign]
    with pytest.raises(UsageError, match="it undoes the first"):
        bench.go(1)


def test_the_drive_home_comes_between_and_an_interruption_on_it_ends_the_cycle() -> None:
    bench = Bench(goals=(GOAL, OTHER), way="rest-pose")
    bench.go(3)
    assert bench.driven == [1, 2]
    bench.cycle._drive_home = lambda _: False
    assert bench.go(2) == []


def test_what_cannot_be_undone_is_refused() -> None:
    with pytest.raises(UsageError, match="--reset own"):
        check_cycle(BenchRobot(), "cycle", [])  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="two goals"):
        check_cycle(BenchRobot(), "cycle", [GOAL])  # type: ignore[arg-type]
    check_cycle(BenchRobot(), "cycle", [GOAL, OTHER])  # type: ignore[arg-type]
    check_cycle(BenchRobot(), "own", [])  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="--reset rest-pose or --reset own"):
        check_cycle(SimRobot("plug"), "cycle", [])
    for way in ("cycle", "rest-pose"):
        with pytest.raises(UsageError, match="use --reset own, or name two goals"):
            check_cycle(SimRobot("write"), way, [])


def test_drawn_attempts_are_the_same_for_parent_and_candidate(robots: list[SimRobot]) -> None:
    drawn = ResetSampler(robots, 3, 4, [])
    before, after = (list(drawn.of(1, stage, range(4))) for stage in (Stage.PRACTICE, Stage.GATE))
    assert [one.goal.fingerprint for one in before] == [one.goal.fingerprint for one in after]
    assert [one.index for one in before] == [4, 5, 6, 7]
    robots[0].begin(robots[0].task.default_state())
    before[2].begin(robots[0])
    assert robots[0].state()["can"] == pytest.approx(robots[0].trial("practice", 3, 6).start["can"], abs=1e-6)


@pytest.mark.parametrize("repeat", [False, True])
def test_no_two_episodes_of_a_run_draw_the_same_but_a_trial_that_the_gate_repeats(repeat: bool) -> None:
    stages = [stage for stage in Stage if not (repeat and stage in {Stage.GATE, Stage.PARENT})]
    counts = {Stage.PRACTICE: 20, Stage.GATE: 20, Stage.POSE_SEARCH: 64, Stage.DEMO_REPLAY: 300, Stage.PARENT: 20}
    drawn = [
        episode_index(stage, number, slot, 20, repeat=repeat, streams=True)
        for stage in stages
        for number in range(50)
        for slot in range(counts[stage])
    ]
    assert len(set(drawn)) == len(drawn)
    gate = [
        [episode_index(stage, 3, slot, 20, repeat=repeat, streams=True) for slot in range(20)]
        for stage in (Stage.PRACTICE, Stage.GATE)
    ]
    assert (gate[0] == gate[1]) is repeat


def test_a_run_of_version_0_1_keeps_its_numbers() -> None:
    old = {"count": 20, "streams": False}
    for stage in Stage:
        assert episode_index(stage, 3, 5, repeat=True, **old) == 3 * 20 + 5
        assert episode_index(stage, 3, 5, repeat=False, **old) == (2 * 3 + stage) * 20 + 5
    for stage in (Stage.PRACTICE, Stage.GATE):
        for repeat in (False, True):
            assert episode_index(stage, 3, 5, 20, repeat=repeat, streams=True) == episode_index(
                stage, 3, 5, repeat=repeat, **old
            )


def test_a_session_says_whether_its_run_has_streams(tmp_path: Path) -> None:
    session = Session(tmp_path)
    RunState(session, {}).save()
    assert load(session).seed_streams
    path = tmp_path / PROGRESS
    written = json.loads(path.read_text())
    del written["seed_streams"]
    path.write_text(json.dumps(written))
    progress = load(session)
    assert not progress.seed_streams, "as version 0.1 wrote it"
    progress.save()
    assert not load(session).seed_streams
