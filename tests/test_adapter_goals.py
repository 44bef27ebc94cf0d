"""An adapter that practised named goals acts on these alone; on others the weights act that it began from."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from policy_examples import goal as a_goal
from policy_examples import network, observation, spec

from a2g_cli.adapters.files import Adapter
from a2g_cli.adapters.goals import GOALS, SAME, AdapterGoals, read_goals
from a2g_cli.core.errors import CheckpointError
from a2g_cli.core.types import Goal
from a2g_cli.policies.act2goal import encode_goal
from a2g_cli.policies.base import Plan, PlanRequest, Policy
from a2g_cli.policies.goal_switch import GoalSwitchPolicy


class Fixed(Policy):
    """A policy whose chunk is a number, and that counts what it was asked."""

    name = "fixed"

    def __init__(self, value: float) -> None:
        self.value = value
        self.batches: list[int] = []

    def plan(self, requests: Sequence[PlanRequest]) -> list[Plan]:
        self.batches.append(len(requests))
        return [Plan(np.full((1, 1), self.value, np.float32), request.seed) for request in requests]


def photo(seed: int) -> torch.Tensor:
    return torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(seed))


def an_adapter(folder: Path, acts_on: object) -> Adapter:
    return Adapter("one", folder, 4, 4.0, {"base": "x", "acts_on": acts_on})


def test_a_photo_taken_again_shows_the_same_goal_and_another_one_does_not() -> None:
    goals = AdapterGoals({"cup": photo(0), "plate": photo(1)})
    assert goals.include(photo(1))
    assert goals.include(photo(0) + 0.5 * SAME * torch.randn(1, 4, 8, 8))
    assert not goals.include(photo(0) + 2 * SAME * photo(3))
    assert not goals.include(photo(2))
    assert not goals.include(torch.zeros(2, 4, 8, 8)), "other cameras"


def test_they_are_read_as_written(tmp_path: Path) -> None:
    AdapterGoals({"cup": photo(0), "die Tasse": photo(1)}).write(tmp_path)
    found = read_goals(an_adapter(tmp_path, ["cup", "die Tasse"]))
    assert found is not None
    assert torch.equal(found.latents["die Tasse"], photo(1))
    assert read_goals(an_adapter(tmp_path, None)) is None, "it acts on every goal"


@pytest.mark.parametrize("acts_on", [["cup"], ["cup", "mug"], "cup", [], [3]])
def test_a_lineage_that_does_not_fit_its_file_is_damaged(tmp_path: Path, acts_on: object) -> None:
    AdapterGoals({"plate": photo(0)}).write(tmp_path)
    with pytest.raises(CheckpointError, match="damaged"):
        read_goals(an_adapter(tmp_path, acts_on))


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=rf"{GOALS} is missing"):
        read_goals(an_adapter(tmp_path, ["cup"]))
    (tmp_path / GOALS).write_bytes(json.dumps({"cup": 1}).encode())
    with pytest.raises(CheckpointError, match="damaged"):
        read_goals(an_adapter(tmp_path, ["cup"]))
    AdapterGoals({"cup": photo(0) / 0}).write(tmp_path)
    with pytest.raises(CheckpointError, match="damaged"):
        read_goals(an_adapter(tmp_path, ["cup"]))


def test_the_goal_chooses_who_acts_and_each_plans_once() -> None:
    robot, asked = spec(), []
    cup, other = a_goal(robot), replace(a_goal(robot), images={c: i + 1 for c, i in a_goal(robot).images.items()})

    def practised(goal: Goal) -> bool:
        asked.append(goal.fingerprint)
        return goal.fingerprint == cup.fingerprint

    own, base = Fixed(1.0), Fixed(2.0)
    policy = GoalSwitchPolicy(own, base, practised)
    requests = [PlanRequest(observation(robot), goal, seed, 0) for seed, goal in enumerate((cup, other, cup, other))]
    assert [(float(plan.chunk[0, 0]), plan.steps_to_go) for plan in policy.plan(requests)] == [
        (1.0, 0),
        (2.0, 1),
        (1.0, 2),
        (2.0, 3),
    ]
    assert own.batches == base.batches == [2]
    policy.plan(requests)
    assert sorted(asked) == sorted({cup.fingerprint, other.fingerprint}), "each photo is looked at once"


def test_a_goal_is_encoded_at_the_size_of_the_base() -> None:
    model, robot = network(), spec()
    goal = a_goal(robot)
    larger = replace(goal, images={c: np.kron(i, np.ones((2, 2, 1), np.uint8)) for c, i in goal.images.items()})
    assert encode_goal(model, larger).shape == encode_goal(model, goal).shape
