"""The pose search: what successes say about the base pose, who acts on a sampled pose, what an image leaves uncertain."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from a2g_cli.calibration import nominal
from a2g_cli.calibration.base_pose import BasePose
from a2g_cli.calibration.estimate import estimate_transform, suspected_base_pose
from a2g_cli.calibration.policy import TransformedPolicy
from a2g_cli.calibration.posterior import OffsetPosterior, offset_posterior
from a2g_cli.calibration.posterior_policy import PosteriorSamplingPolicy
from a2g_cli.calibration.transform import DomainTransform
from a2g_cli.core.types import Goal, Observation
from a2g_cli.encoding.episodes import EncodedEpisode
from a2g_cli.improvement.pose_search import PRIOR
from a2g_cli.models import checkpoint
from a2g_cli.policies.base import Plan, PlanRequest, Policy
from a2g_cli.robots.sim import SimRobot

Practice = Callable[[str, str], list[EncodedEpisode]]
NOTHING = torch.zeros(0, 2), torch.zeros(0, dtype=torch.bool)


def test_without_evidence_the_reading_is_believed_as_far_as_it_can_be() -> None:
    belief = offset_posterior(*NOTHING, PRIOR)
    torch.testing.assert_close(belief.mean, torch.zeros(2, dtype=torch.double), atol=1e-9, rtol=0)
    assert belief.spread == pytest.approx(math.sqrt(2) * PRIOR.std, rel=0.02)
    assert float(belief.weights.sum()) == pytest.approx(1)


offset = st.tuples(st.floats(-0.05, 0.05), st.floats(-0.05, 0.05))


@given(st.lists(st.tuples(offset, st.booleans()), min_size=1, max_size=12), st.randoms())
@settings(deadline=None, max_examples=40)
def test_beliefs_do_not_hang_on_the_order_and_go_towards_who_arrived(
    seen: list[tuple[tuple[float, float], bool]], chance: object
) -> None:
    tried, arrived = torch.tensor([place for place, _ in seen]), torch.tensor([yes for _, yes in seen])
    belief = offset_posterior(tried, arrived, PRIOR)
    order = torch.randperm(len(seen), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(offset_posterior(tried[order], arrived[order], PRIOR).weights, belief.weights)
    for yes in (True, False):
        once_more = offset_posterior(torch.cat([tried, tried[:1]]), torch.cat([arrived, torch.tensor([yes])]), PRIOR)
        there = (belief.offsets - tried[0]).norm(dim=1) < PRIOR.tolerance
        likely, before = float(once_more.weights[there].sum()), float(belief.weights[there].sum())
        assert likely >= before - 1e-12 if yes else likely <= before + 1e-12


def world(true: Tensor, tried: Tensor, chance: torch.Generator) -> Tensor:
    """Return who arrives, in a world that is as the belief has it."""
    rate = PRIOR.chance + (PRIOR.success - PRIOR.chance) * torch.exp(
        -(((tried - true).norm(dim=1) / PRIOR.tolerance) ** 2)
    )
    return torch.rand(len(tried), generator=chance) < rate


def search(seed: int) -> tuple[OffsetPosterior, Tensor]:
    chance = torch.Generator().manual_seed(seed)
    true = PRIOR.std * torch.randn(2, generator=chance).double()
    tried, arrived = NOTHING
    for _ in range(8):
        more = offset_posterior(tried, arrived, PRIOR).draw(8, chance)
        tried, arrived = torch.cat([tried, more]), torch.cat([arrived, world(true, more, chance)])
    return offset_posterior(tried, arrived, PRIOR), true


def test_sixty_four_episodes_find_the_place() -> None:
    errors, told = [], []
    for seed in range(40):
        belief, true = search(seed)
        errors.append(float((belief.mean - true).norm()))
        told.append(belief.spread)
    assert np.median(errors) < 0.005
    assert np.mean(np.array(errors) < 0.01) >= 0.9
    assert np.mean(told) == pytest.approx(np.sqrt(np.mean(np.square(errors))), rel=0.6), "it knows how sure it is"
    assert min(told) > PRIOR.spacing / 2


class Echo(Policy):
    """A policy whose chunk is what it is told of the tool's place, and that keeps what it was asked."""

    name = "echo"

    def __init__(self) -> None:
        self.batches: list[int] = []

    def plan(self, requests: Sequence[PlanRequest]) -> list[Plan]:
        self.batches.append(len(requests))
        return [Plan(0.01 * request.observation.proprioception[None, :4], 5.0) for request in requests]


def test_each_episode_acts_on_its_own_guess_and_all_are_planned_at_once() -> None:
    robot = SimRobot(cameras=())
    calibration = DomainTransform(base_pose=BasePose(0.1, (0.0, 0.0, 0.0)))
    sampled_poses = {slot: BasePose(0.1 * slot, (0.01 * slot, -0.02, 0.0), (0.4, 0.0, 0.1)) for slot in range(3)}
    inner = Echo()
    policy = PosteriorSamplingPolicy(inner, calibration, robot.spec, sampled_poses)
    told = [policy.start_episode(70 + slot, slot) for slot in sampled_poses]
    assert told[2]["guess"] == {"yaw": pytest.approx(0.2), "shift": pytest.approx([0.02, -0.02, 0.0])}
    seen = Observation({}, np.array([0.3, 0.1, 0.05, 1.0], np.float32), {}, 0.0)
    requests = [PlanRequest(seen, Goal("goal", {}, "test"), 70 + slot, 0) for slot in (2, 0, 1)]
    plans = policy.plan(requests)
    assert inner.batches == [3]
    for request, plan in zip(requests, plans, strict=True):
        alone = replace(calibration, base_pose=sampled_poses[request.seed - 70])
        (expected,) = TransformedPolicy(Echo(), alone, robot.spec).plan([request])
        np.testing.assert_array_equal(plan.chunk, expected.chunk)
    assert len({plan.chunk.tobytes() for plan in plans}) == 3
    with pytest.raises(KeyError):
        policy.plan([replace(requests[0], seed=99)])


def suspected(encoded: list[EncodedEpisode]) -> BasePose | None:
    model, known = checkpoint.load(), nominal.load_nominal(checkpoint.SHIPPED)
    return suspected_base_pose(model, known, encoded, estimate_transform(model, known, encoded))


def test_an_arm_that_was_turned_is_suspected_where_its_camera_was_moved_as_well(practice: Practice) -> None:
    base_pose = suspected(practice("plug", "combined:1"))
    assert base_pose is not None
    assert math.degrees(base_pose.yaw) == pytest.approx(12.5, abs=4)
    assert base_pose.shift[2] == 0.0, "the table is no higher"
    # Where one alone was moved there is nothing to suspect: it is measured, or it stands.
    assert suspected(practice("plug", "camera-bump:1")) is None
    assert suspected(practice("place", "base-pose:0.8")) is None
