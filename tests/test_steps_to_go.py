import math

import pytest
import torch
from policy_examples import config, frames, network

from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.models.steps_to_go import StepsToGo


def constant(value: float) -> StepsToGo:
    """A head that answers log(1 + steps) = ``value`` to everything."""
    head = StepsToGo(config(), (4, 4))
    torch.nn.init.zeros_(head.net[-1].weight)
    torch.nn.init.constant_(head.net[-1].bias, value)
    return head.requires_grad_(requires_grad=False)


@pytest.fixture(scope="module")
def model() -> Act2Goal:
    return network()


@pytest.mark.parametrize("steps", [0, 1, 7, 60])
def test_a_head_that_answers_log_one_plus_k_says_k_steps_and_has_no_loss(model: Act2Goal, steps: int) -> None:
    head, now, goal = constant(math.log1p(steps)), frames(model, 5), frames(model, 5, seed=1)
    torch.testing.assert_close(head.steps(now, goal), torch.full((5,), float(steps)), atol=1e-4, rtol=1e-5)
    assert head.loss(now, goal, torch.full((5,), steps)) < 1e-9


@pytest.mark.parametrize(("answer", "steps"), [(-3.0, 0.0), (1e6, math.expm1(10.0)), (float("-inf"), 0.0)])
def test_the_estimate_is_never_negative_and_never_runs_away(model: Act2Goal, answer: float, steps: float) -> None:
    estimate = constant(answer).steps(frames(model, 2), frames(model, 2))
    torch.testing.assert_close(estimate, torch.full((2,), steps), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("factor", [2.0, 8.0])
def test_the_loss_counts_ratios_not_differences(model: Act2Goal, factor: float) -> None:
    # Wrong by the same factor costs the same near and far; wrong by one step costs more near the goal.
    now, goal = frames(model, 1), frames(model, 1, seed=1)

    def loss(predicted: float, true: float) -> float:
        return constant(math.log1p(predicted)).loss(now, goal, torch.tensor([true])).item()

    assert loss(1 * factor - 1, 0) == pytest.approx(loss(10 * factor - 1, 9), rel=1e-4)
    assert loss(2, 1) > 5 * loss(31, 30) > 0


def test_a_larger_error_costs_more_in_both_directions(model: Act2Goal) -> None:
    now, goal = frames(model, 1), frames(model, 1, seed=1)
    losses = [constant(math.log1p(steps)).loss(now, goal, torch.tensor([10])).item() for steps in (1, 4, 10, 25, 60)]
    assert losses[0] > losses[1] > losses[2]
    assert losses[2] < losses[3] < losses[4]


@torch.no_grad()
def test_now_and_goal_both_matter_and_each_sample_stands_alone(model: Act2Goal) -> None:
    head, now, goal = model.steps_to_go, frames(model, 4), frames(model, 4, seed=1)
    answers = head(now, goal)
    assert answers.shape == (4,)
    assert (head(frames(model, 4, seed=2), goal) - answers).abs().max() > 1e-3
    assert (head(now, frames(model, 4, seed=2)) - answers).abs().max() > 1e-3
    torch.testing.assert_close(torch.cat([head(now[i : i + 1], goal[i : i + 1]) for i in range(4)]), answers)


def test_it_learns_the_number_of_steps_between_two_frames() -> None:
    torch.manual_seed(0)
    head = StepsToGo(config(), (4, 4))
    way = torch.randn(1, 4, 4, 4)  # a world that moves on by the same amount a step
    optimiser = torch.optim.AdamW(head.parameters(), lr=3e-3)

    def draw() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        step, left = torch.randint(0, 20, (64,)), torch.randint(1, 20, (64,))
        at = (0.1 * way) * step.reshape(-1, 1, 1, 1, 1)
        return at, (0.1 * way) * (step + left).reshape(-1, 1, 1, 1, 1), left

    for _ in range(300):
        loss = head.loss(*draw())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    now, goal, left = draw()
    with torch.no_grad():
        assert (head.steps(now, goal) - left).abs().mean() < 1.5
