"""A base without skill, trained for a moment; whether an episode has reached its goal by its estimate is chosen."""

import json
import shutil
from pathlib import Path

import pytest
from cli_examples import ask

from a2g_cli.training import retention

ALWAYS, NEVER = 1e3, 1e-9
"""Steps-to-go below which an episode has reached its goal: every episode, or none."""


def made(folder: Path) -> Path:
    """Train a base for the scene ``place``, of the smallest preset, and return its checkpoint.

    It keeps few segments of its demonstrations: every adaptation measures its error on them, twice.
    """
    words = ("--scene", "place", "--demonstrations", 3, "--preset", "micro", "--iterations", 4, "--batch", 2)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(retention, "BYTES", 32_000)
        run = ask(
            folder, "pretrain", *words, "--autoencoder-iterations", 2, "--evaluate-every", 0, "--out", folder / "run"
        )
    return Path(run["checkpoint"])


def arriving(base: Path, copy: Path, below: float) -> Path:
    """Copy a base; by the copy's estimate an episode reached its goal if fewer than ``below`` steps are left."""
    shutil.copytree(base, copy)
    told = json.loads((copy / "config.json").read_text())
    told["facts"]["arrived_below"] = below
    (copy / "config.json").write_text(json.dumps(told))
    return copy
