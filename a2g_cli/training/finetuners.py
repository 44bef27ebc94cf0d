"""Finetuning methods: LoRA and DoRA through PEFT, and full fine-tuning of the same layers. All are saved as adapters.

Full fine-tuning is saved as a LoRA of full rank: W - W0 = B A, with A or B the identity. So everything that reads, merges,
compares or rolls back adapters, PEFT included, works for it too.
"""

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, cast

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from a2g_cli.adapters import files
from a2g_cli.adapters.files import Adapter
from a2g_cli.core import plugins
from a2g_cli.core.errors import PluginError, UsageError
from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.training.finetune_settings import FinetuneSettings, Placement
from a2g_cli.training.fused_lora import fuse


class Finetuner(Protocol):
    """A finetuning method, applied to one copy of the base."""

    model: Act2Goal
    """The base with what was learned so far."""

    def parameters(self) -> list[nn.Parameter]:
        """Return the trained parameters."""
        ...

    def base_features(self, now: Tensor, goal: Tensor, noise: Tensor, time: Tensor) -> Sequence[Tensor]:
        """Return the hidden states of the base's world model, without gradients; arguments as for ``WorldModel``."""
        ...

    def save(self, folder: Path) -> None:
        """Write weights and config in PEFT's format."""
        ...


def target_modules(model: Act2Goal, placement: Placement) -> list[str]:
    """Return the names of the linear layers that are trained: those inside the transformer blocks."""
    prefixes = {"all": ("world_model.", "expert."), "expert": ("expert.",), "world-model": ("world_model.",)}
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and ".blocks." in name and name.startswith(prefixes[placement])
    ]


class LowRankFinetuner:
    """LoRA or DoRA, through PEFT."""

    def __init__(self, model: Act2Goal, base: str, parent: Adapter | None, settings: FinetuneSettings) -> None:
        """Wrap ``model``, starting from ``parent``'s weights.

        Raises:
            UsageError: ``parent`` adapts other layers.
            CheckpointError: ``parent`` is damaged, or was trained on another base than ``base``.
        """
        from peft import LoraConfig, get_peft_model, set_peft_model_state_dict  # takes seconds to import

        config = LoraConfig(
            r=settings.rank,
            lora_alpha=settings.alpha_per_rank * settings.rank,  # type: ignore[arg-type, unused-ignore]
            target_modules=target_modules(model, settings.placement),
            lora_dropout=0.0,
            bias="none",
            use_dora=settings.method == "dora",
        )
        self.peft = get_peft_model(model, config)
        if parent is not None:
            files.check_base(parent, base)
            result = set_peft_model_state_dict(self.peft, files.weights(parent))
            if result.unexpected_keys:
                raise UsageError(
                    f"adapter {parent.name!r} changes other layers than --placement {settings.placement}: "
                    "use the parent's placement, or start with --parent base."
                )
        fuse(self.peft)
        self.model: Act2Goal = self.peft.get_base_model()

    def parameters(self) -> list[nn.Parameter]:
        """Return LoRA's matrices, and DoRA's magnitudes."""
        return [parameter for parameter in self.peft.parameters() if parameter.requires_grad]

    @torch.no_grad()
    def base_features(self, now: Tensor, goal: Tensor, noise: Tensor, time: Tensor) -> Sequence[Tensor]:
        """Return the base's hidden states."""
        with self.peft.disable_adapter():
            _, hidden = self.model.world_model(now, goal, noise, time)
        return list(hidden)

    def save(self, folder: Path) -> None:
        """Write weights and config."""
        self.peft.save_pretrained(folder, safe_serialization=True)
        (folder / "README.md").unlink(missing_ok=True)  # PEFT's model card is an empty template


class FullFinetuner:
    """Full fine-tuning of the layers that LoRA would change."""

    def __init__(self, model: Act2Goal, base: str, parent: Adapter | None, settings: FinetuneSettings) -> None:
        """Train ``model`` itself, starting from ``parent``. Raises CheckpointError if ``parent`` does not fit ``base``."""
        # A copy costs memory, and only feature alignment needs it.
        aligned = settings.feature_alignment > 0
        self._base_world_model = [copy.deepcopy(model.world_model).requires_grad_(False)] if aligned else []
        self._base_weights = {name: _weight(model, name).detach().clone() for name in target_modules(model, "all")}
        if parent is not None:
            files.apply(parent, model, base)
        model.requires_grad_(False)
        self._trained = [_weight(model, name) for name in target_modules(model, settings.placement)]
        for weight in self._trained:
            weight.requires_grad_(True)
        self.model = model

    def parameters(self) -> list[nn.Parameter]:
        """Return the weights."""
        return self._trained

    @torch.no_grad()
    def base_features(self, now: Tensor, goal: Tensor, noise: Tensor, time: Tensor) -> Sequence[Tensor]:
        """Return the base's hidden states; only with feature alignment (``settings.feature_alignment``)."""
        _, hidden = self._base_world_model[0](now, goal, noise, time)
        return list(hidden)

    def save(self, folder: Path) -> None:
        """Write the changes as a LoRA of full rank, with PEFT's config."""
        from peft import LoraConfig  # takes seconds to import

        changes = {name: _weight(self.model, name).detach() - before for name, before in self._base_weights.items()}
        changes = {name: change for name, change in changes.items() if change.any()}
        rank = max((min(change.shape) for change in changes.values()), default=1)
        tensors: dict[str, Tensor] = {}
        for name, change in changes.items():
            out, inner = change.shape
            a, b = torch.zeros(rank, inner), torch.zeros(out, rank)
            if out <= inner:
                a[:out], b[:, :out] = change, torch.eye(out)
            else:
                a[:inner], b[:, :inner] = torch.eye(inner), change
            tensors[f"base_model.model.{name}.lora_A.weight"] = a
            tensors[f"base_model.model.{name}.lora_B.weight"] = b
        folder.mkdir(parents=True)
        save_file(tensors, folder / files.WEIGHTS)
        LoraConfig(r=rank, lora_alpha=rank, target_modules=list(changes), bias="none").save_pretrained(folder)


def _weight(model: Act2Goal, name: str) -> nn.Parameter:
    return cast("nn.Parameter", model.get_submodule(name).weight)


FinetunerFactory = Callable[[Act2Goal, str, Adapter | None, FinetuneSettings], Finetuner]
"""A finetuning method as a plugin (entry-point group ``a2g.finetuning``): takes the base's networks, the base's hash, the
parent adapter and the settings. What it saves must be an adapter that ``adapters/files.py`` reads."""


def make_finetuner(model: Act2Goal, base: str, parent: Adapter | None, settings: FinetuneSettings) -> Finetuner:
    """Return the finetuner of ``settings.method`` for ``model``, which nothing else may use.

    Raises:
        UnknownNameError: no such method.
        PluginError: it cannot be imported, or fails.
        UsageError: ``parent`` changes other layers.
        CheckpointError: ``parent`` is damaged or does not fit.
    """
    factory: FinetunerFactory = plugins.load("finetuning method", settings.method)
    what = f"finetuning method {settings.method!r}"
    with plugins.calling(what, "its constructor", plugins.is_built_in(factory), PluginError):
        return factory(model, base, parent, settings)
