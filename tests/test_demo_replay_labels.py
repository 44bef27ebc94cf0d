"""Replayed demonstrations are labelled with the demonstrator's own actions, where these are valid."""

from dataclasses import replace

import torch

from a2g_cli.demo_replay.labels import demonstrated_actions
from a2g_cli.demo_replay.trajectory import Trajectory
from a2g_cli.encoding.segments import Segments

STEPS = 30


def demonstrated() -> Trajectory:
    """A demonstrator who meant to go along a curve, and was pushed about."""
    pushes = 0.001 * torch.randn(STEPS, 2, generator=torch.Generator().manual_seed(0))
    actions = 0.01 * torch.stack([torch.linspace(0, 3, STEPS).cos(), torch.linspace(0, 3, STEPS).sin()], 1)
    places = torch.cat([torch.zeros(1, 2), (actions + pushes).cumsum(0)])
    return Trajectory(places, actions, "sim:example")


def rehearsed(movement: Trajectory, more: int = 1) -> tuple[Segments, torch.Tensor]:
    """Return an arm that went through the same places, and stayed at the last; and what was measured."""
    places = torch.cat([movement.proprioception, movement.proprioception[-1:].expand(more, 2)])
    actions = torch.cat([places.diff(dim=0), torch.full((1, 2), 9.0)])
    length = torch.tensor([STEPS + more])
    return Segments(torch.zeros(len(places), 1, 1, 1, 1), places, actions, torch.zeros(1).long(), length), places


def test_where_the_arm_is_where_the_demonstrator_was_it_learns_what_the_demonstrator_did() -> None:
    movement = demonstrated()
    made, measured = rehearsed(movement)
    told = demonstrated_actions(made, measured, movement)
    assert torch.equal(told.actions[:STEPS], movement.actions)
    assert not torch.equal(made.actions[:STEPS], movement.actions), "nothing of what was given is changed"
    assert torch.equal(told.actions[STEPS:], made.actions[STEPS:]), "at the end it stayed"
    assert torch.equal(told.latents, made.latents)


def test_where_it_is_elsewhere_it_learns_what_it_did() -> None:
    movement = demonstrated()
    made, measured = rehearsed(movement)
    beside = measured.clone()
    beside[:7] += 0.01
    told = demonstrated_actions(made, beside, movement)
    assert torch.equal(told.actions[:7], made.actions[:7])
    assert torch.equal(told.actions[7:STEPS], movement.actions[7:])


def test_motors_that_want_other_commands_are_learned_as_they_are() -> None:
    movement = demonstrated()
    made, measured = rehearsed(movement)
    weak = replace(made, actions=made.actions / 0.6)
    assert demonstrated_actions(weak, measured, movement) is weak


def test_a_movement_that_was_cut_short_or_is_another_s_teaches_what_was_done() -> None:
    movement = demonstrated()
    made, measured = rehearsed(movement, more=0)
    short = replace(made, length=torch.tensor([9]))
    told = demonstrated_actions(short, measured[:10], movement)
    assert torch.equal(told.actions[:9], movement.actions[:9])
    assert torch.equal(told.actions[9:], made.actions[9:])
    assert demonstrated_actions(made, measured + 1.0, movement) is made
