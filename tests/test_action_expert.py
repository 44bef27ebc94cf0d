import pytest
import torch
from policy_examples import network

from a2g_cli.models.act2goal.model import Act2Goal


def inputs(model: Act2Goal, size: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(noisy actions, flow time, proprioception)."""
    random = torch.Generator().manual_seed(seed)
    config = model.config
    return (
        torch.randn(size, config.hashing.actions, len(config.action_names), generator=random),
        torch.rand(size, generator=random),
        torch.randn(size, len(config.proprioception_names), generator=random),
    )


def hidden(model: Act2Goal, size: int, seed: int = 0, tokens: int = 7) -> list[torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    return [torch.randn(size, tokens, model.config.model_width, generator=random) for _ in range(model.config.blocks)]


@pytest.fixture(scope="module")
def model() -> Act2Goal:
    return network().requires_grad_(requires_grad=False)


@pytest.mark.parametrize("actions", [1, 4, 7])
@pytest.mark.parametrize("states", [1, 9])
def test_any_number_of_actions_and_proprioception_values(actions: int, states: int) -> None:
    model = network(actions=actions, states=states)
    velocity = model.expert(*inputs(model, 3), model.expert.read(hidden(model, 3)))
    assert velocity.shape == (3, model.config.hashing.actions, actions)
    assert velocity.abs().max() > 0


def test_it_begins_by_predicting_no_velocity_at_all() -> None:
    fresh = network(awake=False)
    velocity = fresh.expert(*inputs(fresh, 3), fresh.expert.read(hidden(fresh, 3)))
    assert torch.equal(velocity, torch.zeros_like(velocity))


def test_keys_and_values_made_once_serve_every_denoising_step(model: Act2Goal) -> None:
    states = hidden(model, 2)
    cached = model.expert.read(states)
    kept = [(key.clone(), value.clone()) for key, value in cached]
    for seed in range(4):
        given = inputs(model, 2, seed)
        again = model.expert.read([state.clone() for state in states])
        assert torch.equal(model.expert(*given, cached), model.expert(*given, again))
    for (key, value), (old_key, old_value) in zip(cached, kept, strict=True):
        assert torch.equal(key, old_key)
        assert torch.equal(value, old_value)


@pytest.mark.parametrize("chunks", [1, 2, 5])
def test_chunks_in_a_row_that_share_a_context_are_as_if_each_had_its_own(model: Act2Goal, chunks: int) -> None:
    states, given = hidden(model, 3), inputs(model, 3 * chunks)
    shared = model.expert(*given, model.expert.read(states))
    repeated = model.expert(*given, model.expert.read([state.repeat_interleave(chunks, 0) for state in states]))
    torch.testing.assert_close(shared, repeated, atol=1e-5, rtol=1e-5)


def test_each_sample_is_what_it_would_be_alone(model: Act2Goal) -> None:
    states, given = hidden(model, 4), inputs(model, 4)
    together = model.expert(*given, model.expert.read(states))
    for i in range(4):
        context = model.expert.read([state[i : i + 1] for state in states])
        alone = model.expert(*(part[i : i + 1] for part in given), context)
        torch.testing.assert_close(alone, together[i : i + 1], atol=1e-5, rtol=1e-5)


def test_noise_time_and_proprioception_all_matter(model: Act2Goal) -> None:
    context, given, other = model.expert.read(hidden(model, 2)), inputs(model, 2), inputs(model, 2, seed=5)
    velocity = model.expert(*given, context)
    for i in range(3):
        changed = [*given]
        changed[i] = other[i]
        assert (model.expert(*changed, context) - velocity).abs().max() > 1e-3


def test_each_block_looks_at_the_world_model_s_block_of_its_own_depth(model: Act2Goal) -> None:
    states, given = hidden(model, 2), inputs(model, 2)
    velocity = model.expert(*given, model.expert.read(states))
    for i in range(model.config.blocks):
        changed = [*states]
        changed[i] = hidden(model, 2, seed=8)[i]
        before, after = model.expert.read(states), model.expert.read(changed)
        same = [torch.equal(a[0], b[0]) and torch.equal(a[1], b[1]) for a, b in zip(before, after, strict=True)]
        assert same == [j != i for j in range(model.config.blocks)]
        assert (model.expert(*given, after) - velocity).abs().max() > 1e-3


def test_the_context_is_a_set_of_tokens(model: Act2Goal) -> None:
    # Positions are the world model's business: to the expert, only what a token says counts.
    states, given = hidden(model, 2), inputs(model, 2)
    order = torch.randperm(states[0].shape[1])
    straight = model.expert(*given, model.expert.read(states))
    shuffled = model.expert(*given, model.expert.read([state[:, order] for state in states]))
    torch.testing.assert_close(straight, shuffled, atol=1e-5, rtol=1e-5)


def test_the_steps_of_a_chunk_are_told_apart(model: Act2Goal) -> None:
    context, (actions, time, state) = model.expert.read(hidden(model, 1)), inputs(model, 1)
    straight = model.expert(actions, time, state, context)
    flipped = model.expert(actions.flip(1), time, state, context).flip(1)
    assert (straight - flipped).abs().max() > 1e-3


def test_without_attention_an_action_s_velocity_is_told_by_that_action_alone() -> None:
    model = network().requires_grad_(requires_grad=False)
    for block in model.expert.blocks:
        torch.nn.init.zeros_(block.attention.out.weight)
        torch.nn.init.zeros_(block.cross.out.weight)
    context, (actions, time, state) = model.expert.read(hidden(model, 1)), inputs(model, 1)
    velocity = model.expert(actions, time, state, context)
    for i in range(actions.shape[1]):
        changed = actions.clone()
        changed[:, i] += 1
        moved = (model.expert(changed, time, state, context) - velocity).abs().amax((0, 2))
        assert moved[i] > 1e-3
        moved[i] = 0
        assert moved.max() < 1e-5


def test_a_context_of_too_few_blocks_is_refused(model: Act2Goal) -> None:
    with pytest.raises(ValueError, match="shorter"):
        model.expert.read(hidden(model, 2)[:1])
    with pytest.raises(ValueError, match="shorter"):
        model.expert(*inputs(model, 2), model.expert.read(hidden(model, 2))[:1])


@pytest.mark.filterwarnings("ignore")  # what torch warns itself of while it traces
def test_compiling_it_compiles_what_reads_the_context_as_well() -> None:
    model = network().requires_grad_(requires_grad=False)
    graphs: list[torch.fx.GraphModule] = []

    def backend(graph: torch.fx.GraphModule, _: list[torch.Tensor]) -> torch.fx.GraphModule:
        graphs.append(graph)
        return graph

    plain = model.expert.read(hidden(model, 2))
    model.expert.compile(backend=backend)
    context = model.expert.read(hidden(model, 2))
    assert len(graphs) == 1
    torch.testing.assert_close(context, plain)
    model.expert(*inputs(model, 2), context)
    assert len(graphs) == 2
