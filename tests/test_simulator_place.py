import math

import numpy as np
import pytest
from scene_contract import SceneContract, connected

from a2g_cli.core.errors import UnknownNameError, UsageError
from a2g_cli.core.types import State
from a2g_cli.simulator.scenes.place import (
    CLEAR,
    CLEAR_OF_PLATE,
    KNOWN,
    MAX_YAW,
    ON_PLATE,
    PLATE_RANGE,
    RANGE,
    Place,
    block_pose,
)
from a2g_cli.simulator.shifts import Shift

REST_TOOL = (-0.16, 0.0, 0.16)
GOAL: State = {
    "block": block_pose(np.array([0.05, -0.03]), 0.05),
    "can": block_pose(np.array([-0.05, 0.08]), 0.0),
    "brick": block_pose(np.array([-0.08, -0.08]), 0.0),
    "plate": [0.05, -0.03],
    "tool": [*REST_TOOL, 1.0],
}


def state(block: tuple[float, float, float], tool: tuple[float, float, float], opening: float) -> State:
    return {**GOAL, "block": [*block, 1.0, 0.0, 0.0, 0.0], "tool": [*tool, opening]}


class TestPlace(SceneContract):
    scene = "place"


@pytest.mark.parametrize(
    ("now", "placed"),
    [
        (state((0.05, -0.03, 0.024), REST_TOOL, 1.0), True),
        (state((0.05, -0.03, 0.024), (0.05, -0.03, 0.024), 1.0), True),  # let go of, not yet gone
        (state((0.05, -0.03, 0.024), (0.05, -0.03, 0.024), 0.6), False),  # still held
        (state((0.05, -0.03, 0.024), (0.05, -0.03, 0.09), 0.0), True),  # closed, but away
        (state((0.07, -0.03, 0.024), REST_TOOL, 1.0), True),  # 2 cm off
        (state((0.08, -0.03, 0.024), REST_TOOL, 1.0), False),  # 3 cm off
        (state((0.068, -0.048, 0.024), REST_TOOL, 1.0), False),  # 2.55 cm off, diagonally
        (state((0.05, -0.03, 0.07), REST_TOOL, 1.0), False),  # in the air
        (state((0.05, -0.03, -0.3), REST_TOOL, 1.0), False),  # fallen off
        ({**GOAL, "can": block_pose(np.array([-0.05, 0.05]), 0.0)}, False),  # another thing pushed aside
        ({**GOAL, "can": block_pose(np.array([-0.05, 0.06]), 0.0)}, True),  # ... within tolerance
        ({**GOAL, "block": GOAL["can"], "can": GOAL["block"]}, False),  # the wrong thing on the plate
    ],
)
def test_success_on_hand_made_states(now: State, placed: bool) -> None:
    assert Place(Shift()).reached(now, GOAL) is placed


def test_draws_stay_within_their_limits() -> None:
    random = np.random.default_rng(0)
    scene = Place(Shift())
    chosen = []
    for _ in range(200):
        start, goal = scene.draw(random)
        on = [name for name in KNOWN if math.dist(goal[name][:2], goal["plate"]) <= ON_PLATE]
        assert len(on) == 1
        chosen += on
        for drawn in (start, goal):
            assert np.all(np.abs(drawn["plate"]) <= PLATE_RANGE)
            for name in KNOWN:
                assert np.all(np.abs(drawn[name][:2]) <= RANGE + ON_PLATE)
                assert abs(2 * math.atan2(drawn[name][6], drawn[name][3])) <= MAX_YAW + 1e-9
                assert all(
                    math.dist(drawn[name][:2], drawn[other][:2]) >= CLEAR - ON_PLATE for other in KNOWN if other != name
                )
        for name in KNOWN:
            assert math.dist(start[name][:2], start["plate"]) >= CLEAR_OF_PLATE
            assert name in on or start[name] == goal[name]
    assert all(40 < chosen.count(name) < 95 for name in KNOWN)


def test_every_thing_is_wholly_in_the_image() -> None:
    robot = connected("place", cameras=("front",))
    hidden = {name: block_pose(np.array([0.0, 0.0]), 0.0) for name in ("can", "brick")}
    for x in (-RANGE[0], RANGE[0]):
        for y in (-RANGE[1], RANGE[1]):
            image = robot.photograph({**GOAL, **hidden, "block": block_pose(np.array([x, y]), MAX_YAW)})[
                "front"
            ].astype(int)
            red = (image[..., 0] > 90) & (image[..., 1] < 70) & (image[..., 2] < 70)
            assert 40 < red.sum() < 160
            assert not red[0].any()
            assert not red[-1].any()
            assert not red[:, 0].any()
            assert not red[:, -1].any()
    robot.close()


def test_a_goal_that_a_person_describes_has_its_thing_on_the_plate_and_room_for_the_others() -> None:
    scene = Place(Shift())
    goal = scene.goal_state({"can": [0.05, -0.02]})
    assert goal["can"] == block_pose(np.array([0.05, -0.02]), 0.0)
    assert goal["plate"] == [0.05, -0.02]
    start = scene.draw_start(goal, np.random.default_rng(0))
    assert not scene.reached(start, goal)
    assert start["block"] == goal["block"]
    everything = scene.goal_state(
        {"can": [0.05, 0.0], "block": [-0.05, 0.1, 0.05], "brick": [-0.1, -0.1], "plate": [0.05, 0.01]}
    )
    assert everything["plate"] == [0.05, 0.01]
    assert scene.goal_state({"block": [0.105, 0.13]})["plate"] == PLATE_RANGE.tolist()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"block": [0.2, 0.0]}, "block x = 0.2 m is out of range"),
        ({"block": [0.0]}, "not 1 numbers"),
        ({"block": [0.0, 0.0, 0.5]}, "yaw"),
        ({"block": [0.0, 0.0], "can": [0.0, 0.05]}, "closer than"),
        ({"block": [0.0, 0.0], "plate": [0.08, 0.1]}, "exactly one thing"),
        ({"plate": [0.08, 0.1]}, "block=X,Y"),
        ({}, "block=X,Y"),
    ],
)
def test_a_goal_that_makes_no_sense_is_refused(values: dict[str, list[float]], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Place(Shift()).goal_state(values)


def test_a_goal_with_nothing_on_the_plate_has_no_start() -> None:
    with pytest.raises(UsageError, match="exactly one thing"):
        Place(Shift()).draw_start({**GOAL, "plate": [-0.08, 0.0]}, np.random.default_rng(0))


def test_an_unknown_thing_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean block"):
        Place(Shift()).goal_state({"blok": [0.0, 0.0]})


def test_the_law_is_continuous_while_it_fetches() -> None:
    """A millimetre changes little: what a network has to learn has no cliffs on the way to the thing."""
    random = np.random.default_rng(0)
    scene = Place(Shift())
    start = {**GOAL, "block": block_pose(np.array([0.08, 0.12]), 0.0)}
    for _ in range(300):
        tool = random.uniform([-0.18, -0.16, 0.03], [0.14, 0.16, 0.22])
        near = tool + random.normal(size=3) * 0.0003
        one, opening = scene.law({**start, "tool": [*tool, 1.0]}, GOAL)
        other, opening_near = scene.law({**start, "tool": [*near, 1.0]}, GOAL)
        assert np.abs(one - other).max() < 0.008
        assert abs(opening - opening_near) < 0.2


def test_a_wrong_thing_in_the_hand_is_put_back() -> None:
    robot = connected("place")
    trial = robot.trial("demonstration", 0, 0)
    assert trial.goal.truth is not None
    wrong = next(name for name in KNOWN if trial.start[name] == trial.goal.truth[name])
    grip = KNOWN[wrong].half_width / 0.04
    x, y = trial.start[wrong][:2]
    robot.begin({**trial.start, wrong: [x, y, 0.07, 1, 0, 0, 0], "tool": [x, y, 0.07, grip]})
    from a2g_cli.simulator.expert import ScriptedExpert

    expert = ScriptedExpert(robot)
    for _ in range(120):
        robot.act(expert.act(trial.goal))
    assert robot.succeeded(trial.goal)


def test_what_is_asked_next_clears_the_plate_first_and_leaves_what_rolled_away() -> None:
    scene, random = Place(Shift()), np.random.default_rng(0)
    state = {**scene.default_state(), "can": block_pose(np.array([0.0, 0.6]), 0.0)}
    assert scene.out_of_reach(state) == ["can"]
    for _ in range(30):
        goal = scene.draw_next(state, random)
        assert goal is not None
        moved = [name for name in scene.things if goal[name] != state[name]]
        assert len(moved) == 1
        assert moved != ["can"]
        on = math.dist(goal[moved[0]][:2], goal["plate"]) < 0.04
        was_on = [name for name in scene.things if math.dist(state[name][:2], state["plate"]) < 0.085]
        assert on == (not was_on)
        assert moved[0] in (was_on or scene.things)
        state = {**goal, "can": block_pose(np.array([0.0, state["can"][1] + 0.5]), 0.0)}
        assert scene.reached(state, goal), "what rolls on is not asked for"
    away = {**state, **{name: block_pose(np.array([0.5, 0.6 + 0.1 * i]), 0.0) for i, name in enumerate(scene.things)}}
    assert scene.draw_next(away, random) is None
    assert not scene.rearranged(away, state)
