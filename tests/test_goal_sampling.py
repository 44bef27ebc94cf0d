"""Goals are drawn by seed, never one that is reached already; a curriculum prefers goals that are reached in some trials."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from cli_examples import record
from torch import Tensor

from a2g_cli.calibration.goal_distance import goal_distance
from a2g_cli.core.errors import UnknownNameError, UsageError
from a2g_cli.core.types import Goal
from a2g_cli.improvement.goal_sampling import (
    APART,
    CANDIDATES,
    Candidate,
    Curriculum,
    Experience,
    FromRecordings,
    GoalSampler,
    Imagined,
    check_source,
    success_rate_nearby,
)
from a2g_cli.models import checkpoint
from a2g_cli.robots.sim import SimRobot


def flat(value: float) -> dict[str, Any]:
    return {"eye": np.full((2, 2, 3), value, np.uint8)}


def latent(value: float) -> Tensor:
    return torch.full((1, 1, 1, 1), float(value))


def candidate(name: str, value: float, start: float = 0) -> Candidate:
    return Candidate(Goal(name, flat(value), "test"), None, lambda: flat(start))


@dataclass
class _Config:
    cameras: tuple[str, ...] = ("eye",)
    size: tuple[int, int] = (2, 2)


class Grey:
    """Stands for the base: an image's latent is its grey level, and so many steps away from another as they differ by."""

    config = _Config()

    def encode(self, views: Tensor) -> Tensor:
        return ((views + 1) * 127.5).mean(dim=(-1, -2, -3)).reshape(len(views), 1, 1, 1, 1)

    @property
    def steps_to_go(self) -> "Grey":
        return self

    def steps(self, starts: Tensor, goals: Tensor) -> Tensor:
        return (starts - goals).abs().flatten(1).mean(1)


def chooser(experiences: list[Experience], **given: Any) -> GoalSampler:
    return GoalSampler(curriculum=Curriculum(Grey(), lambda _: experiences), **given)  # type: ignore[arg-type]


def drawing(goals: dict[str, float]) -> Callable[[int], Candidate]:
    """Draws the goals in turn, one for each of an episode's candidates."""
    named = list(goals.items())
    return lambda index: candidate(*named[index // APART % len(named)])


def chosen(choose: GoalSampler, goals: dict[str, float], count: int = 400, seed: int = 1) -> Counter[str]:
    found = [choose(drawing(goals), 1, seed, index) for index in range(count)]
    return Counter(one.goal.name for one in found if one is not None)


GOALS = {"near": 20.0, "mastered": 80.0, "half": 120.0, "hopeless": 160.0}


def history() -> list[Experience]:
    ends = {"mastered": [True] * 6, "half": [True, False] * 3, "hopeless": [False] * 6}
    return [Experience(latent(0), latent(GOALS[name]), end) for name, all_of in ends.items() for end in all_of]


def test_a_mastered_goal_and_a_hopeless_one_are_tried_less_than_one_that_is_now_reached_and_now_not() -> None:
    counts = chosen(chooser(history()), GOALS)
    assert counts["half"] > 1.5 * counts["mastered"]
    assert counts["half"] > 1.5 * counts["hopeless"]
    assert set(counts) == set(GOALS), "none is given up for good"


def test_before_anything_was_tried_neither_the_nearest_nor_the_farthest_is_preferred() -> None:
    counts = chosen(chooser([]), GOALS)
    assert min(counts["mastered"], counts["half"]) > 1.5 * max(counts["near"], counts["hopeless"])


def test_the_choice_is_the_seed_s() -> None:
    def names(seed: int) -> list[str]:
        found = [chooser(history())(drawing(GOALS), 1, seed, index) for index in range(30)]
        return [one.goal.name for one in found if one is not None]

    assert names(3) == names(3) != names(4)


def test_what_holds_at_the_start_is_never_chosen() -> None:
    counts = chosen(chooser(history(), satisfied=lambda _, goal: goal.name == "half"), GOALS)
    assert counts["half"] == 0
    assert sum(counts.values()) == 400


def test_without_a_curriculum_one_goal_is_drawn_and_it_is_the_scene_s() -> None:
    drawn: list[int] = []
    found = GoalSampler()(lambda index: drawn.append(index) or candidate("a", 9), 0, 5, 17)  # type: ignore[func-returns-value]
    assert (drawn, found and found.goal.name) == ([17], "a")
    assert GoalSampler()(lambda _: None, 0, 5, 17) is None
    assert chooser([])(lambda _: None, 0, 5, 17) is None
    assert CANDIDATES > 1


def test_the_rate_is_that_of_the_nearest_starts_and_goals() -> None:
    rates = success_rate_nearby(
        torch.stack([latent(0)] * 3),
        torch.stack([latent(GOALS[n]) for n in ("mastered", "half", "hopeless")]),
        history(),
    )
    assert rates[0] > rates[1] > rates[2]
    assert 0 < float(rates.min()) < float(rates.max()) < 1
    elsewhere = success_rate_nearby(latent(500)[None], latent(0)[None], [])
    assert elsewhere.tolist() == [0.5]


def test_achieved_frames_become_goals_on_the_table_that_they_were_achieved_on(tmp_path: Path) -> None:
    robot = SimRobot()
    robot.connect()
    paths = [record(tmp_path, f"monday/episode-{i:04d}") for i in range(2)]
    trial = robot.trial("practice", 1, 0)
    drawn = Candidate(trial.goal, trial.start, lambda: robot.photograph(trial.start))
    source = FromRecordings(robot, lambda number: paths if number else [], lambda _, __: False)
    assert source(drawn, 0, (1, 0)) is drawn, "nothing has been achieved yet"
    found = source(drawn, 1, (1, 0))
    assert (found.goal.truth, found.goal.source.startswith("recording:")) == (None, True)
    asked = robot.trial("practice", 3, 0).start  # what is recorded there
    assert found.start is not None
    assert found.start["plate"] == pytest.approx(asked["plate"])
    stays = source(replace(drawn, start=None), 1, (1, 0))
    assert stays.start is None, "in a cycle things stay where they are"
    assert replace(source, satisfied=lambda _, __: True)(drawn, 1, (1, 0)) is drawn
    robot.close()


def test_what_is_imagined_is_an_image_near_the_drawn_goal_and_judged_by_nobody() -> None:
    robot, model = SimRobot(), checkpoint.load(checkpoint.SHIPPED)
    robot.connect()
    before = after = 0.0
    for index in range(3):
        trial = robot.trial("practice", 1, index)
        drawn = Candidate(trial.goal, trial.start, lambda state=trial.start: robot.photograph(state))  # type: ignore[misc]
        found = Imagined(model, lambda _, __: False)(drawn, 0, (1, index))
        assert found.start == drawn.start
        assert (found.goal.truth, found.goal.source) == (None, "imagined")
        assert {camera: image.shape for camera, image in found.goal.images.items()} == {"front": (64, 64, 3)}
        before += goal_distance(model, drawn.seen(), drawn.seen(), trial.goal).steps_to_go
        after += goal_distance(model, drawn.seen(), found.goal.images, trial.goal).steps_to_go
    assert after < before / 2
    assert Imagined(model, lambda _, __: True)(drawn, 0, (1, 0)) is drawn
    robot.close()


@pytest.mark.parametrize(
    ("source", "curriculum", "goals", "says"),
    [
        ("scene", "none", ["cup"], None),
        ("recordings:monday", "progress", [], None),
        ("recording", "none", [], "did you mean recordings"),
        ("recordings:", "none", [], "recordings:SESSION"),
        ("imagined:monday", "none", [], "recordings:SESSION"),
        ("scene", "often", [], "curriculum"),
        ("imagined", "none", ["cup"], "--goals-from cannot be used with a GOAL"),
        ("scene", "progress", ["cup"], "--curriculum cannot be used with a GOAL"),
    ],
)
def test_what_makes_no_sense_is_refused(source: str, curriculum: str, goals: list[str], says: str | None) -> None:
    if says is None:
        check_source(source, curriculum, goals)
    else:
        with pytest.raises((UsageError, UnknownNameError), match=says):
            check_source(source, curriculum, goals)
