"""A small network adapted to made-up practice, for tests of adapting."""

from collections.abc import Sequence
from pathlib import Path

from policy_examples import Quiet, encoded, network

from a2g_cli.adapters import files
from a2g_cli.encoding.episodes import EncodedEpisode
from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.training.finetune import FinetuneResult, FinetuneSettings, finetune
from a2g_cli.training.retention_set import Retention

BASE = "0123456789abcdef"
SETTINGS = FinetuneSettings(iterations=12, batch=16, draws=2, rank=4, lr=5e-3, relabel="future", held_out=0.4, seed=3)


def make(
    folder: Path,
    parent: files.Adapter | None = None,
    settings: FinetuneSettings = SETTINGS,
    watcher: Quiet | None = None,
    model: Act2Goal | None = None,
    kept: Retention | None = None,
    shown: Sequence[EncodedEpisode] = (),
) -> FinetuneResult:
    base = network() if model is None else model
    given = (encoded(base), folder, settings, watcher or Quiet())
    return finetune(base, BASE, parent, *given, retention=kept, demonstrations=shown)


def applied(folder: Path) -> Act2Goal:
    model = network()
    files.apply(files.read(folder), model, BASE)
    return model
