"""DoRA: the learned lengths of an adapter's rows are read, take part, and are checked."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from adapter_examples import BASE, change, refused, train
from policy_examples import network
from safetensors.torch import load_file, save_file

from a2g_cli.adapters import files
from a2g_cli.core.errors import CheckpointError


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """(the adapter's folder, PEFT's own model)."""
    folder = tmp_path_factory.mktemp("adapters") / "adapter-001"
    return folder, train(network(), folder)


@pytest.fixture(scope="module")
def dora(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    folder = tmp_path_factory.mktemp("adapters") / "adapter-001"
    return folder, train(network(), folder, lr=0.3, use_dora=True)


@pytest.fixture
def folder(plain: tuple[Path, Any], tmp_path: Path) -> Path:
    """A copy of the adapter that may be damaged."""
    return Path(shutil.copytree(plain[0], tmp_path / "copy"))


A = "base_model.model.expert.blocks.0.attention.query.lora_A.weight"


M = A.replace("lora_A.weight", "lora_magnitude_vector")


def test_the_lengths_of_dora_were_learned_and_take_part(dora: tuple[Path, Any], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(dora[0], tmp_path / "copy"))
    assert files.read(folder).method == "dora"
    merged, other = network(), network()
    files.apply(files.read(folder), merged, BASE)
    weights = load_file(folder / files.WEIGHTS)
    name = M.removeprefix("base_model.model.").removesuffix(".lora_magnitude_vector")
    lengths = merged.get_submodule(name).weight.norm(dim=1)
    torch.testing.assert_close(lengths, weights[M], atol=1e-6, rtol=1e-6)
    assert (lengths - other.get_submodule(name).weight.norm(dim=1)).abs().max() > 1e-4


@pytest.mark.parametrize(
    ("value", "match"),
    [
        (torch.zeros(31), "other shapes"),
        (torch.full((32,), float("inf")), "not finite"),
        (None, "no such linear layer"),
    ],
    ids=range(3),
)
def test_lengths_that_do_not_fit_are_refused(
    dora: tuple[Path, Any], tmp_path: Path, value: torch.Tensor | None, match: str
) -> None:
    folder = Path(shutil.copytree(dora[0], tmp_path / "copy"))
    weights = load_file(folder / files.WEIGHTS)
    if value is None:
        del weights[M]
    else:
        weights[M] = value
    save_file(weights, folder / files.WEIGHTS)
    refused(folder, match)


def test_a_row_without_a_direction_is_refused(dora: tuple[Path, Any], tmp_path: Path) -> None:
    folder, model = Path(shutil.copytree(dora[0], tmp_path / "copy")), network()
    weights = load_file(folder / files.WEIGHTS)
    weights[A.replace("lora_A", "lora_B")][0] = 0
    save_file(weights, folder / files.WEIGHTS)
    with torch.no_grad():
        model.get_submodule("expert.blocks.0.attention.query").weight[0] = 0
    with pytest.raises(CheckpointError, match="not finite"):
        files.apply(files.read(folder), model, BASE)


@pytest.mark.parametrize("told", [True, False])
def test_one_kind_is_not_taken_for_the_other(
    plain: tuple[Path, Any], dora: tuple[Path, Any], tmp_path: Path, told: bool
) -> None:
    folder = Path(shutil.copytree((plain if told else dora)[0], tmp_path / "copy"))
    change(folder, files.CONFIG, use_dora=told)
    refused(folder, "no such linear layer")
