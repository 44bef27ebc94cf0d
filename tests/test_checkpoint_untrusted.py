"""Checkpoints from elsewhere: what is damaged, absurd or pickled is refused in one line, and nothing is unpickled."""

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from policy_examples import change_config, network
from safetensors.torch import load_file, save_file

from a2g_cli.core.errors import CheckpointError
from a2g_cli.models import checkpoint


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    checkpoint.save(network(seed=3), tmp_path / "base", "# a card\n", {"machine": "this one"})
    return tmp_path / "base"


class Bomb:
    """Unpickling it leaves a trace."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.trace,)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_checkpoint_with_a_file_missing_is_none(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=f"{name} is missing"):
        checkpoint.load(folder)
    with pytest.raises(CheckpointError, match=f"{name} is missing"):
        checkpoint.fingerprint(folder)


@pytest.mark.parametrize("kept", [0, 4, 8, 100, -1])
def test_truncated_weights_are_refused(folder: Path, kept: int) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(CheckpointError, match="damaged"):
        checkpoint.load(folder)


@pytest.mark.parametrize("seed", range(3))
def test_random_bytes_are_refused(folder: Path, seed: int) -> None:
    (folder / "model.safetensors").write_bytes(torch.randint(256, (5000,), dtype=torch.uint8).numpy().tobytes())
    with pytest.raises(CheckpointError, match="damaged"):
        checkpoint.load(folder)


@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_a_pickle_under_the_weights_name_is_refused_and_never_unpickled(
    folder: Path, tmp_path: Path, protocol: int
) -> None:
    trace = tmp_path / "trace"
    (folder / "model.safetensors").write_bytes(pickle.dumps(Bomb(trace), protocol))
    with pytest.raises(CheckpointError, match="damaged"):
        checkpoint.load(folder)
    torch.save({"weight": Bomb(trace)}, folder / "model.safetensors")
    with pytest.raises(CheckpointError, match="damaged"):
        checkpoint.load(folder)
    assert not trace.exists()
    pickle.loads(pickle.dumps(Bomb(trace), protocol))  # noqa: S301 - the bomb does go off
    assert trace.exists()


def test_weights_of_another_shape_are_refused_by_name(folder: Path) -> None:
    path = folder / "model.safetensors"
    weights = load_file(path)
    weights["expert.position"] = weights["expert.position"][1:].contiguous()
    save_file(weights, path)
    with pytest.raises(CheckpointError, match=r"\(1 of \d+ .*: expert\.position is \(10, 32\), expected \(11, 32\)"):
        checkpoint.load(folder)


@pytest.mark.parametrize("also", [True, False], ids=["one-too-many", "one-missing"])
def test_weights_too_many_or_too_few_are_refused(folder: Path, also: bool) -> None:
    path = folder / "model.safetensors"
    weights = load_file(path)
    if also:
        weights["expert.extra"] = torch.zeros(3)
    else:
        del weights["expert.position"]
    save_file(weights, path)
    with pytest.raises(CheckpointError, match=r"\(1 of \d+ tensors differ\)"):
        checkpoint.load(folder)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "[]",
        '"text"',
        "{}",
        '{"model_type": "llama", "hidden_size": 4096}',
        '{"a2g_checkpoint": 2, "policy": {}}',
        '{"a2g_checkpoint": 1}',
        '{"a2g_checkpoint": 1, "policy": []}',
        '{"a2g_checkpoint": 1, "policy": {}}',
        '{"a2g_checkpoint": 1, "policy": {"hashing": {}}}',
        "[" * 200_000,
        '{"a":' * 100_000,
        "\x00\x01",
    ],
    ids=range(15),
)
def test_a_config_of_something_else_is_refused(folder: Path, text: str) -> None:
    (folder / "config.json").write_text(text)
    with pytest.raises(CheckpointError):
        checkpoint.load(folder)


def test_a_config_that_is_no_text_is_refused(folder: Path) -> None:
    (folder / "config.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CheckpointError):
        checkpoint.load(folder)


def test_a_config_far_too_long_is_not_even_read(folder: Path) -> None:
    text = (folder / "config.json").read_text()
    (folder / "config.json").write_text(text + " " * 1_100_000)
    with pytest.raises(CheckpointError, match="too large"):
        checkpoint.load(folder)


@pytest.mark.parametrize("facts", ["text", [1, 2], 7])
def test_facts_of_another_kind_are_refused(folder: Path, facts: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"facts": facts}))
    with pytest.raises(CheckpointError):
        checkpoint.arrived_below(folder)


@pytest.mark.parametrize(
    "changed",
    [
        {"model_width": 10**9},
        {"blocks": 10**6},
        {"blocks": 8000},
        {"height": 0},
        {"width": -64},
        {"height": 64.0},
        {"blocks": "4"},
        {"blocks": True},
        {"latent_channels": 10**15},
        {"latent_channels": -4},
        {"latent_channels": "four"},
        {"autoencoder_width": 0},
        {"autoencoder_width": 1},
        {"autoencoder_width": None},
        {"model_heads": 0},
        {"model_heads": 5},
        {"expert_heads": -1},
        {"context_patch": 0},
        {"plan_patch": 3},
        {"steps_width": 10**12},
        {"steps_width": 0},
        {"cameras": []},
        {"cameras": 3},
        {"action_names": []},
        {"proprioception_names": None},
        {"rate": "fast"},
        {"hashing": {"proximal": 8.0, "stride": 4, "distal": 2, "spacing": "printed"}},
        {"hashing": {"proximal": 10**15, "stride": 1, "distal": 2, "spacing": "printed"}},
        {"hashing": {"proximal": 8, "stride": 0, "distal": 2, "spacing": "printed"}},
        {"hashing": {"proximal": 8, "stride": 4, "distal": 2, "spacing": "sideways"}},
        {"hashing": {"proximal": "8", "stride": 4, "distal": 2, "spacing": "printed"}},
        {"hashing": [8, 4, 2]},
        {"surprise": 1},
    ],
    ids=str,
)
def test_an_absurd_shape_is_refused_before_anything_is_made_of_it(folder: Path, changed: dict[str, Any]) -> None:
    change_config(folder, **changed)
    with pytest.raises(CheckpointError):
        checkpoint.load(folder)
