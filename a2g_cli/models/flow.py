"""Flow matching: the path, its velocity, and the solver, independent of any network.

Rectified flow (Lipman et al. 2023; Liu et al. 2023) as Act2Goal uses it: ``x_t = (1 - t) * noise + t * data``, so t = 0 is
noise and t = 1 is data; the regression target is the constant velocity ``data - noise``.
"""

from collections.abc import Callable

import torch
from torch import Tensor


def _per_sample(time: Tensor, like: Tensor) -> Tensor:
    """Return ``time`` (B,) shaped to broadcast over ``like`` (B, ...)."""
    return time.reshape(time.shape[0], *([1] * (like.dim() - 1)))


def interpolate(noise: Tensor, data: Tensor, time: Tensor) -> Tensor:
    """Return the point x_t on the straight path; noise, data (B, ...), time (B,) in [0, 1]."""
    t = _per_sample(time, data)
    return (1 - t) * noise + t * data


def velocity(noise: Tensor, data: Tensor) -> Tensor:
    """Return the velocity dx_t/dt of the straight path, which a network learns to predict."""
    return data - noise


def euler(field: Callable[[Tensor, Tensor], Tensor], noise: Tensor, steps: int) -> Tensor:
    """Integrate dx/dt = field(x, t) from t = 0 to t = 1 in ``steps`` equal Euler steps.

    Args:
        field: (x (B, ...), t (B,)) -> velocity (B, ...).
        noise: the start (B, ...).
        steps: number of evaluations of ``field``, at least 1.
    """
    if steps < 1:
        raise ValueError(f"Euler needs at least one step, not {steps}.")
    x = noise
    for i in range(steps):
        time = torch.full((noise.shape[0],), i / steps, dtype=noise.dtype, device=noise.device)
        x = x + field(x, time) / steps
    return x
