"""LoRA's linear layers in fewer and wider matrix products than PEFT's, with the same values and gradients.

PEFT computes W x + s B (A x), and so passes activations twice through narrow products in each direction. Here W + s B A is
summed first (LoRA, arXiv 2106.09685, equation 3): one product forward, one backward, and narrow ones for the gradients of A
and B alone. ``python benchmarks/round.py`` prints both times.
"""

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional


class _Merged(torch.autograd.Function):
    """y = (W + s B A) x + bias; W and the bias are frozen.

    dL/dx = g (W + s B A), dL/dA = s (g B)' x, dL/dB = s g' (x A')
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, a: Tensor, b: Tensor, bias: Tensor | None, scale: float) -> Tensor:
        merged = torch.addmm(weight, b, a, alpha=scale)
        ctx.save_for_backward(x, merged, a, b)
        ctx.scale = scale
        return functional.linear(x, merged, bias)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, None, Tensor, Tensor, None, None]:
        x, merged, a, b = ctx.saved_tensors
        rows, inputs = gradient.flatten(0, -2), x.flatten(0, -2)
        into = (rows @ merged).view(x.shape) if ctx.needs_input_grad[0] else None
        of_a = ((rows @ b).mT @ inputs).mul_(ctx.scale)
        of_b = (rows.mT @ (inputs @ a.mT)).mul_(ctx.scale)
        return into, None, of_a, of_b, None, None


def fuse(model: nn.Module) -> int:
    """Give all LoRA layers that PEFT put into ``model`` the fused forward pass, in place; return how many.

    The parameters stay PEFT's, which saves and switches them as before: with an adapter switched off, a layer is the base's.
    Layers that do more than LoRA (dropout, DoRA, several adapters at once) stay as they are.
    """
    from peft.tuners.lora import Linear  # takes seconds to import

    layers = [module for module in model.modules() if isinstance(module, Linear) and _plain(module)]
    for layer in layers:
        layer.forward = _forward_of(layer)
    return len(layers)


def _plain(layer: Any) -> bool:
    """Return whether ``layer`` computes W x + s B (A x) with one adapter, and nothing else."""
    return (
        len(layer.active_adapters) == 1
        and not layer.use_dora[layer.active_adapters[0]]
        and isinstance(layer.lora_dropout[layer.active_adapters[0]], nn.Identity)
        and not layer.lora_B[layer.active_adapters[0]].bias
    )


def _forward_of(layer: Any) -> Any:
    peft_forward, name = layer.forward, layer.active_adapters[0]

    def forward(x: Tensor) -> Tensor:
        if layer.disable_adapters or layer.merged:
            return cast("Tensor", peft_forward(x))
        base = layer.get_base_layer()
        a, b = layer.lora_A[name].weight, layer.lora_B[name].weight
        return cast("Tensor", _Merged.apply(x, base.weight, a, b, base.bias, layer.scaling[name]))  # type: ignore[no-untyped-call]

    return forward
