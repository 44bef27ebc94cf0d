"""Adapters that PEFT trained and saved, and how one is damaged and refused."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from policy_examples import batch, network
from torch import nn

from a2g_cli.adapters import files
from a2g_cli.core.errors import CheckpointError
from a2g_cli.models.act2goal.model import Act2Goal

BASE = "0123456789abcdef"


def train(model: Act2Goal, folder: Path, steps: int = 3, lr: float = 3.0, **lora: Any) -> Any:
    """Three steps of plain PEFT, saved as PEFT saves: nothing of this project takes part."""
    from peft import LoraConfig, get_peft_model

    names = [name for name, module in model.named_modules() if isinstance(module, nn.Linear) and ".blocks." in name]
    torch.manual_seed(1)
    wrapped = get_peft_model(model, LoraConfig(r=4, lora_alpha=12, target_modules=names, **lora))
    optimiser = torch.optim.SGD([p for p in wrapped.parameters() if p.requires_grad], lr=lr)
    for _ in range(steps):
        optimiser.zero_grad()
        inner = wrapped.get_base_model()
        inner.losses(batch(inner, 8), inner.sample_noise(8, 0.0, 4))["action"].backward()
        optimiser.step()
    wrapped.save_pretrained(folder, safe_serialization=True)
    (folder / files.LINEAGE).write_text(json.dumps({"base": BASE}))
    return wrapped.eval()


def change(folder: Path, name: str, **changed: Any) -> None:
    data = json.loads((folder / name).read_text()) | changed
    (folder / name).write_text(json.dumps(data))


def refused(folder: Path, match: str, base: str = BASE) -> None:
    model, plain = network(), network()
    with pytest.raises(CheckpointError, match=match):
        files.apply(files.read(folder), model, base)
    for name, value in plain.state_dict().items():
        assert torch.equal(model.state_dict()[name], value)
