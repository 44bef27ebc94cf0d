"""LoRA adapters on disk and in a model: PEFT's file format plus lineage, read without PEFT.

Importing PEFT takes seconds; acting needs only W + (alpha / r) * B A, so a robot starts at once. A test holds this against
PEFT's own arithmetic.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from a2g_cli.errors import CheckpointError
from a2g_cli.policy.act2goal import Act2Goal
from a2g_cli.policy.calibration import AT_HOME, Calibration

WEIGHTS, CONFIG, LINEAGE = "adapter_model.safetensors", "adapter_config.json", "lineage.json"
_KEY = re.compile(r"base_model\.model\.(.+)\.lora_([AB])\.weight")
_MAX_JSON_BYTES = 10_000_000
# What PEFT can add to LoRA, each of which would make W + (alpha / r) * B A wrong.
_VARIANTS = [
    "use_dora",
    "use_rslora",
    "use_qalora",
    "use_bdlora",
    "alpha_pattern",
    "rank_pattern",
    "fan_in_fan_out",
    "lora_bias",
    "modules_to_save",
    "layer_replication",
    "target_parameters",
    "trainable_token_indices",
    "alora_invocation_tokens",
]
# Other ways to begin take something out of the base's own weights.
_BEGINNINGS = (None, True, False, "gaussian", "orthogonal", "eva")


@dataclass(frozen=True)
class Adapter:
    """One adapter's folder, checked."""

    name: str
    folder: Path
    rank: int
    alpha: float
    lineage: dict[str, Any]

    @property
    def base(self) -> str:
        """Hash of the base that it was trained on."""
        return str(self.lineage["base"])

    @property
    def calibration(self) -> Calibration:
        """What it carries beside its weights; nothing for those that carry none. Raises CheckpointError for a damaged one."""
        told = self.lineage.get("calibration")
        try:
            return AT_HOME if told is None else Calibration.from_json(told)
        except CheckpointError as error:
            raise CheckpointError(f"{self.folder / LINEAGE} holds {error}") from error

    @property
    def fingerprint(self) -> str:
        """SHA-256 of weights and calibration, 16 hexadecimal digits. Raises CheckpointError when they are missing."""
        try:
            digest = hashlib.sha256((self.folder / WEIGHTS).read_bytes())
        except OSError as error:
            raise CheckpointError(f"{self.folder} holds no adapter: {WEIGHTS} is missing.") from error
        if self.lineage.get("calibration") is not None:
            digest.update(json.dumps(self.lineage["calibration"], sort_keys=True).encode())
        return digest.hexdigest()[:16]


def _read_json(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MAX_JSON_BYTES:
            raise CheckpointError(f"{path} is too large for what it should be.")
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(f"{path.parent} holds no adapter: {path.name} is missing.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    if not isinstance(data, dict):
        raise CheckpointError(f"{path} is not an adapter's {path.name}.")
    return data


def read(folder: Path) -> Adapter:
    """Read an adapter's config and lineage.

    Raises:
        CheckpointError: a file is missing or damaged, or the adapter is of a kind that cannot be merged.
    """
    config, lineage = _read_json(folder / CONFIG), _read_json(folder / LINEAGE)
    rank, alpha = config.get("r"), config.get("lora_alpha")
    beginning, bias = config.get("init_lora_weights"), config.get("bias")
    plain = config.get("peft_type") == "LORA" and bias in (None, "none") and beginning in _BEGINNINGS
    if not plain or any(config.get(variant) for variant in _VARIANTS):
        raise CheckpointError(f"{folder} is not a plain LoRA adapter.")
    if not isinstance(rank, int) or not 0 < rank <= 4096 or not isinstance(alpha, (int, float)) or not abs(alpha) < 1e6:
        raise CheckpointError(f"{folder / CONFIG} has no usable rank and alpha: r={rank!r}, lora_alpha={alpha!r}.")
    if not isinstance(lineage.get("base"), str):
        raise CheckpointError(f"{folder / LINEAGE} does not say which base the adapter belongs to.")
    return Adapter(folder.name, folder, rank, float(alpha), lineage)


def check_base(adapter: Adapter, base: str) -> None:
    """Refuse an adapter that was trained on another base than ``base``. Raises CheckpointError."""
    if adapter.base != base:
        raise CheckpointError(
            f"adapter {adapter.name!r} was trained on base {adapter.base}, but this base is {base}: "
            "use that base, or adapt this one afresh."
        )


def weights(adapter: Adapter) -> dict[str, Tensor]:
    """Return an adapter's tensors under PEFT's names. Raises CheckpointError."""
    path = adapter.folder / WEIGHTS
    try:
        tensors = load_file(path)
    except FileNotFoundError as error:
        raise CheckpointError(f"{adapter.folder} holds no adapter: {WEIGHTS} is missing.") from error
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path} is damaged: {error}") from error
    for key, value in tensors.items():
        if _KEY.fullmatch(key) is None:
            raise CheckpointError(f"{path} holds {key!r}, which is no LoRA weight.")
        if not value.isfinite().all():
            raise CheckpointError(f"{path} is damaged: {key} is not finite.")
    return tensors


def _updates(adapter: Adapter) -> dict[str, dict[str, Tensor]]:
    """Return module name -> {"A": (r, in), "B": (out, r)}."""
    pairs: dict[str, dict[str, Tensor]] = {}
    for key, value in weights(adapter).items():
        name, _, part = key.removeprefix("base_model.model.").rpartition(".lora_")
        pairs.setdefault(name, {})[part[0]] = value.float()
    return pairs


def apply(adapter: Adapter, model: Act2Goal, base: str) -> None:
    """Add an adapter to a model's weights, in place: W <- W + (alpha / r) * B A.

    Raises:
        CheckpointError: the adapter is damaged or belongs to another base.
    """
    check_base(adapter, base)
    modules = dict(model.named_modules())
    updates = []
    for name, pair in _updates(adapter).items():
        layer = modules.get(name)
        if not isinstance(layer, nn.Linear) or pair.keys() != {"A", "B"}:
            raise CheckpointError(f"adapter {adapter.name!r} does not fit the base: {name} has no such linear layer.")
        out, inner = layer.weight.shape
        if pair["A"].shape != (adapter.rank, inner) or pair["B"].shape != (out, adapter.rank):
            raise CheckpointError(f"adapter {adapter.name!r} does not fit the base: {name} has other sizes.")
        updates.append((layer, pair["B"] @ pair["A"]))
    with torch.no_grad():
        for layer, update in updates:
            layer.weight.add_(update, alpha=adapter.alpha / adapter.rank)
