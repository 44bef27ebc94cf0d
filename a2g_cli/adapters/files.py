"""LoRA and DoRA adapters: PEFT's file format plus a lineage, read and merged without PEFT.

Importing PEFT takes seconds, and merging needs little: V = W + (alpha / r) * B A, and for DoRA (arXiv 2402.09353) m * V / |V|
with a learned length m of each row. A test compares this with PEFT's own arithmetic.
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

from a2g_cli.calibration.transform import IDENTITY, DomainTransform
from a2g_cli.core.errors import CheckpointError
from a2g_cli.core.workspace import read_text
from a2g_cli.models.act2goal.model import Act2Goal

WEIGHTS, CONFIG, LINEAGE = "adapter_model.safetensors", "adapter_config.json", "lineage.json"
_KEY = re.compile(r"base_model\.model\.(.+)\.lora_(A\.weight|B\.weight|magnitude_vector)")
_MAX_JSON_BYTES = 10_000_000
# Initialisations that leave the base's weights as they are; others change them.
_INITIALISATIONS = (None, True, False, "gaussian", "orthogonal", "eva")
# Options of PEFT about training, storing and loading; they do not change the arithmetic above.
_OF_NO_EFFECT = {
    "auto_mapping",
    "base_model_name_or_path",
    "eva_config",  # of an initialisation
    "exclude_modules",
    "inference_mode",
    "lora_dropout",
    "megatron_core",
    "peft_version",
    "qalora_group_size",  # of use_qalora
    "revision",
    "target_modules",  # the names of the weights show them
    "task_type",
}
_APPLIED = {"peft_type", "r", "lora_alpha", "use_dora"}


@dataclass(frozen=True)
class Adapter:
    """An adapter's folder, with its config and lineage."""

    name: str
    folder: Path
    rank: int
    alpha: float
    lineage: dict[str, Any]
    method: str = "lora"
    """The finetuning method that made it."""

    @property
    def base(self) -> str:
        """Hash of the base that the adapter was trained on."""
        return str(self.lineage["base"])

    @property
    def calibration(self) -> DomainTransform:
        """The domain transform beside its weights; the identity where it has none. Raises CheckpointError if damaged."""
        data = self.lineage.get("calibration")
        try:
            return IDENTITY if data is None else DomainTransform.from_json(data)
        except CheckpointError as error:
            raise CheckpointError(f"{self.folder / LINEAGE} holds {error}") from error

    @property
    def acts_on(self) -> tuple[str, ...] | None:
        """Names of the goals on which alone its weights act; None: on all. Raises CheckpointError if damaged."""
        names = self.lineage.get("acts_on")
        if names is None:
            return None
        if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
            raise CheckpointError(f"{self.folder / LINEAGE} is damaged: `acts_on` must be a list of names of goals.")
        return tuple(names)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of weights and domain transform, not of its intervals; 16 digits. Raises CheckpointError: no weights."""
        try:
            digest = hashlib.sha256((self.folder / WEIGHTS).read_bytes())
        except OSError as error:
            raise CheckpointError(f"{self.folder} holds no adapter: {WEIGHTS} is missing.") from error
        transform = self.lineage.get("calibration")
        if transform is not None:
            acting = {name: part for name, part in transform.items() if name != "intervals"}
            digest.update(json.dumps(acting, sort_keys=True).encode())
        return digest.hexdigest()[:16]


def _read_json(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MAX_JSON_BYTES:
            raise CheckpointError(
                f"{path} has more than {_MAX_JSON_BYTES:,} bytes: it is no {path.name} of an adapter."
            )
        data = json.loads(read_text(path))
    except FileNotFoundError as error:
        raise CheckpointError(f"{path.parent} holds no adapter: {path.name} is missing.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    if not isinstance(data, dict):
        raise CheckpointError(f"{path} is no {path.name} of an adapter: expected a JSON object.")
    return data


def read(folder: Path) -> Adapter:
    """Read an adapter's config and lineage.

    Raises:
        CheckpointError: a file is missing or damaged, or the adapter is of a kind that a2g cannot merge.
    """
    config, lineage = _read_json(folder / CONFIG), _read_json(folder / LINEAGE)
    rank, alpha = config.get("r"), config.get("lora_alpha")
    dora = config.get("use_dora")
    if config.get("peft_type") != "LORA" or not isinstance(dora, bool | None):
        raise CheckpointError(f"{folder} is not a plain LoRA or DoRA adapter.")
    if unsupported := [name for name, value in config.items() if not _supported(name, value)]:
        options = ", ".join(f"{name} = {json.dumps(config[name])[:60]}" for name in unsupported[:4])
        raise CheckpointError(
            f"{folder} is not a plain LoRA or DoRA adapter: its {CONFIG} has {options}, which a2g does not apply. "
            "Train an adapter without these options."
        )
    if not isinstance(rank, int) or not 0 < rank <= 4096 or not isinstance(alpha, (int, float)) or not abs(alpha) < 1e6:
        raise CheckpointError(f"{folder / CONFIG} has no usable rank and alpha: r={rank!r}, lora_alpha={alpha!r}.")
    if not isinstance(lineage.get("base"), str):
        raise CheckpointError(f"{folder / LINEAGE} does not say which base the adapter belongs to.")
    return Adapter(folder.name, folder, rank, float(alpha), lineage, _method(lineage, bool(dora)))


def _supported(name: str, value: object) -> bool:
    """Whether an option of PEFT is applied here, has no effect, or is off. An unknown option is supported if it is off."""
    if name == "bias":
        return value in (None, "none")
    if name == "init_lora_weights":
        return value in _INITIALISATIONS
    # 0 is not off: it may be the index of a layer.
    off = value is None or value is False or (isinstance(value, dict | list | str) and not value)
    return off or name in _APPLIED or name in _OF_NO_EFFECT


def _method(lineage: dict[str, Any], dora: bool) -> str:
    """Return the finetuning method: the config tells LoRA from DoRA; only the lineage knows the others, such as full."""
    settings = lineage.get("settings")
    method = settings.get("method") if isinstance(settings, dict) else None
    return "dora" if dora else method if isinstance(method, str) and method != "dora" else "lora"


def check_base(adapter: Adapter, base: str) -> None:
    """Raise CheckpointError for an adapter that was trained on another base than the one of hash ``base``."""
    if adapter.base != base:
        raise CheckpointError(
            f"adapter {adapter.name!r} was trained on base {adapter.base}, but this base is {base}: "
            "use the base of the adapter, or train a new adapter."
        )


def weights(adapter: Adapter) -> dict[str, Tensor]:
    """Return PEFT's name -> tensor. Raises CheckpointError."""
    path = adapter.folder / WEIGHTS
    try:
        tensors = load_file(path)
    except FileNotFoundError as error:
        raise CheckpointError(f"{adapter.folder} holds no adapter: {WEIGHTS} is missing.") from error
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path} is damaged: {error}") from error
    for key, value in tensors.items():
        if _KEY.fullmatch(key) is None:
            raise CheckpointError(f"{path} contains {key!r}, which is no LoRA weight.")
        if not value.isfinite().all():
            raise CheckpointError(f"{path} is damaged: {key} is not finite.")
    return tensors


def _updates(adapter: Adapter) -> dict[str, dict[str, Tensor]]:
    """Return module name -> {"A": (r, in), "B": (out, r)}, for DoRA also "m": (out,)."""
    parts: dict[str, dict[str, Tensor]] = {}
    for key, value in weights(adapter).items():
        name, _, part = key.removeprefix("base_model.model.").rpartition(".lora_")
        parts.setdefault(name, {})[part[0]] = value.float()
    return parts


def apply(adapter: Adapter, model: Act2Goal, base: str) -> None:
    """Merge an adapter into a model's weights in place: W <- V = W + (alpha / r) * B A; for DoRA row-wise m * V / |V|.

    Raises:
        CheckpointError: the adapter is damaged or belongs to another base; the model is unchanged.
    """
    check_base(adapter, base)
    modules = dict(model.named_modules())
    expected = {"A", "B", "m"} if adapter.method == "dora" else {"A", "B"}
    merged = []
    for name, part in _updates(adapter).items():
        layer = modules.get(name)
        if not isinstance(layer, nn.Linear) or part.keys() != expected:
            raise CheckpointError(f"adapter {adapter.name!r} does not fit the base: {name} has no such linear layer.")
        out, inner = layer.weight.shape
        sizes = {"A": (adapter.rank, inner), "B": (out, adapter.rank), "m": (out,)}
        if any(part[key].shape != sizes[key] for key in expected):
            raise CheckpointError(
                f"adapter {adapter.name!r} does not fit the base: its weights of {name} have other shapes."
            )
        weight = torch.add(layer.weight.detach(), part["B"] @ part["A"], alpha=adapter.alpha / adapter.rank)
        if adapter.method == "dora":
            weight = (part["m"] / torch.linalg.norm(weight, dim=1)).unsqueeze(1) * weight
        if not weight.isfinite().all():
            raise CheckpointError(
                f"adapter {adapter.name!r} does not fit the base: {name} is not finite after merging."
            )
        merged.append((layer, weight))
    with torch.no_grad():
        for layer, weight in merged:
            layer.weight.copy_(weight)
