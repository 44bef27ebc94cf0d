"""Transformer layers of the world model and the action expert."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class TimeEmbedding(nn.Module):
    """Flow time in [0, 1] -> six modulation vectors, by one network for all blocks (adaLN-single, PixArt-alpha)."""

    def __init__(self, width: int, frequencies: int = 32) -> None:
        super().__init__()
        self.register_buffer(
            "frequencies", torch.exp(torch.linspace(0, math.log(200.0), frequencies)), persistent=False
        )
        self.frequencies: Tensor
        self.net = nn.Sequential(nn.Linear(2 * frequencies, width), nn.SiLU(), nn.Linear(width, 6 * width))

    def forward(self, time: Tensor) -> Tensor:
        """Return (B, 6, width) for time (B,)."""
        angles = time.unsqueeze(-1) * self.frequencies
        features = torch.cat([angles.sin(), angles.cos()], dim=-1)
        modulation: Tensor = self.net(features)
        return modulation.unflatten(-1, (6, -1))


class _UnitRms(torch.autograd.Function):
    """y = x / sqrt(mean(x^2) + eps) along the last axis, in half the time of torch's own.

    dL/dx = (g - y mean(g y)) / sqrt(mean(x^2) + eps)
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, eps: float) -> Tensor:
        inverse = x.square().mean(-1, keepdim=True).add_(eps).rsqrt_()
        y = x * inverse
        ctx.save_for_backward(y, inverse)
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        y, inverse = ctx.saved_tensors
        along = (gradient * y).mean(-1, keepdim=True)
        return torch.addcmul(gradient, y, along, value=-1).mul_(inverse), None


class Norm(nn.RMSNorm):
    """RMS norm, computed in single precision: in bfloat16 the epsilon would be 0.008."""

    def forward(self, x: Tensor) -> Tensor:
        """Return x (..., width) with a mean square of 1, times the weight."""
        y: Tensor = _UnitRms.apply(x.float(), torch.finfo(torch.float32).eps)  # type: ignore[no-untyped-call]
        return (y if self.weight is None else y * self.weight).to(x.dtype)


def _attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Return scaled dot-product attention (B, heads, N, width / heads).

    In bfloat16 on a CPU it is computed by plain products and a softmax in single precision: the derivative of torch's own
    attention takes nine times as long there.
    """
    if query.device.type != "cpu" or query.dtype != torch.bfloat16:
        return functional.scaled_dot_product_attention(query, key, value)
    scores = (query * query.shape[-1] ** -0.5) @ key.mT
    mixed: Tensor = scores.float().softmax(-1).to(value.dtype) @ value
    return mixed


class Attention(nn.Module):
    """Multi-head attention with RMS-normalised queries and keys; keys and values can be computed before and reused."""

    def __init__(self, width: int, heads: int, context_width: int | None = None) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(context_width or width, 2 * width)
        self.out = nn.Linear(width, width)
        self.query_norm = Norm(width // heads)
        self.key_norm = Norm(width // heads)

    def keys_values(self, context: Tensor) -> tuple[Tensor, Tensor]:
        """Return keys and values (B, heads, N, width / heads) of ``context`` (B, N, context_width)."""
        key, value = self.key_value(context).unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return self.key_norm(key), value

    def forward(self, x: Tensor, keys_values: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """Attend from x (B, N, width) to itself, or to ``keys_values``."""
        query = self.query_norm(self.query(x).unflatten(-1, (self.heads, -1)).transpose(1, 2))
        key, value = self.keys_values(x) if keys_values is None else keys_values
        mixed = _attend(query, key, value)
        out: Tensor = self.out(mixed.transpose(1, 2).flatten(-2))
        return out


class FeedForward(nn.Module):
    """Two linear maps around a GELU."""

    def __init__(self, width: int, ratio: int = 4) -> None:
        super().__init__()
        self.up = nn.Linear(width, ratio * width)
        self.down = nn.Linear(ratio * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map x (..., width) to the same shape."""
        out: Tensor = self.down(functional.gelu(self.up(x), approximate="tanh"))
        return out


class Block(nn.Module):
    """Self-attention, optional cross-attention and a feed-forward net, modulated by flow time."""

    def __init__(self, width: int, heads: int, context_width: int | None = None) -> None:
        super().__init__()
        self.modulation = nn.Parameter(torch.zeros(6, width))
        self.attention = Attention(width, heads)
        self.cross = Attention(width, heads, context_width) if context_width else None
        self.cross_norm = Norm(width) if context_width else None
        self.feed_forward = FeedForward(width)
        self.attention_norm = Norm(width, elementwise_affine=False)
        self.feed_forward_norm = Norm(width, elementwise_affine=False)

    def forward(self, x: Tensor, time: Tensor, keys_values: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """Return x (B, N, width) after the block.

        Args:
            x: tokens (B, N, width).
            time: modulation (B, G, 6, width) from a TimeEmbedding, one for each of G equal runs of tokens.
            keys_values: of the context for cross-attention; its batch may be a divisor of B, if several groups of tokens
                share one context.
        """
        shift, scale, gate, shift2, scale2, gate2 = (time + self.modulation).unsqueeze(2).unbind(-2)
        runs = x.unflatten(1, (time.shape[1], -1))
        inner = torch.addcmul(shift, self.attention_norm(runs), 1 + scale)
        x = torch.addcmul(runs, self.attention(inner.flatten(1, 2)).view_as(runs), 1 + gate).flatten(1, 2)
        if self.cross is not None and self.cross_norm is not None and keys_values is not None:
            batch = keys_values[0].shape[0]
            grouped = self.cross_norm(x).reshape(batch, -1, x.shape[-1])
            x = x + self.cross(grouped, keys_values).reshape(x.shape)
        runs = x.view_as(runs)
        inner = torch.addcmul(shift2, self.feed_forward_norm(runs), 1 + scale2)
        return torch.addcmul(runs, self.feed_forward(inner), 1 + gate2).flatten(1, 2)


def zero_linear(inputs: int, outputs: int) -> nn.Linear:
    """Return a linear layer initialised to zero: a flow network then starts by predicting velocity 0."""
    layer = nn.Linear(inputs, outputs)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
