import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from a2g_cli.models.flow import euler, interpolate, velocity

MEAN, DEVIATION = 1.5, 0.4
"""The one-dimensional Gaussian that flows end in."""


def optimal(x: Tensor, time: Tensor) -> Tensor:
    """E[data - noise | x_t = x] for data ~ N(MEAN, DEVIATION^2), by the rule for jointly Gaussian variables."""
    t = time.reshape(-1, 1)
    covariance = t * DEVIATION**2 - (1 - t)
    variance = (1 - t) ** 2 + t**2 * DEVIATION**2
    return MEAN + covariance / variance * (x - t * MEAN)


@pytest.mark.parametrize("steps", [1, 2, 5, 50])
def test_a_constant_field_moves_by_the_constant(steps: int) -> None:
    start, constant = torch.randn(3, 4), torch.tensor([1.0, -2.0, 0.5, 0.0])
    torch.testing.assert_close(euler(lambda x, _: constant.expand_as(x), start, steps), start + constant)


@pytest.mark.parametrize("steps", [1, 2, 5, 50])
def test_a_field_that_grows_with_time_gives_the_left_rectangle_sum(steps: int) -> None:
    moved = euler(lambda _, t: t[:, None], torch.zeros(2, 1), steps)
    torch.testing.assert_close(moved, torch.full((2, 1), (steps - 1) / (2 * steps)))


@pytest.mark.parametrize("steps", [1, 4, 10, 1000])
def test_decay_is_compound_interest_and_tends_to_the_exponential(steps: int) -> None:
    start = torch.tensor([[2.0], [-3.0]], dtype=torch.float64)
    end = euler(lambda x, _: -x, start, steps)
    torch.testing.assert_close(end, start * (1 - 1 / steps) ** steps)
    assert ((end - start * math.exp(-1)).abs() <= start.abs() / steps).all()


def test_the_field_is_asked_once_a_step_at_equal_times_from_noise_on() -> None:
    times: list[Tensor] = []

    def field(x: Tensor, t: Tensor) -> Tensor:
        times.append(t)
        return torch.zeros_like(x)

    euler(field, torch.randn(3, 2, 2), 4)
    assert [t.tolist() for t in times] == [[0.0] * 3, [0.25] * 3, [0.5] * 3, [0.75] * 3]


@pytest.mark.parametrize("steps", [0, -1])
def test_no_step_is_no_solution(steps: int) -> None:
    with pytest.raises(ValueError, match="at least one step"):
        euler(lambda x, _: x, torch.zeros(1, 1), steps)


def test_the_start_is_left_alone() -> None:
    start = torch.ones(2, 2)
    euler(lambda x, _: x, start, 3)
    assert torch.equal(start, torch.ones(2, 2))


def test_the_path_begins_in_noise_and_ends_in_data() -> None:
    noise, data = torch.randn(2, 5, 3, 2), torch.randn(2, 5, 3, 2)
    assert torch.equal(interpolate(noise, data, torch.zeros(2)), noise)
    assert torch.equal(interpolate(noise, data, torch.ones(2)), data)
    mixed = interpolate(noise, data, torch.tensor([0.0, 1.0]))
    assert torch.equal(mixed[0], noise[0])
    assert torch.equal(mixed[1], data[1])


@given(st.floats(0, 0.5), st.floats(0.001, 0.5), st.integers(0, 1000))
def test_the_velocity_is_the_path_s_derivative_everywhere(time: float, ahead: float, seed: int) -> None:
    noise, data = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    here, there = (interpolate(noise, data, torch.full((4,), t, dtype=torch.float64)) for t in (time, time + ahead))
    torch.testing.assert_close((there - here) / ahead, velocity(noise, data))


@pytest.mark.parametrize("steps", [1, 3, 10])
def test_following_the_velocity_of_a_pair_arrives_at_its_data(steps: int) -> None:
    noise, data = torch.randn(2, 4, 3)
    torch.testing.assert_close(euler(lambda *_: velocity(noise, data), noise, steps), data)


def test_the_optimal_field_carries_the_standard_normal_into_the_data() -> None:
    # In one dimension the flow keeps the order, so it must be the affine map between the two Gaussians.
    start = torch.linspace(-2.5, 2.5, 21, dtype=torch.float64)[:, None]
    torch.testing.assert_close(euler(optimal, start, 2000), MEAN + DEVIATION * start, atol=3e-3, rtol=0)


def test_a_network_trained_on_the_path_learns_the_optimal_field() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 32), nn.SiLU(), nn.Linear(32, 32), nn.SiLU(), nn.Linear(32, 1))
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 2500)

    def field(x: Tensor, time: Tensor) -> Tensor:
        return net(torch.cat([x, time[:, None]], dim=1))

    for _ in range(2500):
        noise, data, time = torch.randn(256, 1), MEAN + DEVIATION * torch.randn(256, 1), torch.rand(256)
        loss = (field(interpolate(noise, data, time), time) - velocity(noise, data)).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    with torch.no_grad():
        noise, data, time = torch.randn(4000, 1), MEAN + DEVIATION * torch.randn(4000, 1), torch.rand(4000)
        x = interpolate(noise, data, time)
        error = (field(x, time) - optimal(x, time)).square().mean().sqrt()
        assert error < 0.1, f"off by {error:.3f}, where the field itself varies by {optimal(x, time).std():.2f}"
        samples = euler(field, torch.randn(4000, 1), 50)
    assert abs(samples.mean().item() - MEAN) < 0.05
    assert abs(samples.std().item() - DEVIATION) < 0.05
