"""The device of a training: CPU or GPU, precision, slices of a batch, and several processes.

None of this changes the result, apart from rounding. Every process draws the same batches from the same seed, computes its
own slices, and gets the sum of all gradients, as if one process had computed the whole batch.
"""

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from a2g_cli.core.errors import A2GError, UnknownNameError, UsageError
from a2g_cli.training.precision import chooses_bf16

Batch = dict[str, Tensor]
"""Name -> values of each sample (B, ...)."""

DeviceName = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "fp32", "bf16"]

PATIENCE = timedelta(hours=24)
"""How long processes wait for each other: the first one may have to make demonstrations."""

WORLD = {"WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE"}
"""Environment variables in which launchers give the number of processes: torchrun and accelerate, and three kinds of MPI."""


@dataclass(frozen=True)
class TrainingDevice:
    """One process of a training, with its connection to the others."""

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    bf16: bool = False
    """Whether matrix products are computed in bfloat16 (autocast); weights and sums stay in single precision."""
    accumulate: int = 1
    """Number of slices in which a process computes its share of a batch, one by one: less memory, the same gradients."""
    compiled: bool = False
    """Whether torch.compile compiles each network: takes about a minute, and pays off in a long training on a CPU."""
    rank: int = 0
    processes: int = 1
    accelerator: Any = None
    """``accelerate.Accelerator`` if there are several processes."""

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files and shows progress."""
        return self.rank == 0

    def wait(self) -> None:
        """Wait until every process has reached this point."""
        if self.accelerator is not None:
            self.accelerator.wait_for_everyone()

    def to_json(self) -> dict[str, Any]:
        """Return the entry for the model card."""
        return {
            "device": self.device.type,
            "precision": "bf16" if self.bf16 else "fp32",
            "accumulate": self.accumulate,
            "compiled": self.compiled,
            "processes": self.processes,
        }

    def prepare(self, *networks: nn.Module) -> None:
        """If ``compiled``: have the forward passes of ``networks`` compiled at their first run."""
        if self.compiled:
            for network in networks:
                network.compile(dynamic=False)

    def slices(self, whole: Mapping[str, Tensor]) -> list[Batch]:
        """Return this process's slices of a batch, on its device."""
        count = self.processes * self.accumulate
        return [
            {name: value[i::count].to(self.device, non_blocking=True) for name, value in whole.items()}
            for i in range(self.rank, count, self.processes)
        ]

    def check(self, batch: int) -> None:
        """Raise UsageError if a batch has fewer samples than slices."""
        if batch < self.processes * self.accumulate:
            raise UsageError(
                f"a batch of {batch} cannot be divided into {self.processes * self.accumulate} slices "
                f"({self.processes} processes, {self.accumulate} slices each): raise --batch, or lower --accumulate."
            )

    def backward(
        self,
        whole: Batch,
        losses: Callable[[Batch, Batch], dict[str, Tensor]],
        parameters: Sequence[nn.Parameter],
    ) -> dict[str, float]:
        """Compute the gradients of a whole batch's ``"total"`` loss into ``parameters``, and return its losses.

        Args:
            whole: the batch, the same in every process.
            losses: called with (slice, whole); returns the slice's part of the losses. All parts add up to the losses.
            parameters: the trained parameters.
        """
        sums: dict[str, Tensor] = {}
        for part in self.slices(whole):
            with self._autocast():
                part_losses = losses(part, whole)
            part_losses["total"].backward()
            for name, value in part_losses.items():
                sums[name] = value.detach() if name not in sums else sums[name] + value.detach()
        values = torch.stack([value.float() for value in sums.values()])
        if self.processes > 1:
            values = self._add_up(parameters, values)
        return dict(zip(sums, values.tolist(), strict=True))

    def _autocast(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.device.type, torch.bfloat16) if self.bf16 else nullcontext()

    def _add_up(self, parameters: Sequence[nn.Parameter], values: Tensor) -> Tensor:
        """Sum gradients, in place, and values (n,) over all processes, in one message."""
        has = torch.tensor([float(p.grad is not None) for p in parameters], device=self.device)
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        message = torch.cat([values, has, *(gradient.flatten() for gradient in gradients)])
        total: Tensor = self.accelerator.reduce(message, reduction="sum")
        sizes = [len(values), len(has), *(p.numel() for p in parameters)]
        values, has, *flat = total.split(sizes)
        for parameter, some, gradient in zip(parameters, has.tolist(), flat, strict=True):
            parameter.grad = gradient.view_as(parameter) if some else None
        return values


def choose_device(
    device: str = "auto", precision: str = "auto", accumulate: int = 1, *, compiled: bool = False
) -> TrainingDevice:
    """Return the device, connected to the other processes if ``accelerate launch`` or ``torchrun`` started several.

    Args:
        device: auto: the GPU if there is one.
        precision: see ``precision.chooses_bf16``.
        accumulate: number of slices of a process's share of a batch.
        compiled: whether to compile the networks.

    Raises:
        UnknownNameError: no such device or precision.
        UsageError: no GPU, no C++ compiler, bf16 on hardware that is slow in it, or a launcher that started one process
            instead of several.
        A2GError: several processes, but accelerate is not installed.
    """
    if device not in get_args(DeviceName):
        raise UnknownNameError("device", device, get_args(DeviceName))
    if precision not in get_args(Precision):
        raise UnknownNameError("precision", precision, get_args(Precision))
    on_gpu = device == "cuda" or (device == "auto" and torch.cuda.is_available() and not _cpu_is_wanted())
    if on_gpu and not torch.cuda.is_available():
        raise UsageError("this torch finds no GPU: leave --device out, or install torch for CUDA.")
    bf16 = chooses_bf16(precision, on_gpu, compiled)
    if compiled and not shutil.which(compiler := os.environ.get("CXX", "g++")):
        raise UsageError(
            f"--compile needs a C++ compiler, but {compiler} was not found: install g++, or leave --compile out."
        )
    count = max(int(os.environ.get(name) or 1) for name in WORLD)
    if count == 1 and _cpu_is_wanted() and "MASTER_PORT" in os.environ and not WORLD & os.environ.keys():
        raise UsageError(
            "`accelerate launch --cpu` always starts a single process: use --multi_gpu instead of --cpu, with --device cpu "
            "after pretrain; or start the processes with torchrun."
        )
    if count == 1:
        return TrainingDevice(torch.device("cuda" if on_gpu else "cpu"), bf16, accumulate, compiled)
    try:
        from accelerate import Accelerator, InitProcessGroupKwargs
    except ImportError as error:
        raise A2GError("training in several processes needs accelerate: pip install 'a2g[accelerate]'.") from error
    joined = Accelerator(
        cpu=not on_gpu, mixed_precision="no", kwargs_handlers=[InitProcessGroupKwargs(timeout=PATIENCE)]
    )
    return TrainingDevice(joined.device, bf16, accumulate, compiled, joined.process_index, joined.num_processes, joined)


def _cpu_is_wanted() -> bool:
    return os.environ.get("ACCELERATE_USE_CPU", "").lower() in {"true", "1", "yes"}
