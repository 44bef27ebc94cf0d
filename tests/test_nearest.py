import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from policy_examples import frames, goal, images, network, observation, spec
from torch import Tensor

from a2g_cli.core.types import Goal, Observation
from a2g_cli.encoding.segments import Segments, join
from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.models.autoencoder import to_tensor
from a2g_cli.policies.base import PlanRequest, Policy

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))
try:
    import nearest_choice
    from nearest import Components, Memory, NearestPolicy, NearestSettings, Search
    from nearest_choice import choose
finally:
    sys.path.remove(str(BENCHMARKS))

ROBOT = spec(cameras=2)
LENGTHS = (7, 12, 5)


@pytest.fixture(scope="module")
def model() -> Act2Goal:
    return network(cameras=2).requires_grad_(requires_grad=False)


def looked(length: int, seed: int) -> list[Observation]:
    return [observation(ROBOT, seed + i) for i in range(length + 1)]


def demonstration(model: Act2Goal, length: int, seed: int) -> Segments:
    """An episode of random images and actions, as its recording would be encoded."""
    seen = looked(length, seed)
    views = np.stack([np.stack([one.images[camera] for camera in model.config.cameras]) for one in seen])
    actions = torch.randn(length + 1, 4, generator=torch.Generator().manual_seed(seed))
    return Segments(
        model.encode(to_tensor(torch.from_numpy(views))).half(),
        torch.from_numpy(np.stack([one.proprioception for one in seen])),
        actions,
        torch.tensor([0]),
        torch.tensor([length]),
    )


@pytest.fixture(scope="module")
def shown(model: Act2Goal) -> list[Segments]:
    return [demonstration(model, length, 1000 * (i + 1)) for i, length in enumerate(LENGTHS)]


@pytest.fixture(scope="module")
def memory(shown: list[Segments]) -> Memory:
    return Memory.of(shown, join(shown), components=16)


def wanted(seen: list[Observation]) -> Goal:
    return Goal("last", seen[-1].images, "example")


@pytest.mark.parametrize("neighbours", [1, 5])
@pytest.mark.parametrize("whitening", [0.0, 1.0])
def test_what_was_demonstrated_is_replayed(
    model: Act2Goal, memory: Memory, shown: list[Segments], neighbours: int, whitening: float
) -> None:
    policy = NearestPolicy(model, memory, NearestSettings(neighbours=neighbours, whitening=whitening))
    for i, length in enumerate(LENGTHS):
        seen = looked(length, 1000 * (i + 1))
        requests = [PlanRequest(seen[step], wanted(seen), 0, step) for step in range(length)]
        for step, plan in enumerate(policy.plan(requests)):
            truth = shown[i].actions[step : min(step + 4, length)].numpy()
            assert plan.chunk.shape == truth.shape  # a demonstration's end is the chunk's end
            np.testing.assert_allclose(plan.chunk, truth, atol=0 if neighbours == 1 else 0.02)
            assert plan.steps_to_go == length - step


def test_the_goal_tells_demonstrations_apart_that_begin_alike(model: Act2Goal, shown: list[Segments]) -> None:
    twins = [shown[0], replace(shown[1])]
    for tensor in ("latents", "proprioception"):
        changed = getattr(twins[1], tensor).clone()
        changed[0] = getattr(twins[0], tensor)[0]
        twins[1] = replace(twins[1], **{tensor: changed})
    policy = NearestPolicy(model, Memory.of(twins, join(twins), components=16))
    begin = looked(LENGTHS[0], 1000)[0]
    for i in (0, 1):
        asked = PlanRequest(begin, wanted(looked(LENGTHS[i], 1000 * (i + 1))), 0, 0)
        assert np.array_equal(policy.plan([asked])[0].chunk, shown[i].actions[:4].numpy())


def test_it_keeps_a_policy_s_contract(model: Act2Goal, memory: Memory) -> None:
    policy: Policy = NearestPolicy(model, memory, NearestSettings(neighbours=3))
    requests = [PlanRequest(observation(ROBOT, i), goal(ROBOT, 50 + i), seed=i, index=i) for i in range(6)]
    plans = policy.plan(requests)
    assert policy.name == "nearest"
    assert len(plans) == len(requests)
    for asked, plan in zip(requests, plans, strict=True):
        alone = NearestPolicy(model, memory, NearestSettings(neighbours=3)).plan([asked])[0]
        np.testing.assert_allclose(plan.chunk, alone.chunk, atol=1e-5)
        assert plan.steps_to_go == alone.steps_to_go
        assert plan.chunk.dtype == np.float32
        assert plan.chunk.shape[1] == 4
        assert 1 <= len(plan.chunk) <= 4


def test_it_is_deterministic_whatever_the_seed(model: Act2Goal, memory: Memory) -> None:
    policy = NearestPolicy(model, memory)
    chunks = [policy.plan([PlanRequest(observation(ROBOT, 3), goal(ROBOT), s, s)])[0].chunk for s in (0, 0, 9)]
    assert np.array_equal(chunks[0], chunks[1])
    assert np.array_equal(chunks[0], chunks[2])


def test_memory_survives_the_disk(memory: Memory, model: Act2Goal, tmp_path: Path) -> None:
    memory.save(tmp_path / "memory.safetensors")
    again = Memory.load(tmp_path / "memory.safetensors")
    asked = [PlanRequest(observation(ROBOT, 3), goal(ROBOT), 0, 0)]
    policies = [NearestPolicy(model, one) for one in (memory, again)]
    assert np.array_equal(policies[0].plan(asked)[0].chunk, policies[1].plan(asked)[0].chunk)
    assert [path.name for path in tmp_path.iterdir()] == ["memory.safetensors"]


def test_rows_are_the_transitions_and_no_last_frame(memory: Memory) -> None:
    frame, episode, left = memory.rows()
    assert len(frame) == sum(LENGTHS)
    assert torch.equal(frame + left, (memory.first + memory.length)[episode])
    assert left.min() == 1
    part = memory.subset([2, 0])
    frame, episode, left = part.rows()
    assert frame.tolist() == [*range(21, 26), *range(7)]
    assert torch.equal(part.goal[episode], memory.goal[torch.tensor([2] * 5 + [0] * 7)])


def test_every_term_is_one_between_strangers() -> None:
    generator = torch.Generator().manual_seed(0)
    count = 400
    part = Segments(
        torch.randn(2 * count, 1, 3, 2, 2, generator=generator) * torch.tensor([5.0, 1.0, 0.1])[:, None, None],
        7 + 3 * torch.randn(2 * count, 2, generator=generator),
        torch.zeros(2 * count, 1),
        torch.arange(0, 2 * count, 2),
        torch.ones(count, dtype=torch.long),
    )
    memory = Memory.of([part], part, components=12)
    for whitening in (0.0, 0.5, 1.0):
        search = Search(memory, whitening)
        terms = search.terms(memory.now[::2], memory.goal, memory.body[::2])
        for term in terms:
            assert term.mean().item() == pytest.approx(1.0, rel=0.15)
            assert term.diagonal().abs().max().item() < 1e-4


def test_components_keep_distances_that_matter() -> None:
    latents = frames(network(), 30)
    project = Components.of(latents, 29)  # 30 points span no more than 29 directions
    flat = latents.flatten(1)
    torch.testing.assert_close(
        torch.cdist(project(latents), project(latents)), torch.cdist(flat, flat), rtol=1e-3, atol=2e-2
    )
    few = Components.of(latents, 2)(latents)
    assert few.var(0)[0] > few.var(0)[1]


def averaged(memory: Memory, square: list[float], transition: list[int]) -> Tensor:
    actions, _ = Search(memory, 0.5).actions(torch.tensor([square]), torch.tensor([transition]), 4)
    return actions[0]


def test_neighbours_count_by_their_nearness_and_not_past_their_end(memory: Memory) -> None:
    # Transition 6 is the last of the first demonstration: only the other is left after one step.
    mixed = averaged(memory, [1.0, 3.0], [6, 7])
    frame, _, _ = memory.rows()
    first, other = memory.actions[frame[6]], memory.actions[frame[7] + torch.arange(4)]
    torch.testing.assert_close(mixed[0], 0.75 * first + 0.25 * other[0])
    torch.testing.assert_close(mixed[1:], other[1:])


def test_the_choice_tells_what_matters() -> None:
    """Actions follow proprioception alone, images are noise: the body must be weighed most."""
    generator = torch.Generator().manual_seed(0)
    body = torch.randn(300, 2, generator=generator).repeat_interleave(6, 0)
    latents = torch.randn(1800, 1, 4, 2, 2, generator=generator)
    actions = body @ torch.randn(2, 3, generator=generator)
    part = Segments(latents, body, actions, torch.arange(0, 1800, 6), torch.full((300,), 5))
    memory = Memory.of([part], part, components=8)
    held = range(0, 300, 6)
    ranked = choose(memory, held, queries=80)
    errors = [error for _, error in ranked]
    assert errors == sorted(errors)
    assert ranked[0][0].body == max(nearest_choice.BODY_WEIGHTS)
    assert ranked[-1][0].body == min(nearest_choice.BODY_WEIGHTS)
    assert errors[0] < 0.2
    assert errors[-1] > 0.9
    assert choose(memory, held, queries=80) == ranked


def test_what_is_held_out_is_not_found(shown: list[Segments]) -> None:
    both = [shown[0], shown[0]]
    twice = Memory.of(both, join(both), components=16)
    assert choose(twice, [0])[0][1] == pytest.approx(0.0, abs=1e-3)  # its twin is there
    alone = Memory.of(shown, join(shown), components=16)
    assert choose(alone, [0])[0][1] > 0.1


def test_images_of_every_camera_count(model: Act2Goal, memory: Memory) -> None:
    seen = looked(LENGTHS[0], 1000)[0]
    other = replace(seen, images={**seen.images, "camera1": images(seed=77)["camera0"]})
    policy = NearestPolicy(model, memory)
    encoded = [policy._encode([one.images]) for one in (seen, other)]
    assert torch.equal(encoded[0][:, 0], encoded[1][:, 0])
    assert not torch.equal(encoded[0][:, 1], encoded[1][:, 1])


def test_the_shortlist_leaves_out_none_that_some_metric_finds_nearest() -> None:
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(4400, 1, 4, 2, 2, generator=generator)
    part = Segments(
        latents,
        torch.randn(4400, 3, generator=generator),
        torch.zeros(4400, 1),
        torch.arange(0, 4400, 11),
        torch.full((400,), 10),
    )
    memory = Memory.of([part], part, components=8)
    search = Search(memory, 0.25)
    terms = search.terms(memory.now[:5] + 0.1, memory.goal[7:12], memory.body[20:25])
    listed = set(nearest_choice._shortlist(search, terms).tolist())
    assert len(listed) < 1600
    for goal_weight in nearest_choice.GOAL_WEIGHTS:
        for body_weight in nearest_choice.BODY_WEIGHTS:
            found = search.nearest(terms, NearestSettings(1.0, goal_weight, body_weight, neighbours=5))[1]
            assert set(found.flatten().tolist()) <= listed
