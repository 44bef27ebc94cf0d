from dataclasses import replace

import numpy as np
import pytest
import torch
from policy_examples import goal, network, observation, spec

from a2g_cli.core.errors import UsageError
from a2g_cli.core.settings import settings_of
from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.models.act2goal.temporal_hashing import TemporalHashing
from a2g_cli.models.presets import flat
from a2g_cli.policies.act2goal import Act2GoalPolicy, encode_goal
from a2g_cli.policies.acting import KEPT_STEPS, N_ACTION_STEPS, ActingSettings, acting_from, is_kept
from a2g_cli.policies.base import Plan, PlanRequest, Policy
from a2g_cli.policies.baselines import RandomPolicy, StillPolicy

ROBOT = spec(cameras=2)


@pytest.fixture(scope="module")
def model() -> Act2Goal:
    return network(cameras=2).requires_grad_(requires_grad=False)


def request(seed: int = 0, index: int = 0, seen: int = 0, wanted: int = 99) -> PlanRequest:
    return PlanRequest(observation(ROBOT, seen), goal(ROBOT, wanted), seed, index)


def policies(model: Act2Goal) -> list[Policy]:
    return [Act2GoalPolicy(model), RandomPolicy(ROBOT), StillPolicy(ROBOT)]


@pytest.mark.parametrize("which", [0, 1, 2], ids=["act2goal", "random", "still"])
def test_every_policy_answers_in_order_what_it_would_answer_alone(model: Act2Goal, which: int) -> None:
    policy = policies(model)[which]
    requests = [request(seed=i, index=j, seen=i) for i in range(3) for j in range(2)]
    plans = policy.plan(requests)
    assert len(plans) == len(requests)
    for asked, plan in zip(requests, plans, strict=True):
        fresh = policies(model)[which].plan([asked])[0]
        np.testing.assert_allclose(plan.chunk, fresh.chunk, atol=1e-5)
        np.testing.assert_allclose(plan.steps_to_go, fresh.steps_to_go, rtol=1e-4)
        assert plan.chunk.dtype == np.float32
        assert plan.chunk.ndim == 2
        assert plan.chunk.shape[1] == 4
        assert len(plan.chunk) >= 1


def test_seed_and_index_fix_the_noise(model: Act2Goal) -> None:
    policy = Act2GoalPolicy(model)

    def plan(seed: int, index: int) -> np.ndarray:
        return policy.plan([request(seed, index)])[0].chunk

    assert np.array_equal(plan(3, 1), plan(3, 1))
    assert not np.allclose(plan(3, 1), plan(3, 2))
    assert not np.allclose(plan(3, 1), plan(4, 1))
    torch.manual_seed(123)
    assert np.array_equal(plan(3, 1), Act2GoalPolicy(model).plan([request(3, 1)])[0].chunk)


def test_what_is_seen_and_what_is_wanted_both_matter(model: Act2Goal) -> None:
    policy = Act2GoalPolicy(model)
    chunks = [policy.plan([asked])[0].chunk for asked in (request(), request(seen=1), request(wanted=98))]
    assert not np.allclose(chunks[0], chunks[1])
    assert not np.allclose(chunks[0], chunks[2])


@pytest.mark.parametrize(("execute", "given"), [(1, 1), (None, N_ACTION_STEPS), (4, 4), (8, 8)])
def test_as_many_actions_as_asked_for_are_executed_but_never_distal_ones(
    model: Act2Goal, execute: int | None, given: int
) -> None:
    plan = Act2GoalPolicy(model, ActingSettings(n_action_steps=execute)).plan([request()])[0]
    whole = Act2GoalPolicy(model, ActingSettings(n_action_steps=8)).plan([request()])[0]
    assert plan.chunk.shape == (given, 4)
    np.testing.assert_allclose(plan.chunk, whole.chunk[:given], atol=1e-6)


def test_a_plan_that_is_too_short_for_what_is_asked_of_it_is_refused(model: Act2Goal) -> None:
    with pytest.raises(UsageError, match="9 actions cannot be executed: a plan of this base has 8"):
        Act2GoalPolicy(model, ActingSettings(n_action_steps=9))


def test_of_a_plan_shorter_than_usual_all_is_executed() -> None:
    short = network(cameras=2, hashing=TemporalHashing(proximal=2, stride=2))
    assert len(Act2GoalPolicy(short).plan([request()])[0].chunk) == 2


@pytest.mark.parametrize("ahead", [0.25, 1, 2.75, 3])
def test_a_plan_that_begins_later_leaves_out_what_is_executed_until_then(model: Act2Goal, ahead: float) -> None:
    asked = request()
    whole = Act2GoalPolicy(model, ActingSettings(n_action_steps=8)).plan([asked])[0]
    policy = Act2GoalPolicy(model, ActingSettings(replan_lead=ahead))
    first, later = policy.plan([asked, replace(asked, ahead=ahead)])
    assert first.ahead == later.ahead == ahead
    np.testing.assert_allclose(first.chunk, whole.chunk[:N_ACTION_STEPS], atol=1e-5)
    np.testing.assert_allclose(later.chunk, whole.chunk[int(ahead) : int(ahead) + N_ACTION_STEPS], atol=1e-5)


@pytest.mark.parametrize(
    ("execute", "ahead", "most"),
    [(4, 4.1, 4.0), (4, 5.0, 4.0), (6, 3.0, 2.9), (2, 2.1, 2.0), (8, 1.0, 0.9), (4, -0.1, 0), (4, float("nan"), 0)],
)
def test_no_plan_is_made_further_ahead_than_it_reaches(
    model: Act2Goal, execute: int, ahead: float, most: float
) -> None:
    with pytest.raises(UsageError, match=r"cannot be requested .* control periods ahead"):
        Act2GoalPolicy(model, ActingSettings(n_action_steps=execute, replan_lead=ahead))
    Act2GoalPolicy(model, ActingSettings(n_action_steps=execute, replan_lead=most))


def test_what_was_not_given_is_as_it_would_be_without_asking() -> None:
    assert acting_from(n_action_steps=None, denoising_steps=None) == ActingSettings()
    assert acting_from(n_action_steps=2, denoising_steps=None) == ActingSettings(n_action_steps=2)


def test_the_help_states_the_defaults() -> None:
    told = {one.name: one.help for one in settings_of(ActingSettings)}
    assert told["n_action_steps"].endswith(f"[default: {N_ACTION_STEPS}]")
    assert told["replan_lead"].endswith(f"[default: {ActingSettings().replan_lead}]")
    assert told["denoising_steps"].endswith(f"[default: {ActingSettings().denoising_steps}]")


def test_at_temperature_zero_the_actions_own_noise_does_not_count() -> None:
    fresh = network(cameras=2, awake=False)
    cold = Act2GoalPolicy(fresh, ActingSettings(temperature=0.0))
    assert not cold.plan([request()])[0].chunk.any()  # an untrained policy answers with its noise
    half, full = (Act2GoalPolicy(fresh, ActingSettings(temperature=t)).plan([request()])[0].chunk for t in (0.5, 1.0))
    np.testing.assert_allclose(2 * half, full, rtol=1e-6)


@pytest.mark.parametrize("steps", [1, 5])
def test_a_plan_runs_the_video_branch_once_however_often_actions_are_denoised(
    model: Act2Goal, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    calls: dict[str, int] = {}

    def counted(module: torch.nn.Module, method: str, name: str) -> None:
        inner = getattr(module, method)

        def call(*arguments: object) -> object:
            calls[name] = calls.get(name, 0) + 1
            return inner(*arguments)

        monkeypatch.setattr(module, method, call)

    counted(model.world_model, "forward", "video")
    counted(model.expert, "forward", "actions")
    for block in model.expert.blocks:
        counted(block.cross, "keys_values", "keys and values")  # type: ignore[arg-type]
    Act2GoalPolicy(model, ActingSettings(denoising_steps=steps)).plan([request()])
    assert calls == {"video": 1, "actions": steps, "keys and values": model.config.blocks}


def test_a_plan_leaves_the_number_of_threads_as_it_was(model: Act2Goal, monkeypatch: pytest.MonkeyPatch) -> None:
    used = []
    act = model.act
    monkeypatch.setattr(model, "act", lambda *given: (used.append(torch.get_num_threads()), act(*given))[1])
    before = torch.get_num_threads()
    Act2GoalPolicy(model).plan([request()])
    Act2GoalPolicy(model, ActingSettings(threads=2)).plan([request()])
    assert used == [1, 2]
    assert torch.get_num_threads() == before


def test_a_goal_is_encoded_once(model: Act2Goal, monkeypatch: pytest.MonkeyPatch) -> None:
    policy, encoded = Act2GoalPolicy(model), []
    encode = model.encode
    monkeypatch.setattr(model, "encode", lambda images: encoded.append(images.shape[0]) or encode(images))
    policy.plan([request(i) for i in range(3)])
    policy.plan([request(5), request(5, wanted=98)])
    assert encoded == [3, 1, 2, 1]  # observations, goal; observations, the new goal


def test_frames_are_imagined_only_when_asked_for_and_change_no_action(model: Act2Goal) -> None:
    plain: Plan = Act2GoalPolicy(model).plan([request()])[0]
    shown: Plan = Act2GoalPolicy(model, ActingSettings(imagine_steps=2)).plan([request()])[0]
    assert plain.imagined == {}
    assert list(shown.imagined) == ["camera0", "camera1"]
    for frames in shown.imagined.values():
        assert [frame.shape for frame in frames] == [(32, 32, 3)] * 4
        assert all(frame.dtype == np.uint8 for frame in frames)
    assert np.array_equal(plain.chunk, shown.chunk)


def test_what_is_kept_is_the_plan_s_own_made_when_it_is_asked_for(
    model: Act2Goal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also out of a batch; by the first camera; as often as is asked for."""
    calls: list[int] = []
    imagine = model.imagine
    monkeypatch.setattr(model, "imagine", lambda *given: calls.append(0) or imagine(*given))
    before = torch.get_num_threads()
    asked = [request(seed=3, index=4, seen=2), request(seed=4, index=8, seen=1), request(index=5)]
    first, second, none = Act2GoalPolicy(model).plan(asked)
    shown = Act2GoalPolicy(model, ActingSettings(imagine_steps=KEPT_STEPS)).plan(asked[1:2])[0]
    assert none.imagination is None
    assert first.imagination is not None
    assert second.imagination is not None
    assert len(calls) == 1, "nothing is computed for a recording before it is asked for"
    assert first.imagination.camera == "camera0"
    assert np.abs(np.stack(second.imagination.frames()) - np.stack(shown.imagined["camera0"]).astype(int)).max() <= 1
    assert shown.imagination is not None
    assert shown.imagination.frames() is shown.imagined["camera0"]
    assert len(calls) == 2
    assert torch.get_num_threads() == before
    offsets = list(first.imagination.offsets)
    assert offsets[: first.imagination.near] == [4, 8]
    assert offsets == sorted(offsets)
    assert len(offsets) == len(first.imagination.frames())
    settings = ActingSettings(keep_imagined=0)
    assert Act2GoalPolicy(model, settings).plan([request()])[0].imagination is None
    without = Act2Goal(flat(ROBOT)).requires_grad_(requires_grad=False)
    assert Act2GoalPolicy(without).plan([request()])[0].imagination is None


def test_of_a_long_episode_plans_are_kept_ever_more_rarely() -> None:
    kept = [index for index in range(1000) if is_kept(index, 4)]
    assert kept[:4] == [0, 4, 8, 12]
    assert len([index for index in kept if index < 64]) == 16
    assert len(kept) == 48
    assert all(is_kept(index, 1) for index in range(16))
    assert not any(is_kept(index, 0) for index in range(9))


def test_the_estimate_is_the_head_s_own(model: Act2Goal) -> None:
    policy = Act2GoalPolicy(model)
    asked = [request(seen=i) for i in range(3)]
    seen = [encode_goal(model, replace(one.goal, images=one.observation.images)) for one in asked]
    now, wanted = torch.stack(seen), torch.stack([encode_goal(model, one.goal) for one in asked])
    estimates = [plan.steps_to_go for plan in policy.plan(asked)]
    np.testing.assert_allclose(estimates, model.steps_to_go.steps(now, wanted), rtol=1e-4)
    assert min(estimates) >= 0


def test_cameras_are_taken_by_name_not_by_order(model: Act2Goal) -> None:
    asked = request()
    turned = PlanRequest(
        type(asked.observation)(
            dict(reversed(asked.observation.images.items())),
            asked.observation.proprioception,
            asked.observation.captured_at,
            0.0,
        ),
        asked.goal,
        0,
        0,
    )
    policy = Act2GoalPolicy(model)
    assert np.array_equal(policy.plan([asked])[0].chunk, policy.plan([turned])[0].chunk)


def test_still_holds_what_was_measured_when_the_episode_began() -> None:
    names = ("lift.pos", "dx", "grip.pos")
    robot = replace(
        ROBOT,
        action_names=names,
        action_units=("deg", "m", "%"),
        action_low=(-90.0, -1.0, 0.0),
        action_high=(90.0, 1.0, 100.0),
        proprioception_names=("grip.pos", "lift.pos"),
        proprioception_units=("%", "deg"),
    )
    policy = StillPolicy(robot)

    def asked(seed: int, index: int, grip: float, lift: float) -> list[float]:
        seen = replace(observation(ROBOT, 0), proprioception=np.array([grip, lift], np.float32))
        chunk: list[float] = policy.plan([PlanRequest(seen, goal(ROBOT, 99), seed, index)])[0].chunk[0].tolist()
        return chunk

    assert asked(0, 0, 30.0, 40.0) == [40.0, 0.0, 30.0]
    assert asked(1, 0, 101.0, -95.0) == [-90.0, 0.0, 100.0], "an overshoot is no target"
    assert asked(0, 1, 31.0, 38.0) == [40.0, 0.0, 30.0], "what sags a little must not sink step by step"
    assert asked(0, 0, 5.0, 6.0) == [6.0, 0.0, 5.0], "another episode begins where that one ended"


def test_still_asks_for_nothing_and_random_for_anything_within_the_limits() -> None:
    robot = replace(ROBOT, action_low=(-0.5, 0.0, -2.0, 1.0), action_high=(0.5, 1.0, 1.0, 3.0))
    still = StillPolicy(robot).plan([request()])[0]
    assert still.chunk.tolist() == [[0.0, 0.5, 0.0, 2.0]]
    assert np.isnan(still.steps_to_go)
    requests = [request(i, j) for i in range(20) for j in range(20)]
    draws = np.concatenate([plan.chunk for plan in RandomPolicy(robot).plan(requests)])
    low, high = np.float32(robot.action_low), np.float32(robot.action_high)
    assert (draws >= low).all()
    assert (draws <= high).all()
    np.testing.assert_allclose(draws.mean(0), (low + high) / 2, atol=0.15)
    np.testing.assert_allclose(draws.std(0), (high - low) / np.sqrt(12), rtol=0.1)
