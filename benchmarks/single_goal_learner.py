"""The adapter of `single_goal.py`: LoRA with the settings that are compared, and an average of its weights."""

import argparse
import math
from collections.abc import Callable

import torch
from torch import Tensor

from a2g_cli.data.relabelling import parse_mixture
from a2g_cli.models import checkpoint
from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.training.batch_sources import HindsightBC
from a2g_cli.training.finetune_settings import FinetuneSettings, Placement
from a2g_cli.training.finetuners import LowRankFinetuner, target_modules
from a2g_cli.training.optimiser import adamw
from a2g_cli.training.retention_set import Retention

DECAYS: dict[str, Callable[[float], float]] = {
    "tenth": lambda done: 1 - 0.9 * done,
    "cosine": lambda done: 0.5 * (1 + math.cos(math.pi * done)),
    "none": lambda _done: 1.0,
}
"""Share of the iterations done -> factor of the learning rate."""


class Learner:
    """A LoRA adapter on a copy of the base, and the average of its weights."""

    def __init__(self, rank: int, seed: int, placement: Placement = "all") -> None:
        torch.manual_seed(seed)
        base = checkpoint.fingerprint(checkpoint.SHIPPED)
        settings = FinetuneSettings(rank=rank, seed=seed, placement=placement)
        self._finetuner = LowRankFinetuner(checkpoint.load(checkpoint.SHIPPED), base, None, settings)
        self._modules = target_modules(checkpoint.load(checkpoint.SHIPPED), placement)
        self.average = [one.detach().clone() for one in self._finetuner.parameters()]

    def train(
        self,
        practice: HindsightBC,
        home: Retention | None,
        given: argparse.Namespace,
        iterations: int,
        seed: int,
    ) -> float:
        """Minimise the weighted action loss, and return the last one, smoothed."""
        model, parameters = self._finetuner.model, self._finetuner.parameters()
        model.train()
        optimiser = adamw(parameters, given.lr, weight_decay=0.0)
        generator = torch.Generator().manual_seed(seed)
        torch.manual_seed(seed)
        mixture, smooth = parse_mixture(given.relabel), float("nan")
        shown = round(given.cotrain * given.batch) if home is not None else 0
        for i in range(iterations):
            batch = practice.batch(given.batch - shown, mixture, generator)
            if shown and home is not None:
                batch = with_demonstrations(batch, home, shown, generator)
            loss = model.losses(batch, model.sample_noise(given.batch, 0.0, 2))["action"]
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimiser.step(min(1.0, (i + 1) / 10) * DECAYS[given.decay](i / iterations))
            decay = min(given.ema, (1 + i) / (10 + i))
            with torch.no_grad():
                for mean, now in zip(self.average, parameters, strict=True):
                    mean.lerp_(now, 1 - decay)
            smooth = loss.item() if i == 0 else 0.9 * smooth + 0.1 * loss.item()
        model.eval()
        return smooth

    @torch.no_grad()
    def merged(self) -> Act2Goal:
        """Return the base with the averaged adapter merged: it acts faster than with the adapter beside it."""
        model = checkpoint.load(checkpoint.SHIPPED)
        # PEFT gives A and B of each module in turn, in the order of the modules.
        for i, name in enumerate(self._modules):
            weight = model.get_submodule(name).weight
            assert isinstance(weight, Tensor)
            weight.add_(self.average[2 * i + 1] @ self.average[2 * i])
        return model.eval()


def with_demonstrations(
    batch: dict[str, Tensor], home: Retention, shown: int, generator: torch.Generator
) -> dict[str, Tensor]:
    """Return ``batch`` and ``shown`` segments of what the base keeps of its demonstrations, of the same mean weight."""
    rows = torch.randint(home.now.shape[0], (shown,), generator=generator)
    tensors = home.tensors()
    size = batch["now"].shape[0]
    weight = batch.setdefault("weight", torch.ones(size))
    other = {name: tensors[name][rows] for name in ("now", "goal", "proprioception", "actions", "mask", "steps_to_go")}
    other |= {name: other[name].float() for name in ("now", "goal")}
    other["frames"] = torch.zeros(shown, *batch["frames"].shape[1:])  # without a share of video they are not read
    other["weight"] = weight.mean().expand(shown)
    return {name: torch.cat([value, other[name].to(value.dtype)]) for name, value in batch.items()}
