import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scene_contract import SceneContract, connected

from a2g_cli.core.errors import UnknownNameError, UsageError
from a2g_cli.core.types import State
from a2g_cli.simulator.scenes.ink import Ink, covered, dots
from a2g_cli.simulator.scenes.letters import (
    FIGURES,
    GLYPHS,
    GROUPS,
    LETTERS,
    MOST,
    SPACING,
    dots_along,
    draw_word,
    group_of,
    is_unseen,
    lines_of,
    strokes,
)
from a2g_cli.simulator.scenes.write import RANGE, Write, count_strokes
from a2g_cli.simulator.shifts import Shift, parse_shift

TOOL = [-0.16, 0.0, 0.16, 0.2]


def written(*lines: list[tuple[float, float]]) -> State:
    ink = [float(value) for line in lines for value in dots_along(np.array(line)).ravel()]
    return {"ink": ink, "tool": TOOL}


GOAL = written([(0.0, -0.05), (0.0, 0.05)], [(-0.05, 0.0), (0.05, 0.0)])


class TestWrite(SceneContract):
    scene = "write"


@pytest.mark.parametrize(
    ("now", "is_written"),
    [
        (GOAL, True),
        (written([(0.05, 0.0), (-0.05, 0.0)], [(0.0, 0.05), (0.0, -0.05)]), True),  # in another order and direction
        (written([(0.006, -0.05), (0.006, 0.05)], [(-0.05, 0.006), (0.05, 0.006)]), True),  # 6 mm off
        (written([(0.012, -0.05), (0.012, 0.05)], [(-0.05, 0.012), (0.05, 0.012)]), False),  # 12 mm off
        (written([(0.0, -0.05), (0.0, 0.05)]), False),  # half of it
        (written([(0.0, -0.05), (0.0, 0.05)], [(-0.05, 0.0), (0.045, 0.0)]), True),  # a few millimetres missing
        (written([(0.0, -0.05), (0.0, 0.05)], [(-0.05, 0.0), (0.015, 0.0)]), False),  # a third of a line missing
        (
            written([(0.0, -0.05), (0.0, 0.05)], [(-0.05, 0.0), (0.05, 0.0)], [(0.08, -0.05), (0.08, 0.05)]),
            False,
        ),  # a line too many
        (written(), False),
    ],
)
def test_success_on_hand_made_states(now: State, is_written: bool) -> None:
    assert Write(Shift()).reached(now, GOAL) is is_written


def test_the_pen_writes_where_it_is_down_and_the_image_shows_it_there() -> None:
    robot = connected("write", cameras=("front",))
    robot.begin({"ink": [], "tool": [0.04, -0.08, 0.05, 0.2]})
    bare = robot.photograph({"ink": [], "tool": TOOL})["front"]
    for step in ([0, 0, -0.028], *[[0, 0.012, 0]] * 8, [0, 0, 0.028], [0.012, 0, 0]):
        robot.act(np.array([*step, 0.2], dtype=np.float32))
    ink = dots(robot.state()["ink"])
    assert np.abs(ink[:, 0] - 0.04).max() < 0.003
    assert ink[:, 1].min() == pytest.approx(-0.08, abs=0.006)
    assert ink[:, 1].max() == pytest.approx(0.012, abs=0.012)
    assert np.linalg.norm(np.diff(ink, axis=0), axis=1).max() < 0.005
    # As in the block's images: the camera looks towards the arm, so y grows to the right.
    shown = robot.photograph({"ink": ink.ravel().tolist(), "tool": TOOL})["front"]
    rows, columns = np.nonzero(np.abs(shown.astype(int) - bare.astype(int)).sum(-1) > 60)
    assert columns.mean() < 32
    assert np.ptp(columns) > 4 * max(1, np.ptp(rows) - 1)
    robot.close()


def test_images_of_other_states_leave_the_board_alone() -> None:
    robot = connected("write", cameras=("front",))
    trial = robot.trial("evaluation", 0, 0)
    robot.begin(trial.start)
    before = robot.observe().images["front"]
    assert trial.goal.truth is not None
    robot.photograph(trial.goal.truth)
    assert np.array_equal(robot.observe().images["front"], before)
    robot.close()


def test_a_board_is_painted_again_only_where_the_ink_changed() -> None:
    robot = connected("write", cameras=("front",))
    one, other = (robot.trial("evaluation", 0, index).goal for index in range(2))
    assert one.truth is not None
    assert other.truth is not None
    model, task = robot.tabletop.model, robot.task
    assert len(task.dress(model, one.truth)) == 1
    assert len(task.dress(model, one.truth)) == 0
    assert len(task.dress(model, other.truth)) == 1
    # However the two alternate, each image shows its own ink.
    assert np.array_equal(robot.photograph(one.truth)["front"], one.images["front"])
    assert np.array_equal(robot.photograph(other.truth)["front"], other.images["front"])
    robot.close()


def test_ink_of_half_a_dot_is_no_state() -> None:
    assert Write(Shift()).fits(GOAL)
    assert not Write(Shift()).fits({**GOAL, "ink": [0.0]})


def test_words_come_in_all_lengths_and_the_demonstrations_leave_the_unseen_out() -> None:
    random = np.random.default_rng(0)
    seen = [draw_word(random, unseen=False) for _ in range(300)]
    unseen = [draw_word(random, unseen=True) for _ in range(300)]
    for words in (seen, unseen):
        groups = [group_of(strokes(word)) for word in words]
        assert all(60 < groups.count(group) < 140 for group in GROUPS)
        assert all(1 <= len(word) <= 6 and strokes(word) <= MOST for word in words)
    assert all(set(word) <= set(LETTERS) and not is_unseen(word) for word in seen)
    assert all(set(word) <= set(FIGURES) or is_unseen(word) for word in unseen)
    assert 100 < sum(set(word) <= set(FIGURES) for word in unseen) < 200
    assert not {" ".join(word) for word in seen} & {" ".join(word) for word in unseen}


@pytest.mark.parametrize("name", GLYPHS)
def test_a_goal_has_as_many_strokes_as_its_word(name: str) -> None:
    for word in ([name], [name, "L", name]):
        assert count_strokes(written(*[[tuple(dot) for dot in line] for line in lines_of(word)])) == strokes(word)


def test_all_that_is_asked_can_be_written() -> None:
    random = np.random.default_rng(0)
    for shift in ("none", "unseen"):
        scene = Write(parse_shift(shift))
        for _ in range(200):
            start, goal = scene.draw(random)
            assert start["ink"] == []
            assert (np.abs(dots(goal["ink"])) <= RANGE).all()
            assert scene.group(goal) in GROUPS


@given(st.lists(st.tuples(st.floats(-0.1, 0.1), st.floats(-0.1, 0.1)), min_size=2, max_size=6))
def test_dots_follow_a_line_without_gaps(corners: list[tuple[float, float]]) -> None:
    line = np.array(corners)
    along = dots_along(line)
    assert (np.linalg.norm(np.diff(along, axis=0), axis=1) <= SPACING + 1e-9).all()
    for corner in line:
        assert np.linalg.norm(along - corner, axis=1).min() < 1e-9


def test_ink_is_left_on_the_board_alone_and_not_twice() -> None:
    ink = Ink()
    ink.move(np.array([0.0, 0.0]), down=False)
    assert ink.flat() == []
    for _ in range(3):
        for y in (0.0, 0.02, 0.04):
            ink.move(np.array([0.0, y]), down=True)
        ink.move(np.array([0.0, 0.0]), down=False)
    assert 15 <= len(ink.flat()) // 2 <= 18
    assert covered(dots(ink.flat()), np.array([[0.0, 0.02]]), 0.021).all()


def test_a_goal_that_a_person_describes() -> None:
    scene = Write(Shift())
    goal = scene.goal_state({"line": [0.0, -0.05, 0.0, 0.05], "line2": [-0.05, 0.0, 0.05, 0.0]})
    assert goal["ink"] == GOAL["ink"]
    for values, message in (
        ({"line": [0.0, 0.0]}, "two corners"),
        ({"line": [0.0, 0.0, 0.1]}, "not 3 numbers"),
        ({"line": [0.0, 0.0, 0.3, 0.0]}, "leaves the board"),
        ({}, "what shall be written"),
        ({"word": "LATTICEX"}, "too long"),
        ({"line": "a"}, "not 'a'"),
    ):
        with pytest.raises(UsageError, match=message):
            scene.goal_state(values)
    with pytest.raises(UnknownNameError, match="line"):
        scene.goal_state({"lime": [0.0, 0.0, 0.1, 0.0]})
    with pytest.raises(UnknownNameError, match="did you mean house"):
        scene.goal_state({"word": "house,hose"})
    assert count_strokes(scene.goal_state({"word": "hi"})) == strokes(["H", "I"])
    assert count_strokes(scene.goal_state({"word": "house,L"})) == strokes(["house", "L"])
    assert scene.goal_state({"word": "+"})["ink"]
