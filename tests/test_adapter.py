"""An adapter acts as PEFT's own layers do, says what it is, and its fingerprint is of what acts."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from adapter_examples import BASE, change, train
from policy_examples import network, plan_inputs
from safetensors.torch import load_file, save_file

from a2g_cli.adapters import files


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """(the adapter's folder, PEFT's own model)."""
    folder = tmp_path_factory.mktemp("adapters") / "adapter-001"
    return folder, train(network(), folder)


@pytest.fixture(scope="module")
def dora(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    folder = tmp_path_factory.mktemp("adapters") / "adapter-001"
    return folder, train(network(), folder, lr=0.3, use_dora=True)


@pytest.fixture(params=["lora", "dora"])
def trained(request: pytest.FixtureRequest, plain: tuple[Path, Any], dora: tuple[Path, Any]) -> tuple[Path, Any]:
    return {"lora": plain, "dora": dora}[request.param]


@pytest.fixture
def folder(plain: tuple[Path, Any], tmp_path: Path) -> Path:
    """A copy of the adapter that may be damaged."""
    return Path(shutil.copytree(plain[0], tmp_path / "copy"))


def test_merged_weights_act_as_peft_s_own_layers_do(trained: tuple[Path, Any]) -> None:
    folder, wrapped = trained
    merged, plain = network(), network()
    files.apply(files.read(folder), merged, BASE)
    given = plan_inputs(merged, 3)
    expected = wrapped.get_base_model().act(*given, 5)
    torch.testing.assert_close(merged.act(*given, 5), expected, atol=1e-5, rtol=1e-5)
    assert (plain.act(*given, 5) - expected).abs().max() > 0.01  # the training did something
    torch.testing.assert_close(
        merged.imagine(given[0], given[1], given[3], 3),
        wrapped.get_base_model().imagine(given[0], given[1], given[3], 3),
        atol=1e-5,
        rtol=1e-5,
    )


def test_applying_changes_the_adapted_layers_alone(trained: tuple[Path, Any]) -> None:
    merged, plain = network(), network()
    files.apply(files.read(trained[0]), merged, BASE)
    changed = {name for name, value in merged.state_dict().items() if not torch.equal(value, plain.state_dict()[name])}
    assert changed
    assert all(".blocks." in name and name.endswith(".weight") for name in changed)
    assert not any(name.startswith(("steps_to_go", "autoencoder")) for name in changed)


def test_an_adapter_says_what_it_is(trained: tuple[Path, Any]) -> None:
    read = files.read(trained[0])
    assert (read.name, read.rank, read.alpha, read.base) == ("adapter-001", 4, 12.0, BASE)
    assert len(read.fingerprint) == 16


def test_the_fingerprint_is_of_the_weights(folder: Path) -> None:
    read = files.read(folder)
    before = read.fingerprint
    change(folder, files.LINEAGE, promotion={"promoted": True})
    assert read.fingerprint == before
    weights = load_file(folder / files.WEIGHTS)
    next(iter(weights.values())).view(-1)[0] += 1
    save_file(weights, folder / files.WEIGHTS)
    assert read.fingerprint != before
