"""Optimisers: Muon for weight matrices and AdamW for everything else; their state is saved as plain tensors.

torch.optim has a Muon too, but its Newton-Schulz iteration runs in bfloat16, which many CPUs emulate a hundred times
slower. This one runs in the precision of the weights.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn


def orthogonalise(matrices: Tensor, iterations: int = 5) -> Tensor:
    """Return the nearest (semi-)orthogonal matrices to ``matrices`` (n, rows, columns), by Newton-Schulz iteration.

    The coefficients of the quintic iteration are from Jordan et al. 2024 (Muon). Singular values end up between about 0.7
    and 1.2.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-7)
    if x.shape[-1] < 2 * x.shape[-2]:
        for _ in range(iterations):
            gram = x @ x.mT
            x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
        return x.mT if tall else x
    # An iteration is x <- p(x x') x, and all p of one gram matrix commute. So iterate on the small gram matrix, collect the
    # product of all p, and multiply the long matrix by it once.
    gram = x @ x.mT
    identity = a * torch.eye(gram.shape[-1], dtype=x.dtype, device=x.device)
    product = None
    for i in range(iterations):
        p = torch.baddbmm(gram, gram, gram, beta=b, alpha=c).add_(identity)
        product = p if product is None else p @ product
        if i + 1 < iterations:
            gram = p @ (gram @ p)
    x = x if product is None else product @ x
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """Orthogonalised momentum: every direction of a weight matrix is learned at the same rate."""

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, momentum: float = 0.95) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update all parameters; matrices of the same shape are processed together."""
        if closure is not None:
            raise ValueError("Muon takes no closure.")
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[tuple[nn.Parameter, Tensor]]] = {}
            for parameter in group["params"]:
                gradient = parameter.grad
                if gradient is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["momentum"] = torch.zeros_like(parameter)
                state["momentum"].lerp_(gradient, 1 - group["momentum"])
                update = gradient.lerp(state["momentum"], group["momentum"])
                by_shape.setdefault(parameter.shape, []).append((parameter, update))
            for shape, pairs in by_shape.items():
                updates = orthogonalise(torch.stack([update for _, update in pairs]))
                scale = group["lr"] * max(1.0, shape[0] / shape[1]) ** 0.5
                for (parameter, _), update in zip(pairs, updates, strict=True):
                    parameter.add_(update, alpha=-scale)


class Optimiser:
    """Several torch optimisers as one, with one learning-rate factor and one set of tensors to save."""

    def __init__(self, parts: dict[str, torch.optim.Optimizer]) -> None:
        self.parts = parts
        self.base = {name: [group["lr"] for group in part.param_groups] for name, part in parts.items()}

    def step(self, factor: float) -> None:
        """Take one step at ``factor`` times the base learning rates, and clear the gradients."""
        for name, part in self.parts.items():
            for group, lr in zip(part.param_groups, self.base[name], strict=True):
                group["lr"] = lr * factor
            part.step()
            part.zero_grad(set_to_none=True)

    def tensors(self) -> dict[str, Tensor]:
        """Return the whole state as named tensors."""
        flat = {}
        for name, part in self.parts.items():
            for index, state in part.state_dict()["state"].items():
                for key, value in state.items():
                    flat[f"{name}.{index}.{key}"] = torch.as_tensor(value).contiguous()
        return flat

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Restore the state that ``tensors`` returned."""
        for name, part in self.parts.items():
            state: dict[int, dict[str, Tensor]] = {}
            for key, value in tensors.items():
                owner, index, field = key.split(".")
                if owner == name:
                    state.setdefault(int(index), {})[field] = value
            part.load_state_dict({"state": state, "param_groups": part.state_dict()["param_groups"]})


def adamw(parameters: Iterable[nn.Parameter], lr: float, weight_decay: float = 1e-5) -> Optimiser:
    """Return AdamW with the betas of Act2Goal."""
    return Optimiser(
        {"adamw": torch.optim.AdamW(parameters, lr=lr, betas=(0.9, 0.95), weight_decay=weight_decay, fused=True)}
    )


def muon_adamw(named: Iterable[tuple[str, nn.Parameter]], matrix_lr: float, lr: float) -> Optimiser:
    """Return Muon for the matrices of the transformer blocks, and AdamW for all other parameters."""
    matrices: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, parameter in named:
        hidden = ".blocks." in name and name.endswith(".weight") and parameter.dim() == 2
        (matrices if hidden else others).append(parameter)
    return Optimiser({**adamw(others, lr).parts, "muon": Muon(matrices, matrix_lr)})
