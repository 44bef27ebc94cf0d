import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from policy_examples import frames, network, wake

from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.models.act2goal.temporal_hashing import TemporalHashing
from a2g_cli.models.act2goal.world_model import patchify, unpatchify


def inputs(model: Act2Goal, size: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    time = torch.rand(size, generator=torch.Generator().manual_seed(seed))
    count = model.config.hashing.frames
    return (
        frames(model, size, seed=seed),
        frames(model, size, seed=seed + 1),
        frames(model, size, count, seed=seed + 2),
        time,
    )


@given(
    st.lists(st.integers(1, 3), max_size=3),
    st.integers(1, 4),
    st.integers(1, 5),
    st.integers(1, 4),
    st.integers(1, 4),
)
def test_patches_come_apart_and_together_again(
    batch: list[int], channels: int, rows: int, columns: int, patch: int
) -> None:
    height, width = rows * patch, columns * patch
    latents = torch.randn(*batch, channels, height, width)
    tokens = patchify(latents, patch)
    assert tokens.shape == (*batch, rows * columns, channels * patch**2)
    assert torch.equal(unpatchify(tokens, patch, height, width), latents)


def test_a_token_holds_one_patch_of_all_channels_and_tokens_go_row_by_row() -> None:
    latents = torch.arange(2 * 4 * 6).reshape(2, 4, 6)
    tokens = patchify(latents, 2)
    assert tokens.shape == (6, 8)
    for token, (row, column) in zip(tokens, [(r, c) for r in (0, 2) for c in (0, 2, 4)], strict=True):
        assert torch.equal(token, latents[:, row : row + 2, column : column + 2].flatten())


@pytest.mark.parametrize("cameras", [1, 2, 3])
@pytest.mark.parametrize("size", [32, 64])
def test_the_velocity_has_the_plan_s_shape_and_every_block_gives_its_hidden_states(cameras: int, size: int) -> None:
    model = network(cameras=cameras, size=size)
    now, goal, plan, time = inputs(model, 2)
    velocity, hidden = model.world_model(now, goal, plan, time)
    assert velocity.shape == plan.shape == (2, 4, cameras, 4, size // 8, size // 8)
    config, cells = model.config, (size // 8) ** 2
    tokens = cameras * (cells // config.context_patch**2 + 4 * cells // config.plan_patch**2)
    assert [states.shape for states in hidden] == [(2, tokens, config.model_width)] * config.blocks


def test_images_need_not_be_square() -> None:
    from dataclasses import replace

    from policy_examples import config

    model = Act2Goal(replace(config(), height=32, width=96))
    wake(model)
    now, goal, plan, time = inputs(model, 2)
    assert plan.shape[-2:] == (4, 12)
    assert model.world_model(now, goal, plan, time)[0].shape == plan.shape


def test_it_begins_by_predicting_no_velocity_at_all() -> None:
    model = network(awake=False)
    velocity, hidden = model.world_model(*inputs(model, 3))
    assert torch.equal(velocity, torch.zeros_like(velocity))
    assert all(states.std() > 0.1 for states in hidden)


@torch.no_grad()
def test_now_goal_plan_and_time_all_matter() -> None:
    model = network()
    given, other = inputs(model, 2), inputs(model, 2, seed=10)
    velocity, hidden = model.world_model(*given)
    for i in range(4):
        changed = [*given]
        changed[i] = other[i]
        new_velocity, new_hidden = model.world_model(*changed)
        assert (new_velocity - velocity).abs().max() > 1e-3
        assert all((a - b).abs().max() > 1e-3 for a, b in zip(new_hidden, hidden, strict=True))


@torch.no_grad()
def test_now_and_goal_cannot_be_swapped() -> None:
    model = network()
    now, goal, plan, time = inputs(model, 2)
    forth, _ = model.world_model(now, goal, plan, time)
    back, _ = model.world_model(goal, now, plan, time)
    assert (forth - back).abs().max() > 1e-3


@torch.no_grad()
@pytest.mark.parametrize("dimension", [1, 2], ids=["frames", "cameras"])
def test_frames_and_cameras_are_told_apart(dimension: int) -> None:
    # Without embeddings, a transformer would give swapped answers to swapped questions.
    model = network(cameras=2)
    now, _, plan, time = inputs(model, 1)
    same = now[:, :1].expand_as(now)
    straight, _ = model.world_model(same, same, plan, time)
    swapped, _ = model.world_model(same, same, plan.flip(dimension), time)
    assert (swapped.flip(dimension) - straight).abs().max() > 1e-3


@torch.no_grad()
def test_an_image_s_camera_and_place_count() -> None:
    # The same tokens, of the other camera or from elsewhere in the image, are another context and another plan.
    model = network(cameras=2, size=64)
    config = model.config
    now, goal, plan, time = inputs(model, 1)
    same = plan[:, :, :1, :, :4, :4].repeat(1, 1, 2, 1, 2, 2)  # a plan that looks the same everywhere
    straight, _ = model.world_model(now, goal, same, time)
    for dimension, by in ((1, 1), (-1, config.context_patch), (-2, config.context_patch)):
        moved, _ = model.world_model(now.roll(by, dimension), goal.roll(by, dimension), same, time)
        assert (moved - straight).abs().max() > 1e-3
    blank = torch.zeros_like(now)
    straight, _ = model.world_model(blank, blank, plan, time)
    for dimension, by in ((2, 1), (-1, config.plan_patch), (-2, config.plan_patch)):
        moved, _ = model.world_model(blank, blank, plan.roll(by, dimension), time)
        assert (moved.roll(-by, dimension) - straight).abs().max() > 1e-3


@torch.no_grad()
def test_without_attention_a_frame_s_velocity_is_told_by_that_frame_alone() -> None:
    model = network(cameras=2)
    for block in model.world_model.blocks:
        torch.nn.init.zeros_(block.attention.out.weight)
    now, goal, plan, time = inputs(model, 1)
    velocity, _ = model.world_model(now, goal, plan, time)
    for frame in range(plan.shape[1]):
        for camera in range(2):
            changed = plan.clone()
            changed[:, frame, camera] += 1
            moved = (model.world_model(now, goal, changed, time)[0] - velocity).abs().amax((0, 3, 4, 5))
            assert moved[frame, camera] > 1e-3
            moved[frame, camera] = 0
            assert moved.max() < 1e-5


@torch.no_grad()
@pytest.mark.parametrize("cameras", [1, 2])
def test_each_sample_is_what_it_would_be_alone(cameras: int) -> None:
    model = network(cameras=cameras)
    given = inputs(model, 4)
    velocity, hidden = model.world_model(*given)
    for i in range(4):
        alone, states = model.world_model(*(part[i : i + 1] for part in given))
        torch.testing.assert_close(alone, velocity[i : i + 1], atol=1e-5, rtol=1e-5)
        for one, many in zip(states, hidden, strict=True):
            torch.testing.assert_close(one, many[i : i + 1], atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_flow_time_reaches_the_plan_directly_and_the_context_only_through_attention() -> None:
    # Clean tokens carry time 1 whatever the plan's time: with attention cut, their states do not move.
    model = network()
    for block in model.world_model.blocks:
        torch.nn.init.zeros_(block.attention.out.weight)
    now, goal, plan, time = inputs(model, 2)
    context = model.frame_shape[2] * model.frame_shape[3] // model.config.context_patch**2
    _, early = model.world_model(now, goal, plan, torch.zeros(2))
    _, late = model.world_model(now, goal, plan, time)
    for before, after in zip(early, late, strict=True):
        assert torch.equal(before[:, :context], after[:, :context])
        assert (before[:, context:] - after[:, context:]).abs().max() > 1e-3


def test_any_plan_shape_is_possible() -> None:
    for hashing in (TemporalHashing(1, 1, 1), TemporalHashing(12, 3, 5)):
        model = network(hashing=hashing)
        now, goal, plan, time = inputs(model, 2)
        assert plan.shape[1] == hashing.frames
        assert model.world_model(now, goal, plan, time)[0].shape == plan.shape
