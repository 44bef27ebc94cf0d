"""A base that is trained in two seconds: what the tests of training share."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from policy_examples import Quiet
from torch import Tensor

from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.training.pretrain import Pretraining
from a2g_cli.training.pretrain_settings import PretrainSettings
from a2g_cli.training.state import TrainingState

SETTINGS = PretrainSettings(
    preset="micro",
    autoencoder_iterations=40,
    autoencoder_frames=300,
    joint_iterations=30,
    action_iterations=30,
    batch=16,
    warm_up=5,
    save_every=10,
)
BRIEF = replace(SETTINGS, autoencoder_iterations=20, joint_iterations=20, action_iterations=20)
"""Every stage is saved within it, and at its end."""
SHORT = replace(SETTINGS, autoencoder_iterations=10, joint_iterations=10, action_iterations=10)
"""Every stage is saved at its end."""


class Killed(BaseException):
    """Stands for a SIGKILL: nothing may catch it."""


class Watcher(Quiet):
    """Kills the run when ``stage`` has come to ``step``."""

    def __init__(self, stage: str = "", step: int = -1) -> None:
        super().__init__()
        self.at = (stage, step)

    def advanced(self, step: int, losses: dict[str, float], rate: float | None = None) -> None:
        super().advanced(step, losses, rate)
        if (self.stages[-1][0], step) == self.at:
            raise Killed


class Copying(Quiet):
    """Copies the run's folder whenever it hears from the run: that is what a kill at this moment leaves."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder, self._copies = folder, folder.with_name(f"{folder.name} copies")

    def advanced(self, step: int, losses: dict[str, float], rate: float | None = None) -> None:
        super().advanced(step, losses, rate)
        shutil.copytree(self._folder, self._copies / self.stages[-1][0] / str(step), dirs_exist_ok=True)

    def left(self, folder: Path, stage: str, step: int) -> None:
        """Put into ``folder`` what a kill leaves when ``stage`` has come to ``step``."""
        shutil.copytree(self._copies / stage / str(step), folder, dirs_exist_ok=True)


def nothing(iteration: int, model: Act2Goal, facts: dict[str, Any]) -> None:
    pass


def run(
    folder: Path,
    recordings: list[Path],
    watcher: Quiet | None = None,
    settings: PretrainSettings = SETTINGS,
    on_checkpoint: Callable[[int, Act2Goal, dict[str, Any]], None] = nothing,
) -> Act2Goal:
    return Pretraining(folder, recordings, settings, watcher or Quiet(), on_checkpoint).run()


Whole = tuple[Path, Act2Goal, Copying, list[tuple[int, dict[str, Tensor], dict[str, Any]]]]
"""A run that nobody disturbed: (folder, model, watcher, checkpoints)."""


def undisturbed(folder: Path, recordings: list[Path], settings: PretrainSettings = SETTINGS) -> Whole:
    """Train in ``folder``."""
    watcher = Copying(folder)
    checkpoints: list[tuple[int, dict[str, Tensor], dict[str, Any]]] = []

    def keep(iteration: int, model: Act2Goal, facts: dict[str, Any]) -> None:
        checkpoints.append((iteration, {name: value.clone() for name, value in model.state_dict().items()}, facts))

    return folder, run(folder, recordings, watcher, settings, keep), watcher, checkpoints


def assert_same(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    different = [name for name in one if not torch.equal(one[name], other[name])]
    assert not different


def state_of(folder: Path) -> TrainingState:
    state = TrainingState.read(folder / "state.safetensors")
    assert state is not None
    return state
