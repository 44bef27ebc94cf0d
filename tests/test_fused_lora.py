"""The fused LoRA layers compute what PEFT's own do: values, gradients, and the base's values with the adapter off."""

import copy

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import nn

from a2g_cli.training.fused_lora import fuse


def adapted(bias: bool = True, **options: object) -> PeftModel:
    """Return two linear layers with a LoRA of rank 3 that is not zero."""
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Linear(6, 10, bias=bias), nn.GELU(), nn.Linear(10, 4, bias=bias))
    config = LoraConfig(r=3, lora_alpha=6, target_modules=["0", "2"], **options)
    model = get_peft_model(layers, config)
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            nn.init.normal_(parameter, std=0.3)
    return model


def gradients(model: nn.Module, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return the gradients of a loss for the input and every trained parameter, and the output."""
    x = x.clone().requires_grad_(True)
    out = model(x)
    (out * torch.arange(out.numel()).view_as(out).cos()).sum().backward()
    assert x.grad is not None
    found = {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}
    return {"output": out.detach(), "input": x.grad} | found


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(5, 6), (2, 3, 5, 6)], ids=str)
def test_values_and_gradients_are_those_of_peft(shape: tuple[int, ...], bias: bool) -> None:
    theirs = adapted(bias)
    ours = copy.deepcopy(theirs)
    assert fuse(ours) == 2
    x = torch.randn(shape)
    expected, found = gradients(theirs, x), gradients(ours, x)
    assert expected.keys() == found.keys()
    assert sum("lora_" in name for name in found) == 4
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-5, msg=name)


def test_an_adapter_that_is_switched_off_leaves_the_base() -> None:
    model = adapted()
    x = torch.randn(5, 6)
    with model.disable_adapter():
        before = model(x)
    fuse(model)
    assert not torch.allclose(model(x), before)
    with model.disable_adapter():
        torch.testing.assert_close(model(x), before)


@pytest.mark.parametrize("options", [{"use_dora": True}, {"lora_dropout": 0.5}], ids=["dora", "dropout"])
def test_layers_that_do_more_than_lora_stay_as_they_are(options: dict[str, object]) -> None:
    model = adapted(**options)
    model.eval()
    x = torch.randn(5, 6)
    before = model(x)
    assert fuse(model) == 0
    torch.testing.assert_close(model(x), before)


def test_the_frozen_weights_get_no_gradient() -> None:
    model = adapted()
    fuse(model)
    model(torch.randn(5, 6)).sum().backward()
    assert all(parameter.grad is None for name, parameter in model.named_parameters() if "lora_" not in name)
