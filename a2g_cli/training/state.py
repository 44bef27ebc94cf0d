"""The state of a training on disk, from which it goes on exactly. Tensors and JSON; nothing is pickled."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from a2g_cli.core.errors import A2GError, CheckpointError
from a2g_cli.core.files import replacing
from a2g_cli.data.recording.storage import reason


@dataclass(frozen=True)
class TrainingState:
    """The state of a training."""

    stage: str
    iteration: int
    seconds: float
    """Time spent training so far [s]."""
    settings: Mapping[str, Any]
    tensors: Mapping[str, Tensor]
    """``model.*``, ``ema.*``, ``optimiser.*`` and ``rng``."""
    losses: Mapping[str, float] = field(default_factory=dict)
    """Running means of the losses."""
    evaluations: Sequence[Mapping[str, Any]] = ()
    """Results of evaluations so far."""
    began: float = 0.0
    """Training time at which the stage began [s]."""

    def part(self, prefix: str) -> dict[str, Tensor]:
        """Return the tensors whose names begin with ``prefix.``, without that prefix."""
        return {name[len(prefix) + 1 :]: value for name, value in self.tensors.items() if name.startswith(prefix + ".")}

    def write(self, path: Path) -> None:
        """Write one file, atomically: after a kill there is the previous state or this one.

        Raises:
            A2GError: the disk is full or read-only; the previous state stays.
        """
        facts = {field: value for field, value in vars(self).items() if field != "tensors"}
        tensors = {name: value.detach().contiguous().clone() for name, value in self.tensors.items()}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as temporary:
                save_file(tensors, temporary, metadata={"a2g_training": json.dumps(facts)})
        except (SafetensorError, OSError) as error:
            raise A2GError(
                f"{path} cannot be written: {reason(error)}. The previous state is kept. Free space or make the folder "
                "writable, then start the same command again to go on."
            ) from error

    @classmethod
    def read(cls, path: Path) -> "TrainingState | None":
        """Return the state at ``path``; None if there is none.

        Raises:
            CheckpointError: the file is damaged, or not a training state.
        """
        if not path.exists():
            return None
        try:
            with safe_open(path, framework="pt") as file:
                facts = json.loads((file.metadata() or {})["a2g_training"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
            return cls(
                facts["stage"],
                facts["iteration"],
                facts["seconds"],
                facts["settings"],
                tensors,
                facts.get("losses", {}),
                facts.get("evaluations", []),
                float(facts.get("began", 0.0)),
            )
        except (SafetensorError, OSError, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise CheckpointError(f"{path} is not a training state: {error}. Remove it to start again.") from error


def settings_of(path: Path) -> Mapping[str, Any] | None:
    """Return the settings of the state at ``path``, without reading its tensors; None if there is none.

    Raises:
        CheckpointError: the file is damaged, or not a training state.
    """
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            return dict(json.loads((file.metadata() or {})["a2g_training"])["settings"])
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{path} is not a training state: {error}. Remove it to start again.") from error


def weights_hash(module: nn.Module) -> str:
    """Return a hash of a module's weights and buffers."""
    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


class Average:
    """Exponential moving average of weights; the average is evaluated and saved."""

    def __init__(self, named: Mapping[str, Tensor], decay: float = 0.999) -> None:
        self.decay = decay
        self.steps = 0
        self.weights = {name: value.detach().clone() for name, value in named.items()}

    def load(self, weights: Mapping[str, Tensor], steps: int) -> None:
        """Continue an average that was saved after ``steps`` updates."""
        for name, value in self.weights.items():
            value.copy_(weights[name])
        self.steps = steps

    @torch.no_grad()
    def update(self, named: Mapping[str, Tensor]) -> None:
        """Move towards the current weights; faster during the first updates."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        names = list(self.weights)
        torch._foreach_lerp_([self.weights[name] for name in names], [named[name] for name in names], 1 - decay)
