import pytest
import torch
from torch import nn
from torch.nn import functional

from a2g_cli.models.act2goal.layers import Block, Norm, _attend, _UnitRms


def test_the_norm_s_derivative_is_the_true_one() -> None:
    x = torch.randn(3, 5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: _UnitRms.apply(x, 1e-3), (x,))


@pytest.mark.parametrize("affine", [True, False])
def test_the_norm_is_torch_s(affine: bool) -> None:
    norm, theirs = Norm(16, elementwise_affine=affine), nn.RMSNorm(16, elementwise_affine=affine)
    if affine:
        theirs.weight.data.normal_()
        norm.load_state_dict(theirs.state_dict())
    x = 3 * torch.randn(4, 6, 16)
    torch.testing.assert_close(norm(x), theirs(x))


def test_the_norm_keeps_small_signals_in_bfloat16() -> None:
    x = (0.01 * torch.randn(8, 64)).bfloat16()
    y = Norm(64, elementwise_affine=False)(x)
    assert y.dtype == torch.bfloat16
    torch.testing.assert_close(y.float().square().mean(-1), torch.ones(8), atol=0.02, rtol=0)


def test_attention_in_bfloat16_is_torch_s_but_for_rounding() -> None:
    torch.manual_seed(0)
    exact = [torch.randn(2, 3, 5, 8), torch.randn(2, 3, 7, 8), torch.randn(2, 3, 7, 8)]
    rough = [x.bfloat16().requires_grad_() for x in exact]
    wanted = [x.requires_grad_() for x in exact]
    ours, theirs = _attend(*rough), functional.scaled_dot_product_attention(*wanted)
    assert ours.dtype == torch.bfloat16
    torch.testing.assert_close(ours.float(), theirs, atol=0.03, rtol=0.03)
    aim = torch.randn_like(theirs)
    for one, other in zip(
        torch.autograd.grad(ours, rough, aim.bfloat16()), torch.autograd.grad(theirs, wanted, aim), strict=True
    ):
        torch.testing.assert_close(one.float(), other, atol=0.06, rtol=0.06)


def test_a_block_s_modulation_is_that_of_each_run_of_tokens() -> None:
    torch.manual_seed(0)
    block = Block(16, 2)
    block.modulation.data.normal_()
    x, runs = torch.randn(3, 12, 16), torch.randn(3, 4, 6, 16)
    each = runs.repeat_interleave(3, dim=1)  # the same, written out for every token
    torch.testing.assert_close(block(x, runs), block(x, each))
    # As the equations say.
    shift, scale, gate, shift2, scale2, gate2 = (each + block.modulation).unbind(-2)
    normed = functional.rms_norm(x, (16,))
    middle = x + (1 + gate) * block.attention(normed * (1 + scale) + shift)
    normed = functional.rms_norm(middle, (16,))
    torch.testing.assert_close(
        block(x, runs), middle + (1 + gate2) * block.feed_forward(normed * (1 + scale2) + shift2)
    )
