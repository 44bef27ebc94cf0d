from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import torch
from policy_examples import batch, frames, network, plan_inputs
from torch import Tensor, nn

from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.models.act2goal.temporal_hashing import TemporalHashing


@contextmanager
def counted(*modules: nn.Module) -> Iterator[list[int]]:
    """Count the forward calls of each module."""
    counts = [0] * len(modules)

    def hook(i: int) -> Callable[..., None]:
        def count(*_: object) -> None:
            counts[i] += 1

        return count

    handles = [module.register_forward_hook(hook(i)) for i, module in enumerate(modules)]
    yield counts
    for handle in handles:
        handle.remove()


def losses(model: Act2Goal, given: dict[str, Tensor], share: float = 0.0, draws: int = 4) -> dict[str, Tensor]:
    """The losses with the same chance every time."""
    torch.manual_seed(5)
    with torch.no_grad():
        return model.losses(given, model.sample_noise(given["now"].shape[0], share, draws))


# -- acting ---------------------------------------------------------------------------------------------------------------


def test_the_same_noise_gives_the_same_actions_and_other_noise_others() -> None:
    model = network()
    now, goal, state, plan, noise = plan_inputs(model, 3)
    actions = model.act(now, goal, state, plan, noise, 5)
    torch.manual_seed(77)  # no chance of its own
    assert torch.equal(model.act(now, goal, state, plan, noise, 5), actions)
    assert (model.act(now, goal, state, plan, 2 * noise, 5) - actions).abs().max() > 1e-3
    assert (model.act(now, goal, state, 2 * plan, noise, 5) - actions).abs().max() > 1e-3


@pytest.mark.parametrize("cameras", [1, 2])
def test_a_batch_of_plans_is_what_each_would_be_alone(cameras: int) -> None:
    model = network(cameras=cameras)
    given = plan_inputs(model, 4)
    together = model.act(*given, 5)
    for i in range(4):
        alone = model.act(*(part[i : i + 1] for part in given), 5)
        torch.testing.assert_close(alone, together[i : i + 1], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("cameras", [1, 2, 3])
@pytest.mark.parametrize(("actions", "states"), [(1, 1), (7, 14)])
def test_any_number_of_cameras_actions_and_joints(cameras: int, actions: int, states: int) -> None:
    model = network(cameras=cameras, actions=actions, states=states)
    given = plan_inputs(model, 2)
    chunk = model.act(*given, 2)
    assert chunk.shape == (2, model.config.hashing.proximal, actions)
    assert chunk.isfinite().all()
    told = losses(model, batch(model, 2), share=0.5)
    assert all(value.isfinite().all() for value in told.values())


def test_only_the_dense_actions_are_given_out() -> None:
    model = network(hashing=TemporalHashing(6, 2, 3))
    assert model.act(*plan_inputs(model, 2), 1).shape == (2, 6, 4)


def test_an_untrained_policy_gives_its_noise_back_in_the_robot_s_units() -> None:
    model = network(awake=False)
    now, goal, state, plan, noise = plan_inputs(model, 2)
    model.set_scales(3 + 2 * torch.randn(50, 4), torch.randn(50, 3))
    expected = noise[:, :8] * model.action_std + model.action_mean
    torch.testing.assert_close(model.act(now, goal, state, plan, noise, 5), expected)
    torch.testing.assert_close(model.imagine(now, goal, plan, 3), plan)


@pytest.mark.parametrize("steps", [1, 5, 20])
def test_the_video_branch_runs_once_a_plan_and_no_video_is_decoded(steps: int) -> None:
    model = network()
    given = plan_inputs(model, 2)
    with counted(model.world_model, model.expert, model.expert.context_norm, model.autoencoder.decoder) as counts:
        model.act(*given, steps)
    assert counts == [1, steps, model.config.blocks, 0]


def test_imagining_denoises_the_frames() -> None:
    model = network()
    now, goal, _, plan, _ = plan_inputs(model, 2)
    with counted(model.world_model, model.expert) as counts:
        imagined = model.imagine(now, goal, plan, 4)
    assert counts == [4, 0]
    assert imagined.shape == plan.shape
    assert (imagined - plan).abs().max() > 1e-3


def test_acting_builds_no_graph() -> None:
    model = network()
    now, goal, state, plan, noise = plan_inputs(model, 1)
    assert not model.act(now, goal, state, plan, noise, 2).requires_grad
    assert not model.imagine(now, goal, plan, 2).requires_grad
    assert not model.encode(torch.zeros(1, 1, 3, 32, 32)).requires_grad


def test_encoding_is_camera_by_camera() -> None:
    model = network(cameras=2)
    images = torch.rand(3, 2, 3, 32, 32)
    latents = model.encode(images)
    assert latents.shape == (3, *model.frame_shape)
    for camera in range(2):
        torch.testing.assert_close(latents[:, camera], model.autoencoder.encode(images[:, camera]))


# -- scales ---------------------------------------------------------------------------------------------------------------


def test_normalised_demonstrations_have_mean_zero_and_deviation_one() -> None:
    model = network()
    actions, states = torch.tensor([5.0, -1.0, 0.0, 9.0]) + torch.randn(200, 4), 7 * torch.randn(200, 3)
    model.set_scales(actions, states)
    for values in (model.normalise_actions(actions), model.normalise_proprioception(states)):
        torch.testing.assert_close(values.mean(0), torch.zeros(values.shape[1]), atol=1e-5, rtol=0)
        torch.testing.assert_close(values.std(0), torch.ones(values.shape[1]), atol=1e-5, rtol=0)


def test_an_action_that_never_varies_does_not_divide_by_zero() -> None:
    model = network()
    model.set_scales(torch.ones(10, 4), torch.ones(10, 3))
    assert model.normalise_actions(torch.ones(1, 4)).isfinite().all()
    assert torch.equal(model.normalise_actions(torch.ones(1, 4)), torch.zeros(1, 4))


# -- losses ---------------------------------------------------------------------------------------------------------------


def test_untrained_losses_are_the_variance_of_data_minus_noise() -> None:
    # It predicts no velocity, so the loss is E|data - noise|^2 = E|data|^2 + 1 for each number.
    model = network(awake=False)
    given = batch(model, 256)
    given["frames"], given["actions"] = 3 * given["frames"], 2 + 0.5 * given["actions"]
    told = losses(model, given, share=1.0, draws=8)
    assert told["action"].item() == pytest.approx(given["actions"].square().mean().item() + 1, rel=0.03)
    assert told["video"].item() == pytest.approx(given["frames"].square().mean().item() + 1, rel=0.03)
    model.set_scales(given["actions"].flatten(0, 1), given["proprioception"])
    assert losses(model, given, draws=8)["action"].item() == pytest.approx(2, rel=0.03)


def test_actions_beyond_the_goal_do_not_change_the_loss() -> None:
    model = network(awake=False)
    given = batch(model, 6)
    given["mask"][:, 5:8] = False
    given["mask"][2, 1:] = False
    before = losses(model, given)
    changed = {**given, "actions": torch.where(given["mask"][..., None], given["actions"], torch.tensor(100.0))}
    assert torch.equal(losses(model, changed)["action_each"], before["action_each"])
    changed["actions"] = torch.where(given["mask"][..., None], torch.tensor(100.0), given["actions"])
    assert (losses(model, changed)["action_each"] > before["action_each"]).all()


def test_each_sample_weighs_the_same_however_many_actions_it_has() -> None:
    model = network(awake=False)
    given = batch(model, 2)
    given["actions"] = torch.full_like(given["actions"], 10.0)
    given["mask"][0, 1:] = False
    each = losses(model, given, draws=64)["action_each"]
    assert each[0].item() == pytest.approx(101, rel=0.15)
    assert each[1].item() == pytest.approx(101, rel=0.15)


def test_a_sample_of_weight_zero_does_not_change_the_loss() -> None:
    model = network()
    given = batch(model, 4)
    given["weight"] = torch.tensor([1.0, 0.0, 2.0, 0.0])
    told = losses(model, given)
    each = told["action_each"]
    torch.testing.assert_close(told["action"], (each[0] + 2 * each[2]) / 3)
    changed = {name: value.clone() for name, value in given.items()}
    for name in ("now", "goal", "actions", "proprioception"):
        changed[name][[1, 3]] *= -50
    torch.testing.assert_close(losses(model, changed)["action"], told["action"])


def test_equal_weights_are_no_weights_and_no_weight_at_all_is_no_loss() -> None:
    model = network()
    given = batch(model, 4)
    plain = losses(model, given)["action"]
    torch.testing.assert_close(losses(model, {**given, "weight": torch.full((4,), 0.3)})["action"], plain)
    assert losses(model, {**given, "weight": torch.zeros(4)})["action"] == 0


def test_without_a_share_there_is_no_video_loss_and_the_plan_s_frames_are_not_looked_at() -> None:
    model = network()
    given = batch(model, 4)
    told = losses(model, given, share=0.0)
    assert told["video"] == 0
    unseen = {**given, "frames": torch.full_like(given["frames"], 1000.0)}
    assert torch.equal(losses(model, unseen, share=0.0)["action"], told["action"])


def test_the_video_loss_looks_at_the_first_share_of_the_batch_alone() -> None:
    model = network()
    given = batch(model, 4)
    told = losses(model, given, share=0.5)
    later, earlier = ({**given, "frames": given["frames"].clone()} for _ in range(2))
    later["frames"][2:] = 1000
    earlier["frames"][:2] = 1000
    assert torch.equal(losses(model, later, share=0.5)["video"], told["video"])
    assert losses(model, earlier, share=0.5)["video"] > told["video"]


@pytest.mark.parametrize("draws", [1, 3])
def test_the_video_branch_runs_once_however_many_noises_are_drawn(draws: int) -> None:
    model = network()
    with counted(model.world_model, model.expert) as counts:
        losses(model, batch(model, 3), share=0.5, draws=draws)
    assert counts == [1, 1]


def test_more_draws_are_the_same_loss_measured_better() -> None:
    model = network()
    given = batch(model, 2)
    torch.manual_seed(0)
    with torch.no_grad():
        # One plan noise for all, so that only the actions' noise varies.
        hidden = model.world_model(given["now"], given["goal"], frames(model, 2, 4), torch.zeros(2))[1]
        few, many = (
            torch.stack([model._action_error(given, model.sample_noise(2, 0.0, draws), hidden) for _ in range(300)])
            for draws in (2, 32)
        )
    torch.testing.assert_close(few.mean(0), many.mean(0), rtol=0.05, atol=0)
    assert (few.std(0) / many.std(0) - 4).abs().max() < 1  # sqrt(32 / 2)


def test_the_action_loss_alone_teaches_the_world_model_but_not_the_autoencoder_or_the_yardstick() -> None:
    model = network()
    model.losses(batch(model, 4), model.sample_noise(4, 0.0, 1))["action"].backward()
    learning = {name.split(".")[0] for name, p in model.named_parameters() if p.grad is not None and p.grad.any()}
    assert learning == {"world_model", "expert"}
    first = model.world_model.embed_context.weight.grad
    assert first is not None
    assert first.abs().max() > 0


def test_the_right_velocity_has_no_loss() -> None:
    # A single known pair of noise and data: an expert that knows it must reach a loss of exactly zero.
    model = network()
    given = batch(model, 3)
    hidden = model.world_model(given["now"], given["goal"], given["frames"], torch.zeros(3))[1]

    class Oracle(nn.Module):
        def read(self, _: list[Tensor]) -> list[tuple[Tensor, Tensor]]:
            return []

        def forward(self, x: Tensor, time: Tensor, *_: object) -> Tensor:
            data = model.normalise_actions(given["actions"]).repeat_interleave(2, 0)
            return (data - x) / (1 - time)[:, None, None]  # = data - noise on the path

    model.expert = Oracle()  # type: ignore[assignment]
    torch.manual_seed(3)
    assert model._action_error(given, model.sample_noise(3, 0.0, 2), hidden).abs().max() < 1e-6
