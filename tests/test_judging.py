"""Who says whether an episode reached its goal, and that it is recorded."""

import os
import pty
import threading
from pathlib import Path

import numpy as np
import pytest
from cli_examples import a2g, ask, refused
from rollout_examples import Kept, steady

from a2g_cli.calibration.goal_distance import GoalScorer, goal_distance
from a2g_cli.cli.commands.prompts import asks_for_a_key
from a2g_cli.core.errors import UnknownNameError, UsageError
from a2g_cli.core.types import Goal, Observation, Outcome
from a2g_cli.data.recording.schema import outcome_from_json, outcome_to_json
from a2g_cli.models import checkpoint
from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.robots.base import Trial
from a2g_cli.robots.sim import SimRobot
from a2g_cli.runtime.rollout import Job, RolloutSettings, roll_out
from a2g_cli.runtime.success import NEAR, make_judge

UNJUDGED = Outcome(None, "none", "steps", 40.0)


@pytest.fixture(scope="module")
def base() -> Act2Goal:
    return checkpoint.load()


@pytest.fixture(scope="module")
def seen() -> tuple[Goal, Observation, Observation]:
    """A goal, a start far from it, and what is seen where it is reached."""
    robot = SimRobot()
    robot.connect()
    try:
        trial = robot.trial("practice", 1, 0)
        assert trial.goal.truth is not None
        robot.begin(trial.start)
        first = robot.observe()
        robot.begin(trial.goal.truth)
        return trial.goal, first, robot.observe()
    finally:
        robot.close()


def test_the_goal_itself_is_at_no_distance_and_the_start_at_one(
    base: Act2Goal, seen: tuple[Goal, Observation, Observation]
) -> None:
    goal, first, last = seen
    there = goal_distance(base, first.images, last.images, goal)
    away = goal_distance(base, first.images, first.images, goal)
    assert there.distance == pytest.approx(0.0, abs=1e-6)
    assert away.distance == pytest.approx(1.0)
    assert there.steps_to_go < away.steps_to_go


@pytest.mark.parametrize("judge", ["auto", "policy", "distance"])
def test_an_automatic_judge_tells_the_goal_from_the_start(
    judge: str, base: Act2Goal, seen: tuple[Goal, Observation, Observation]
) -> None:
    goal, first, last = seen
    verdict = make_judge(judge, GoalScorer(base), checkpoint.arrived_below(checkpoint.SHIPPED))
    reached, missed = verdict(UNJUDGED, goal, first, last), verdict(UNJUDGED, goal, first, first)
    assert (reached.success, missed.success) == (True, False)
    assert reached.judge == missed.judge == ("distance" if judge == "distance" else "policy")
    assert reached.distance is not None
    assert reached.distance < NEAR
    assert reached.steps_to_go is not None
    assert reached.steps_to_go < checkpoint.SLACK * checkpoint.arrived_below(checkpoint.SHIPPED)


def test_where_the_truth_is_known_it_judges_and_the_numbers_are_kept(
    base: Act2Goal, seen: tuple[Goal, Observation, Observation]
) -> None:
    goal, first, last = seen
    told = make_judge("auto", GoalScorer(base), 1.0)(Outcome(False, "truth", "steps"), goal, first, last)
    assert (told.success, told.judge) == (False, "truth")
    assert told.distance == pytest.approx(0.0, abs=1e-6)
    assert outcome_from_json(outcome_to_json(told)) == told


def test_what_older_recordings_say_is_still_read() -> None:
    text = '{"success": true, "judge": "truth", "stopped_by": "success", "steps_to_go": 1.5}'
    assert outcome_from_json(text) == Outcome(True, "truth", "success", 1.5)


def test_a_judge_that_cannot_judge_is_refused(base: Act2Goal) -> None:
    with pytest.raises(UnknownNameError, match="person"):
        make_judge("persom", GoalScorer(base), 1.0)
    with pytest.raises(UsageError, match="distance"):
        make_judge("distance", None, 1.0)
    with pytest.raises(UsageError, match="terminal"):
        make_judge("person", GoalScorer(base), 1.0)


@pytest.mark.parametrize(("key", "answer"), [(b"y", True), (b"xN", False), (b" ", None)])
def test_a_person_answers_with_one_key(key: bytes, answer: bool | None) -> None:
    hers, ours = pty.openpty()
    said: list[str] = []
    try:
        # Keys that were pressed before the question come through all the same: what matters is which one answers.
        threading.Timer(0.1, os.write, (hers, key)).start()
        assert asks_for_a_key(said.append, lambda: False, ours)("cup") is answer
    finally:
        os.close(hers)
        os.close(ours)
    assert "cup" in said[0]


def test_an_ending_leaves_the_question_unanswered() -> None:
    hers, ours = pty.openpty()
    try:
        assert asks_for_a_key(lambda _: None, lambda: True, ours)("cup") is None
    finally:
        os.close(hers)
        os.close(ours)


@pytest.mark.parametrize(("stop", "judged"), [(False, "person"), (True, "truth")])
def test_only_an_episode_that_ended_by_itself_is_judged_by_looks(
    stop: bool, judged: str, robots: list[SimRobot], trials: list[Trial]
) -> None:
    kept, asked = Kept(), []

    def person(goal: str) -> bool:
        asked.append(goal)
        return True

    settings = RolloutSettings(limit=3, verdict=make_judge("person", None, 0.0, person))
    job = Job(trials[0].goal, 0, lambda robot: robots[0].begin(trials[0].start), lambda _: kept)
    outcomes = [
        outcome for _, outcome in roll_out(robots[:1], [job], steady(), settings, None, _after(1) if stop else _never)
    ]
    assert outcomes == [kept.outcome]
    assert outcomes[0].judge == judged
    assert asked == ([] if stop else [trials[0].goal.name])


def _never() -> bool:
    return False


def _after(calls: int):  # type: ignore[no-untyped-def]
    left = [calls]

    def interrupted() -> bool:
        left[0] -= 1
        return left[0] < 0

    return interrupted


def test_the_command_line_records_who_judged(tmp_path: Path) -> None:
    ask(tmp_path, "capture-goal", "cup", "--seed", 3)
    run = ("run", "cup", "--steps", 4, "--adapter", "base")
    done = ask(tmp_path, *run, "--judge", "distance", "--session", "one", code=5)
    assert done["recordings"][0]["judge"] == "distance"
    shown = ask(tmp_path, "recordings", "show", "one/episode-0000")
    assert shown["recordings"][0]["outcome"]["judge"] == "distance"
    assert np.isfinite(shown["recordings"][0]["outcome"]["distance"])
    assert "truth" in refused(tmp_path, "run", "cup", "--judge", "policy", "--adapter", "random")
    assert "terminal" in refused(tmp_path, *run, "--judge", "person")
    assert "distance" in refused(tmp_path, *run, "--judge", "distence")
    assert a2g(tmp_path, "run").exit_code == 2
    (tmp_path / "a2g.toml").write_text('[goals]\nnames = ["cup"]\n')
    assert ask(tmp_path, "run", "--steps", 3, "--judge", "none")["recordings"][0]["judge"] == "none"
