"""An adaptation goes on from a parent: it begins with the parent's function, and a parent that does not fit is refused."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from adapt_examples import BASE, SETTINGS, applied, make
from policy_examples import network, plan_inputs
from safetensors.torch import load_file, save_file
from torch import Tensor

from a2g_cli.adapters import files
from a2g_cli.core.errors import CheckpointError, UsageError
from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.training.finetune import FinetuneSettings, Finetuning
from a2g_cli.training.finetuners import LowRankFinetuner


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("adapters") / "one").folder


def plain(model: Act2Goal) -> dict[str, Tensor]:
    """A wrapped model's own weights under their first names, without LoRA's."""
    return {
        name.replace(".base_layer", ""): value.clone()
        for name, value in model.state_dict().items()
        if "lora_" not in name
    }


def test_going_on_from_a_parent_begins_with_the_parent_s_function_exactly(made: Path) -> None:
    parent, given = files.read(made), plan_inputs(network(), 3)
    work = Finetuning(network(), BASE, parent, replace(SETTINGS, rank=16, alpha_per_rank=7.0))
    torch.testing.assert_close(work.model.act(*given, 5), applied(made).act(*given, 5), atol=1e-5, rtol=1e-5)
    finetuner = work.finetuner
    assert isinstance(finetuner, LowRankFinetuner)
    tensors, saved = finetuner.peft.state_dict(), load_file(made / files.WEIGHTS)
    for key, value in saved.items():
        assert torch.equal(tensors[key.replace(".weight", ".default.weight")], value)
    assert (work.settings.rank, work.settings.alpha_per_rank) == (4, 1.0)


def test_a_child_differs_from_its_parent_and_leaves_it_alone(made: Path, tmp_path: Path) -> None:
    before = (made / files.WEIGHTS).read_bytes()
    child = make(tmp_path / "two", parent=files.read(made))
    assert (made / files.WEIGHTS).read_bytes() == before
    assert (child.folder / files.WEIGHTS).read_bytes() != before


def test_a_parent_on_other_layers_is_refused(made: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="placement"):
        make(tmp_path / "two", parent=files.read(made), settings=replace(SETTINGS, placement="expert"))
    assert not (tmp_path / "two").exists()


def test_a_parent_of_another_base_is_refused(made: Path) -> None:
    with pytest.raises(CheckpointError, match=f"trained on base {BASE}, but this base is fedcba9876543210"):
        Finetuning(network(), "fedcba9876543210", files.read(made), SETTINGS)


def test_another_rank_than_the_parent_s_is_refused_where_it_was_asked_for(made: Path) -> None:
    parent = files.read(made)
    with pytest.raises(UsageError, match="has rank 4"):
        Finetuning(network(), BASE, parent, replace(SETTINGS, rank=8))
    # The default is no wish.
    assert Finetuning(network(), BASE, parent, replace(SETTINGS, rank=FinetuneSettings.rank)).settings.rank == 4


def test_a_damaged_parent_is_refused(made: Path, tmp_path: Path) -> None:
    damaged = Path(shutil.copytree(made, tmp_path / "damaged"))
    tensors = load_file(damaged / files.WEIGHTS)
    next(iter(tensors.values())).view(-1)[0] = float("nan")
    save_file(tensors, damaged / files.WEIGHTS)
    with pytest.raises(CheckpointError, match="not finite"):
        Finetuning(network(), BASE, files.read(damaged), SETTINGS)


def test_another_kind_than_the_parent_s_is_refused_where_it_was_asked_for(made: Path) -> None:
    with pytest.raises(UsageError, match="is a lora adapter"):
        Finetuning(network(), BASE, files.read(made), replace(SETTINGS, method="dora"))
