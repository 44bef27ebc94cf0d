"""A tiny vision transformer with random weights, as a model of the hub is laid out in a folder."""

from pathlib import Path

import torch

SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}


def dinov2(folder: Path) -> Path:
    """Write a DINOv2 with patches of 14 px, and return its folder."""
    from transformers.models.dinov2.configuration_dinov2 import Dinov2Config
    from transformers.models.dinov2.modeling_dinov2 import Dinov2Model

    torch.manual_seed(0)
    Dinov2Model(Dinov2Config(patch_size=14, image_size=56, **SIZES)).save_pretrained(folder)
    return folder


def dinov3(folder: Path) -> Path:
    """Write a DINOv3 with patches of 16 px and registers, and return its folder."""
    from transformers.models.dinov3_vit.configuration_dinov3_vit import DINOv3ViTConfig
    from transformers.models.dinov3_vit.modeling_dinov3_vit import DINOv3ViTModel

    torch.manual_seed(0)
    DINOv3ViTModel(DINOv3ViTConfig(intermediate_size=64, num_register_tokens=4, **SIZES)).save_pretrained(folder)
    return folder
