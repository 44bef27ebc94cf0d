import pytest
import torch
from policy_examples import batch, network
from torch import nn

from a2g_cli.training.optimiser import Muon, Optimiser, adamw, muon_adamw, orthogonalise

SHAPES = [(8, 8), (32, 8), (8, 32), (1, 6), (6, 1), (64, 48)]


def well_conditioned(rows: int, columns: int, seed: int, largest: float = 4.0) -> torch.Tensor:
    """A random matrix with singular values between 1 and ``largest``."""
    generator = torch.Generator().manual_seed(seed)
    u, _, v = torch.linalg.svd(torch.randn(rows, columns, generator=generator), full_matrices=False)
    values = 1 + (largest - 1) * torch.rand(min(rows, columns), generator=generator)
    return u @ torch.diag(values) @ v


@pytest.mark.parametrize(("rows", "columns"), SHAPES)
def test_orthogonalised_matrices_have_singular_values_near_one(rows: int, columns: int) -> None:
    matrices = torch.stack([well_conditioned(rows, columns, seed) for seed in range(5)])
    values = torch.linalg.svdvals(orthogonalise(matrices))
    assert values.min() > 0.6
    assert values.max() < 1.3


@pytest.mark.parametrize(("rows", "columns"), SHAPES)
def test_orthogonalising_keeps_the_singular_vectors(rows: int, columns: int) -> None:
    # It is a polynomial in the matrix, so it must share its singular vectors with the exact polar factor.
    matrix = well_conditioned(rows, columns, 3)
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    turned = u.mT @ orthogonalise(matrix[None])[0] @ v.mT
    torch.testing.assert_close(turned, torch.diag(turned.diagonal()), atol=1e-4, rtol=0)
    assert turned.diagonal().min() > 0.6


@pytest.mark.parametrize(("rows", "columns"), [(32, 8), (8, 17), (8, 16), (8, 15), (128, 512)])
def test_long_matrices_are_orthogonalised_as_the_iteration_says(rows: int, columns: int) -> None:
    # Over three decades of singular values, as gradients have them.
    decades = torch.logspace(0, -3, columns)
    x = torch.randn(3, rows, columns, generator=torch.Generator().manual_seed(0)) * decades
    expected = x / x.norm(dim=(-2, -1), keepdim=True)
    for _ in range(5):
        gram = expected @ expected.mT
        expected = 3.4445 * expected + (-4.7750 * gram + 2.0315 * gram @ gram) @ expected
    # Each of five iterations makes small values up to 3.44 times as large, and what was rounded in them as well.
    torch.testing.assert_close(orthogonalise(x), expected, atol=2e-4, rtol=1e-3)


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
def test_only_the_direction_counts(scale: float) -> None:
    matrix = well_conditioned(6, 9, 1)[None]
    torch.testing.assert_close(orthogonalise(scale * matrix), orthogonalise(matrix), atol=1e-4, rtol=1e-3)


def test_matrices_of_a_stack_do_not_touch_each_other_and_zero_stays_zero() -> None:
    matrices = torch.stack([well_conditioned(5, 7, 0), torch.zeros(5, 7), well_conditioned(5, 7, 1)])
    together = orthogonalise(matrices)
    for i in range(3):
        torch.testing.assert_close(together[i], orthogonalise(matrices[i : i + 1])[0])
    assert torch.equal(together[1], torch.zeros(5, 7))


def quadratic(make: str, steps: int) -> list[float]:
    torch.manual_seed(0)
    target, layer = torch.randn(6, 4), nn.Linear(4, 6)
    named = [("a.blocks.weight", layer.weight), ("bias", layer.bias)]
    optimiser = adamw(layer.parameters(), 0.05) if make == "adamw" else muon_adamw(named, 0.1, 0.05)
    losses = []
    for i in range(steps):
        loss = (layer.weight - target).square().sum() + (layer.bias - 2).square().sum()
        losses.append(loss.item())
        loss.backward()
        optimiser.step(1 - i / steps)
    return losses


@pytest.mark.parametrize("make", ["adamw", "muon"])
def test_a_quadratic_is_brought_down(make: str) -> None:
    losses = quadratic(make, 200)
    assert losses[-1] < 1e-2 * losses[0]


def test_muon_s_first_step_moves_every_direction_by_the_learning_rate() -> None:
    # A step of lr along an orthogonal matrix, whatever the gradient's size; taller matrices by sqrt(rows / columns) more.
    for rows, columns, gain in ((4, 9, 1.0), (16, 4, 2.0)):
        weight = nn.Parameter(torch.zeros(rows, columns))
        weight.grad = 1000 * well_conditioned(rows, columns, 0)
        Muon([weight], lr=0.1).step()
        values = torch.linalg.svdvals(weight.detach())
        assert values.min() > 0.06 * gain
        assert values.max() < 0.13 * gain
        assert (weight.detach() * weight.grad).sum() < 0  # downhill


def test_muon_leaves_what_has_no_gradient() -> None:
    weights = [nn.Parameter(torch.ones(3, 3)), nn.Parameter(torch.ones(3, 3))]
    weights[0].grad = torch.eye(3)
    Muon(weights, lr=0.1).step()
    assert torch.equal(weights[1].detach(), torch.ones(3, 3))
    assert not torch.equal(weights[0].detach(), torch.ones(3, 3))


def test_muon_takes_no_closure() -> None:
    with pytest.raises(ValueError, match="closure"):
        Muon([nn.Parameter(torch.ones(2, 2))], lr=0.1).step(lambda: 0.0)  # type: ignore[arg-type]


def test_the_factor_scales_the_step_and_gradients_are_cleared() -> None:
    moved = []
    for factor in (1.0, 0.25, 0.0):
        weight = nn.Parameter(torch.zeros(3, 3))
        weight.grad = torch.eye(3)
        optimiser = Optimiser({"muon": Muon([weight], 0.4)})
        optimiser.step(factor)
        moved.append(weight.detach().clone())
        assert weight.grad is None
    torch.testing.assert_close(moved[1], 0.25 * moved[0])
    assert not moved[2].any()


def test_factors_do_not_pile_up() -> None:
    weight = nn.Parameter(torch.zeros(2, 2))
    optimiser = adamw([weight], 0.1)
    for factor in (0.5, 0.5, 1.0):
        weight.grad = torch.ones(2, 2)
        optimiser.step(factor)
    assert optimiser.parts["adamw"].param_groups[0]["lr"] == 0.1


def test_muon_gets_the_maps_between_hidden_states_and_adamw_all_else() -> None:
    model = network()
    named = [(name, p) for name, p in model.named_parameters() if name.startswith(("world_model", "expert", "steps"))]
    optimiser = muon_adamw(named, 0.02, 1e-3)
    names = {id(parameter): name for name, parameter in named}
    groups = {
        part: sorted(names[id(p)] for group in inner.param_groups for p in group["params"])
        for part, inner in optimiser.parts.items()
    }
    assert sorted(groups["muon"] + groups["adamw"]) == sorted(names.values())
    assert len(groups["muon"]) == 2 * 5 + 2 * 8  # attention 3, cross-attention 3, feed-forward 2, in two blocks each
    assert all(".blocks." in name and "norm" not in name and "modulation" not in name for name in groups["muon"])
    assert "world_model.out.weight" in groups["adamw"]


@pytest.mark.parametrize("make", ["adamw", "muon"])
def test_a_saved_optimiser_goes_on_bit_for_bit(make: str) -> None:
    def start() -> tuple[nn.Module, Optimiser]:
        model = network()
        if make == "adamw":
            return model, adamw(model.expert.parameters(), 1e-3)
        return model, muon_adamw(model.expert.blocks.named_parameters(prefix="expert.blocks"), 0.02, 1e-3)

    def go_on(model: nn.Module, optimiser: Optimiser, steps: range) -> None:
        for i in steps:
            torch.manual_seed(i)
            model.losses(batch(model, 4, seed=i), model.sample_noise(4, 0.0, 4))["action"].backward()
            optimiser.step(1 / (i + 1))

    whole, optimiser = start()
    go_on(whole, optimiser, range(6))
    broken, first = start()
    go_on(broken, first, range(3))
    saved = {name: value.clone() for name, value in first.tensors().items()}
    resumed, second = start()
    resumed.load_state_dict(broken.state_dict())
    second.load(saved)
    go_on(resumed, second, range(3, 6))
    for name, value in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name
    assert all(torch.equal(value, second.tensors()[name]) for name, value in optimiser.tensors().items())


def test_an_optimiser_that_took_no_step_has_nothing_to_save_and_takes_nothing_back() -> None:
    model = network()
    optimiser = adamw(model.expert.parameters(), 1e-3)
    assert optimiser.tensors() == {}
    optimiser.load({})
