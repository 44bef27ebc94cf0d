"""A pretrained, frozen vision transformer as encoder: patch features of DINOv2 or DINOv3, by Hugging Face Transformers.

The image is enlarged so that a patch of the transformer covers one latent cell: 64x64 px become 128x128 for patches of 16 px.
The features are projected to the latents' channels by principal components, which are fitted to the demonstrations once. The
decoder is trained for people who want to see what is imagined; acting does not use it.

Transformers is there with PEFT. Importing it takes seconds, so it is imported when such an encoder is made.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from a2g_cli.core.errors import CheckpointError, PluginError, UsageError
from a2g_cli.models.autoencoder import convolutional_decoder
from a2g_cli.models.encoder import CELL, Encoder

MODELS = {
    "dinov2": ("dinov2", "Dinov2"),
    "dinov2_with_registers": ("dinov2_with_registers", "Dinov2WithRegisters"),
    "dinov3_vit": ("dinov3_vit", "DINOv3ViT"),
}
"""``model_type`` in ``config.json`` -> package below ``transformers.models``, and the beginning of its classes' names."""
INTEGERS = {
    "hidden_size": 4096,
    "intermediate_size": 16384,
    "num_hidden_layers": 64,
    "num_attention_heads": 64,
    "mlp_ratio": 16,
    "patch_size": 64,
    "image_size": 2048,
    "num_register_tokens": 64,
}
"""Setting of a transformer -> its greatest value."""
SWITCHES = (
    "qkv_bias",
    "query_bias",
    "key_bias",
    "value_bias",
    "proj_bias",
    "mlp_bias",
    "use_swiglu_ffn",
    "use_gated_mlp",
    "use_mask_token",
)
NUMBERS = ("layer_norm_eps", "rope_theta")
ACTIVATIONS = ("gelu", "silu", "relu", "gelu_new", "gelu_pytorch_tanh")
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of the images that these transformers were trained on, red, green and blue, in [0, 1]."""
_HUB = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[\w.-]{1,96}")
_MOST_CONFIG_BYTES = 1_000_000
_AT_ONCE = 32
"""Images that the transformer sees at once where it learns nothing."""


class Dino(Encoder):
    """The encoder ``dino:SOURCE``: a folder with ``config.json`` and ``model.safetensors``, or a name of the hub."""

    frozen = True

    def __init__(self, channels: int, width: int, settings: Mapping[str, Any]) -> None:
        """Make the networks. Raises CheckpointError for settings that no such transformer has."""
        super().__init__(channels)
        self.encoder = PatchFeatures(channels, checked(settings))
        self.decoder = convolutional_decoder(channels, width)

    @classmethod
    def settings(cls, source: str | None) -> dict[str, Any]:
        """Return the shape of the transformer in ``source``.

        Raises:
            UsageError: no source, or nothing there; another model than DINOv2 or DINOv3.
            CheckpointError: its config is damaged.
        """
        if source is None:
            raise UsageError(
                "the encoder 'dino' needs a pretrained model: dino:DIR, a folder with config.json and model.safetensors, or "
                "dino:OWNER/NAME, a model of the Hugging Face hub."
            )
        path = _file(source, "config.json")
        try:
            if path.stat().st_size > _MOST_CONFIG_BYTES:
                raise CheckpointError(f"{path} is too large to be a model's config.")
            data = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise CheckpointError(f"{path} cannot be read: {error}") from error
        kind = data.get("model_type") if isinstance(data, dict) else None
        if kind not in tuple(MODELS):
            raise UsageError(f"{path} is of a model of type {kind!r:.60}; expected {', '.join(MODELS)}.")
        wanted = {"model_type", "hidden_act", *INTEGERS, *SWITCHES, *NUMBERS}
        return checked({key: value for key, value in data.items() if key in wanted})

    def prepare(self, source: str | None, images: Tensor) -> str:
        """Load the transformer's weights, and fit projection and standardisation to ``images``; see ``Encoder.prepare``."""
        features: PatchFeatures = self.encoder  # type: ignore[assignment]
        features.load(_file(str(source), "model.safetensors").parent)
        # As in the checkpoint, so that the latents are those that the policy will see later.
        features.load_state_dict({name: value.half().float() for name, value in features.state_dict().items()})
        share = features.fit(images)
        self.standardise(images)
        channels, size = features.components.shape
        return f"encoder: {channels} principal components of {size} features have {share:.0%} of their variance"


class PatchFeatures(nn.Module):
    """Images -> projected patch features. Nothing in it is trained."""

    def __init__(self, channels: int, settings: Mapping[str, Any]) -> None:
        super().__init__()
        self.backbone = _network(settings)
        self.patch = int(settings["patch_size"])
        size = int(settings["hidden_size"])
        if channels > size:
            raise CheckpointError(
                f"a latent of {channels} channels needs as many features, and the encoder has {size}."
            )
        self.register_buffer("centre", torch.zeros(size))
        self.register_buffer("components", torch.zeros(channels, size))
        self.centre: Tensor
        self.components: Tensor

    def train(self, mode: bool = True) -> "PatchFeatures":  # noqa: ARG002
        """Stay as it acts, whatever the rest does."""
        return super().train(mode=False)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Return raw latents (B, C, H/8, W/8) of images (B, 3, H, W) in [-1, 1]."""
        rows, columns = images.shape[-2] // CELL, images.shape[-1] // CELL
        raw = (self._features(images) - self.centre) @ self.components.T
        return raw.transpose(1, 2).unflatten(2, (rows, columns))

    def _features(self, images: Tensor) -> Tensor:
        """Return the features (B, N, D) of the patches, row by row."""
        size = tuple(side // CELL * self.patch for side in images.shape[-2:])
        pixels = functional.interpolate(images, size, mode="bilinear", align_corners=False)
        mean, std = (torch.tensor(values, device=images.device).view(3, 1, 1) for values in (MEAN, STD))
        tokens: Tensor = self.backbone(pixel_values=((pixels + 1) / 2 - mean) / std).last_hidden_state
        count = (images.shape[-2] // CELL) * (images.shape[-1] // CELL)
        return tokens[:, -count:]  # the class token and the registers come first

    @torch.no_grad()
    def fit(self, images: Tensor) -> float:
        """Set the projection to the principal components of ``images``' features; return their share of the variance."""
        parts = [self._features(images[i : i + _AT_ONCE]).flatten(0, 1) for i in range(0, len(images), _AT_ONCE)]
        found = torch.cat(parts).double()
        self.centre.copy_(found.mean(0))
        found -= found.mean(0)
        values, vectors = torch.linalg.eigh(found.T @ found)
        count = len(self.components)
        largest = vectors[:, -count:].flip(1).T
        # An eigenvector's sign is arbitrary: the largest entry is positive.
        signs = largest.gather(1, largest.abs().argmax(1, keepdim=True)).sign()
        self.components.copy_(largest * signs)
        return float(values[-count:].sum() / values.sum().clamp(min=1e-12))

    def load(self, folder: Path) -> None:
        """Read the transformer's weights from ``model.safetensors``. Raises CheckpointError: damaged, or of another shape.

        Transformers reads them, since it knows the names that layers had in its earlier versions.
        """
        from transformers.utils import logging

        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        try:
            found, told = type(self.backbone).from_pretrained(  # type: ignore[attr-defined]
                str(folder),
                config=self.backbone.config,
                use_safetensors=True,
                local_files_only=True,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
                dtype=torch.float32,
            )
        except Exception as error:  # the library raises errors of several libraries below it
            why = " ".join(str(error).split())[:200]
            raise CheckpointError(f"the weights in {folder} cannot be read: {why}") from error
        wrong = sorted({*map(str, told["missing_keys"]), *(str(one[0]) for one in told["mismatched_keys"])})
        if wrong:
            raise CheckpointError(
                f"the weights in {folder} do not fit its config.json: {wrong[0]} is missing, or has another shape."
            )
        self.backbone.load_state_dict(found.state_dict())


def checked(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a transformer. They may come from elsewhere: CheckpointError for any that it cannot have."""
    wrong = [name for name, value in settings.items() if not _usable(name, value)]
    wrong += [name for name in ("model_type", "hidden_size", "patch_size") if name not in settings]
    if not wrong and settings["hidden_size"] % settings.get("num_attention_heads", 1):
        wrong = ["num_attention_heads"]
    if wrong:
        told = ", ".join(f"{name} = {settings.get(name)!r:.60}" for name in sorted(set(wrong)))
        raise CheckpointError(f"the encoder 'dino' cannot be made with {told}.")
    return dict(settings)


def _usable(name: str, value: object) -> bool:
    if name in INTEGERS:
        least = 0 if name == "num_register_tokens" else 1
        return type(value) is int and least <= value <= INTEGERS[name]
    if name in NUMBERS:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < 1e6
    allowed: Mapping[str, tuple[object, ...]] = {"model_type": tuple(MODELS), "hidden_act": ACTIVATIONS}
    return type(value) is bool if name in SWITCHES else value in allowed.get(name, ())


def _network(settings: Mapping[str, Any]) -> nn.Module:
    """Return a transformer with random weights. Raises PluginError: Transformers is missing, or older than the model."""
    from importlib import import_module

    package, name = MODELS[settings["model_type"]]
    where = f"transformers.models.{package}"
    try:
        config = getattr(import_module(f"{where}.configuration_{package}"), f"{name}Config")
        model = getattr(import_module(f"{where}.modeling_{package}"), f"{name}Model")
    except (ImportError, AttributeError) as error:
        raise PluginError(f"the encoder 'dino' needs Transformers: pip install 'a2g[encoders]' ({error}).") from error
    sizes = {key: value for key, value in settings.items() if key != "model_type"}
    network: nn.Module = model(config(**sizes)).requires_grad_(requires_grad=False).eval()
    return network


def _file(source: str, name: str) -> Path:
    """Return the file ``name`` of a folder or of a model of the hub, downloaded if it is not there yet."""
    folder = Path(source).expanduser()
    if folder.is_dir():
        if not (folder / name).is_file():
            raise UsageError(f"{folder} holds no pretrained model: {name} is missing.")
        return folder / name
    if not _HUB.fullmatch(source) or ".." in source:
        raise UsageError(f"there is no folder {source!r}, and it is no name of the hub, OWNER/NAME.")
    try:
        from huggingface_hub import hf_hub_download
    except ImportError as error:
        raise PluginError(f"models of the hub need huggingface_hub: pip install 'a2g[encoders]' ({error}).") from error
    try:
        return Path(hf_hub_download(source, name))
    except Exception as error:  # the library raises errors of several libraries below it
        why = " ".join(str(error).split())[:200]
        raise UsageError(f"there is no folder {source!r}, and {name} cannot be had from the hub: {why}") from error
