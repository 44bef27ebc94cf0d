"""The goals of an adapter: where practice was of named goals, its weights act on these alone.

What practice of one goal changes in the weights is right for this goal and may be wrong for another one. For any other goal
the adapter's policy acts with the weights that it began from, so practice of a goal cannot make another one worse.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from a2g_cli.adapters.files import Adapter
from a2g_cli.core.errors import CheckpointError

GOALS = "goals.safetensors"
"""Name of the file, in the adapter's folder: name of a goal -> latents of its photo (V, C, h, w)."""
SAME = 0.1
"""Two photos show the same goal when their latents differ by less than this (root mean square, latents have a standard
deviation of about 1). In the simulator noise of 5 grey levels makes .03, 5 % more light .07 to .14, and a socket moved
by 1 cm .09 to .16; the two most similar of twelve words differ by .11."""
MOST_BYTES = 64_000_000


@dataclass(frozen=True)
class AdapterGoals:
    """The goals of an adapter."""

    latents: Mapping[str, Tensor]
    """Name -> latents of its photo (V, C, h, w)."""

    def include(self, photo: Tensor) -> bool:
        """Whether a goal photo (V, C, h, w) shows one of them."""
        return any(
            goal.shape == photo.shape and float((goal - photo.float()).square().mean().sqrt()) < SAME
            for goal in self.latents.values()
        )

    def write(self, folder: Path) -> None:
        """Write them into an adapter's folder. Raises OSError, SafetensorError."""
        save_file({name: latents.float().contiguous() for name, latents in self.latents.items()}, folder / GOALS)


def read_goals(adapter: Adapter) -> AdapterGoals | None:
    """Return the goals of an adapter; None: it acts on every goal.

    Raises:
        CheckpointError: its lineage names goals, but their file is missing or damaged.
    """
    path = adapter.folder / GOALS
    if adapter.acts_on is None:
        return None
    try:
        if path.stat().st_size > MOST_BYTES:
            raise CheckpointError(f"{path} has more than {MOST_BYTES:,} bytes: it holds no photos of goals.")
        latents = load_file(path)
    except FileNotFoundError as error:
        raise CheckpointError(f"adapter {adapter.name!r} acts on named goals, and {path} is missing.") from error
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path} is damaged: {error}") from error
    if set(latents) != set(adapter.acts_on) or not all(one.isfinite().all() for one in latents.values()):
        raise CheckpointError(f"{path} is damaged: it does not hold the goals that the lineage names.")
    return AdapterGoals({name: one.to(torch.float32) for name, one in latents.items()})
