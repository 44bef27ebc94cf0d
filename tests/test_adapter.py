import dataclasses
import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from policy_examples import batch, network, plan_inputs
from safetensors.torch import load_file, save_file
from torch import nn

from a2g_cli.adapters import files
from a2g_cli.core.errors import CheckpointError
from a2g_cli.models.act2goal.model import Act2Goal

BASE = "0123456789abcdef"


def train(model: Act2Goal, folder: Path, steps: int = 3, lr: float = 3.0, **lora: Any) -> Any:
    """Three steps of plain PEFT, saved as PEFT saves: nothing of this project takes part."""
    from peft import LoraConfig, get_peft_model

    names = [name for name, module in model.named_modules() if isinstance(module, nn.Linear) and ".blocks." in name]
    torch.manual_seed(1)
    wrapped = get_peft_model(model, LoraConfig(r=4, lora_alpha=12, target_modules=names, **lora))
    optimiser = torch.optim.SGD([p for p in wrapped.parameters() if p.requires_grad], lr=lr)
    for _ in range(steps):
        optimiser.zero_grad()
        inner = wrapped.get_base_model()
        inner.losses(batch(inner, 8), inner.sample_noise(8, 0.0, 4))["action"].backward()
        optimiser.step()
    wrapped.save_pretrained(folder, safe_serialization=True)
    (folder / files.LINEAGE).write_text(json.dumps({"base": BASE}))
    return wrapped.eval()


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


def change(folder: Path, name: str, **changed: Any) -> None:
    data = json.loads((folder / name).read_text()) | changed
    (folder / name).write_text(json.dumps(data))


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


# -- refusals: each leaves the model as it was --------------------------------------------------------------------------


def refused(folder: Path, match: str, base: str = BASE) -> None:
    model, plain = network(), network()
    with pytest.raises(CheckpointError, match=match):
        files.apply(files.read(folder), model, base)
    for name, value in plain.state_dict().items():
        assert torch.equal(model.state_dict()[name], value)


def test_an_adapter_of_another_base_is_refused(folder: Path) -> None:
    refused(folder, "trained on base 0123456789abcdef, but this base is fedcba9876543210", "fedcba9876543210")


@pytest.mark.parametrize("name", [files.WEIGHTS, files.CONFIG, files.LINEAGE])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    refused(folder, f"{name} is missing")


def test_without_weights_there_is_no_fingerprint(folder: Path) -> None:
    read = files.read(folder)
    (folder / files.WEIGHTS).unlink()
    with pytest.raises(CheckpointError, match="missing"):
        _ = read.fingerprint


@pytest.mark.parametrize("kept", [0, 7, 100, -1])
def test_truncated_weights_are_refused(folder: Path, kept: int) -> None:
    path = folder / files.WEIGHTS
    path.write_bytes(path.read_bytes()[:kept])
    refused(folder, "damaged")


def test_a_pickle_under_the_weights_name_is_refused(folder: Path) -> None:
    (folder / files.WEIGHTS).write_bytes(pickle.dumps(load_file(folder / files.WEIGHTS)))
    refused(folder, "damaged")


@pytest.mark.parametrize("name", [files.CONFIG, files.LINEAGE])
@pytest.mark.parametrize("text", ["", "[]", "null", "{", "[" * 200_000, "\x00"], ids=range(6))
def test_foreign_json_is_refused(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)
    refused(folder, name)


@pytest.mark.parametrize("name", [files.CONFIG, files.LINEAGE])
def test_a_byte_order_mark_is_taken(folder: Path, name: str) -> None:
    plain = files.read(folder)
    (folder / name).write_bytes(b"\xef\xbb\xbf" + (folder / name).read_bytes())
    assert files.read(folder) == plain


def test_json_far_too_long_is_not_read(folder: Path) -> None:
    path = folder / files.CONFIG
    path.write_text(path.read_text() + " " * 10_000_001)
    refused(folder, "more than 10,000,000 bytes")


@pytest.mark.parametrize(
    "changed",
    [
        {"peft_type": "LOHA"},
        {"use_dora": "yes"},
        {"use_rslora": True},
        {"alpha_pattern": {"query": 64}},
        {"rank_pattern": {"query": 8}},
        {"fan_in_fan_out": True},
        {"bias": "all"},
        {"lora_bias": True},
        {"modules_to_save": ["out"]},
        {"layers_to_transform": 0},
        {"layers_to_transform": [1, 2]},
        {"layers_pattern": "blocks"},
        {"trainable_token_indices": [3]},
        {"target_parameters": ["x.weight"]},
        {"layer_replication": [[0, 1]]},
        {"megatron_config": {"tensor_parallel": 2}},
        {"loftq_config": {"loftq_bits": 4}},
        {"init_lora_weights": "pissa"},
        {"init_lora_weights": "corda"},
        {"init_lora_weights": ["eva"]},
        {"an_option_of_tomorrow": True},
        {"an_option_of_tomorrow": 1},
    ],
    ids=str,
)
def test_what_cannot_be_merged_by_w_plus_ba_is_refused(folder: Path, changed: dict[str, Any]) -> None:
    change(folder, files.CONFIG, **changed)
    refused(folder, "not a plain LoRA or DoRA adapter")


def test_every_option_of_peft_that_is_not_applied_is_refused_by_its_name_once_it_is_switched_on(folder: Path) -> None:
    from peft import LoraConfig

    config = json.loads((folder / files.CONFIG).read_text())
    applied = {"peft_type", "r", "lora_alpha", "use_dora", "bias", "init_lora_weights"}
    of_no_effect = {
        *("auto_mapping", "base_model_name_or_path", "eva_config", "exclude_modules", "inference_mode", "lora_dropout"),
        *("megatron_core", "peft_version", "qalora_group_size", "revision", "target_modules", "task_type"),
    }
    others = {field.name for field in dataclasses.fields(LoraConfig)} - applied - of_no_effect
    assert len(others) > 10
    for name in others:
        change(folder, files.CONFIG, **{**config, name: {"switched": "on"}})
        refused(folder, f"has {name} = ")
        change(folder, files.CONFIG, **config)


def test_what_is_switched_off_is_no_reason_to_refuse_even_where_it_is_not_known(folder: Path) -> None:
    plain = files.read(folder)
    off = {
        "an_option_of_tomorrow": None,
        "another": False,
        "a_pattern": {},
        "layers_to_transform": [],
        "eva_config": None,
    }
    change(folder, files.CONFIG, **off, lora_dropout=0.1, task_type="FEATURE_EXTRACTION", peft_version="9.0")
    assert files.read(folder) == plain


@pytest.mark.parametrize(
    "changed",
    [
        {"r": 0},
        {"r": -4},
        {"r": "4"},
        {"r": 10**9},
        {"r": None},
        {"lora_alpha": None},
        {"lora_alpha": "12"},
        {"lora_alpha": float("nan")},
        {"lora_alpha": float("inf")},
        {"lora_alpha": 10**400},
    ],
    ids=lambda changed: str(changed)[:30],
)
def test_rank_and_alpha_must_be_usable_numbers(folder: Path, changed: dict[str, Any]) -> None:
    change(folder, files.CONFIG, **changed)
    refused(folder, "no usable rank and alpha")


@pytest.mark.parametrize("base", [None, 7, ["x"]])
def test_a_lineage_without_base_is_refused(folder: Path, base: object) -> None:
    change(folder, files.LINEAGE, base=base)
    refused(folder, "does not say which base")


def test_another_rank_than_the_weights_have_is_refused(folder: Path) -> None:
    change(folder, files.CONFIG, r=8)
    refused(folder, "other shapes")


A = "base_model.model.expert.blocks.0.attention.query.lora_A.weight"


@pytest.mark.parametrize(
    ("key", "value", "match"),
    [
        ("base_model.model.expert.position", torch.zeros(3), "no LoRA weight"),
        ("expert.blocks.0.attention.query.lora_A.weight", torch.zeros(4, 32), "no LoRA weight"),
        (A.replace("lora_A", "lora_magnitude_vector"), torch.zeros(32), "no LoRA weight"),
        (A.replace("query", "question"), torch.zeros(4, 32), "no such linear layer"),
        (A.replace("attention.query", "attention.query_norm"), torch.zeros(4, 32), "no such linear layer"),
        (A, torch.zeros(4, 31), "other shapes"),
        (A, torch.zeros(4), "other shapes"),
    ],
    ids=range(7),
)
def test_weights_that_belong_elsewhere_are_refused(folder: Path, key: str, value: torch.Tensor, match: str) -> None:
    weights = load_file(folder / files.WEIGHTS)
    weights[key] = value
    save_file(weights, folder / files.WEIGHTS)
    refused(folder, match)


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


def test_half_a_pair_is_refused(folder: Path) -> None:
    weights = load_file(folder / files.WEIGHTS)
    del weights[A]
    save_file(weights, folder / files.WEIGHTS)
    refused(folder, "no such linear layer")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(folder: Path, value: float) -> None:
    weights = load_file(folder / files.WEIGHTS)
    weights[A][1, 1] = value
    save_file(weights, folder / files.WEIGHTS)
    refused(folder, "not finite")
