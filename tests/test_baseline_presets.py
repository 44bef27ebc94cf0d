"""The policies that Act2Goal is compared with: no world model, no flow matching, neither."""

import pytest
import torch
from policy_examples import batch, config, plan_inputs, wake

from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.models.act2goal.temporal_hashing import TemporalHashing
from a2g_cli.models.presets import Act2GoalConfig, preset
from a2g_cli.robots.sim import SimRobot


def peer(*, imagines: bool, generative: bool) -> Act2Goal:
    whole = config(None if imagines else TemporalHashing(distal=0))
    torch.manual_seed(0)
    model = Act2Goal(
        Act2GoalConfig.from_json({**whole.to_json(), "imagines": imagines, "generative": generative})
    ).eval()
    wake(model)
    return model


@pytest.mark.parametrize("imagines", [True, False])
@pytest.mark.parametrize("generative", [True, False])
def test_chance_moves_what_it_should_and_nothing_else(imagines: bool, generative: bool) -> None:
    model = peer(imagines=imagines, generative=generative)
    now, goal, state, plan, noise = plan_inputs(model, 2)
    actions = model.act(now, goal, state, plan, noise, 5)
    assert bool((model.act(now, goal, state, plan, 2 * noise, 5) - actions).abs().max() > 1e-3) == generative
    assert bool((model.act(now, goal, state, 2 * plan, noise, 5) - actions).abs().max() > 1e-3) == imagines
    assert (model.act(now, 2 * goal, state, plan, noise, 5) - actions).abs().max() > 1e-3


def test_a_regression_is_drawn_once_and_its_loss_is_the_plain_error_of_its_actions() -> None:
    model = peer(imagines=False, generative=False)
    given = batch(model, 5)
    chance = model.sample_noise(5, 0.0, 3)
    assert chance["action_noise"].shape[1] == 1
    with torch.no_grad():
        loss = model.losses(given, chance)["action"]
        chunk = model.act(*plan_inputs(model, 5), 1)
    error = (chunk - given["actions"]) / model.action_std
    assert loss.item() == pytest.approx(error.square().mean().item(), rel=1e-4)


@pytest.mark.parametrize(
    ("name", "imagines", "generative"),
    [("tiny", True, True), ("flat", False, True), ("regressing", True, False), ("cloning", False, False)],
)
def test_presets_are_the_four_of_them_and_about_as_large(name: str, imagines: bool, generative: bool) -> None:
    found = preset(name, SimRobot().spec)
    assert (found.imagines, found.generative) == (imagines, generative)
    sizes = [
        sum(p.numel() for part in (model.world_model, model.expert) for p in part.parameters())
        for model in (Act2Goal(found), Act2Goal(preset("tiny", SimRobot().spec)))
    ]
    assert 0.9 < sizes[0] / sizes[1] < 1.1
