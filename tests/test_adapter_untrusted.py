"""Adapters from elsewhere: each that is not whole, or not of this base, is refused, and the model stays as it was."""

import dataclasses
import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from adapter_examples import change, refused, train
from policy_examples import network
from safetensors.torch import load_file, save_file

from a2g_cli.adapters import files
from a2g_cli.core.errors import CheckpointError


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """(the adapter's folder, PEFT's own model)."""
    folder = tmp_path_factory.mktemp("adapters") / "adapter-001"
    return folder, train(network(), folder)


@pytest.fixture
def folder(plain: tuple[Path, Any], tmp_path: Path) -> Path:
    """A copy of the adapter that may be damaged."""
    return Path(shutil.copytree(plain[0], tmp_path / "copy"))


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
