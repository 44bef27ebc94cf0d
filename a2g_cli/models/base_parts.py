"""The safetensors files that may stand beside a base's weights: tensors, and a list of names in their metadata.

Such a file is no part of the base's hash. A base without it acts and adapts all the same.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from a2g_cli.core.errors import A2GError, CheckpointError
from a2g_cli.core.files import replacing

Expected = Mapping[str, tuple[tuple[int | None, ...], torch.dtype]]
"""Tensor -> its shape, where None stands for any size, and its type."""


def save_part(path: Path, tensors: Mapping[str, Tensor], key: str, names: Sequence[str]) -> None:
    """Write ``tensors`` to ``path``, and ``names`` into its metadata under ``key``. Raises A2GError."""
    try:
        with replacing(path) as temporary:
            contiguous = {name: value.contiguous() for name, value in tensors.items()}
            save_file(contiguous, temporary, metadata={key: json.dumps(list(names))})
    except (OSError, SafetensorError) as error:
        raise A2GError(f"{path} cannot be written: {error}") from error


def load_part(path: Path, key: str) -> tuple[dict[str, Tensor], tuple[str, ...]] | None:
    """Return the tensors in ``path`` and the names under ``key``; None if there is no file. Raises CheckpointError."""
    if not path.exists():
        return None
    with parsing(path), safe_open(path, "pt") as file:
        names = tuple(str(name) for name in json.loads((file.metadata() or {})[key]))
        return {name: file.get_tensor(name) for name in file.keys()}, names  # noqa: SIM118 - not a dict


@contextmanager
def parsing(path: Path) -> Iterator[None]:
    """Turn what fails while ``path`` is read, or its tensors are put to use, into a CheckpointError that names the file."""
    try:
        yield
    except (OSError, SafetensorError, KeyError, RuntimeError, TypeError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is damaged: {error}") from error


def check_part(path: Path, tensors: Mapping[str, Tensor], expected: Expected) -> None:
    """Raise CheckpointError unless ``tensors`` has the shapes, types and only finite values that the base asks for."""
    for name, (shape, kind) in expected.items():
        value = tensors.get(name)
        if value is None:
            raise CheckpointError(f"{path} is damaged: it has no {name}.")
        fits = value.ndim == len(shape) and all(
            one in (None, size) for one, size in zip(shape, value.shape, strict=True)
        )
        if not fits or value.dtype != kind:
            raise CheckpointError(f"{path} does not fit its base: {name} is {tuple(value.shape)} {value.dtype}.")
        if not value.isfinite().all():
            raise CheckpointError(f"{path} is damaged: {name} is not finite.")
