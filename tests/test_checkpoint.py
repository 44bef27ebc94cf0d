"""Checkpoints: what is saved is what is loaded, its hash is of its contents, and it fits its robot or is refused."""

import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from policy_examples import change_config, network, plan_inputs, spec
from safetensors.torch import load_file

from a2g_cli.core.errors import A2GError, CheckpointError, UnknownNameError
from a2g_cli.models import checkpoint
from a2g_cli.models.act2goal.temporal_hashing import TemporalHashing
from a2g_cli.models.presets import PRESETS, Act2GoalConfig, preset
from a2g_cli.robots.sim import SimRobot


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    checkpoint.save(network(seed=3), tmp_path / "base", "# a card\n", {"machine": "this one"})
    return tmp_path / "base"


# -- round trip -----------------------------------------------------------------------------------------------------------


def test_what_is_saved_is_what_is_loaded(folder: Path) -> None:
    saved, loaded = network(seed=3), checkpoint.load(folder)
    assert loaded.config == saved.config
    assert loaded.state_dict().keys() == saved.state_dict().keys()
    for name, value in saved.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value.half().float()), name
    given = plan_inputs(saved, 2)
    torch.testing.assert_close(loaded.act(*given, 5), saved.act(*given, 5), atol=0.02, rtol=0.02)


def test_a_loaded_base_is_frozen_ready_and_in_single_precision(folder: Path) -> None:
    model = checkpoint.load(folder)
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert {value.dtype for value in model.state_dict().values()} == {torch.float32}


def test_saving_again_replaces_and_leaves_nothing_else_behind(folder: Path) -> None:
    checkpoint.save(network(seed=4), folder, "# another\n", {})
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    assert (folder / "README.md").read_text() == "# another\n"
    weight = checkpoint.load(folder).world_model.embed_plan.weight
    assert torch.equal(weight, network(seed=4).world_model.embed_plan.weight.half().float())


def test_facts_are_kept(folder: Path) -> None:
    config, facts = checkpoint.read_config(folder)
    assert facts == {"machine": "this one"}
    assert config == network().config


@pytest.mark.parametrize("steps", [1.5, 3])
def test_the_arrival_threshold_is_told(tmp_path: Path, steps: float) -> None:
    checkpoint.save(network(), tmp_path, "", {"arrived_below": steps})
    assert checkpoint.arrived_below(tmp_path) == steps


@pytest.mark.parametrize(
    "facts",
    [{}, *({"arrived_below": value} for value in ("soon", None, True, 0, -2.0, math.nan, math.inf, 10**400, [1.5]))],
    ids=lambda facts: str(facts)[:30],
)
def test_a_base_without_a_usable_arrival_threshold_is_refused(tmp_path: Path, facts: dict[str, Any]) -> None:
    checkpoint.save(network(), tmp_path, "", facts)
    with pytest.raises(CheckpointError, match="does not say below how many steps-to-go a goal is reached"):
        checkpoint.arrived_below(tmp_path)


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("hashing", [TemporalHashing(), TemporalHashing(54, 6, 9, "mirrored")])
def test_a_config_survives_json(name: str, hashing: TemporalHashing) -> None:
    config = replace(preset(name, spec(cameras=2)), hashing=hashing)
    assert Act2GoalConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="did you mean micro"):
        preset("mikro", spec())


def test_cameras_of_two_sizes_make_no_policy() -> None:
    with pytest.raises(CheckpointError, match="one size"):
        preset("micro", replace(spec(), cameras={"a": (32, 32), "b": (64, 64)}))


# -- hash -----------------------------------------------------------------------------------------------------------------


def test_the_hash_is_of_the_contents_alone(folder: Path, tmp_path: Path) -> None:
    before = checkpoint.fingerprint(folder)
    assert len(before) == 16
    assert checkpoint.save(network(seed=3), tmp_path / "other", "# other card\n", {"machine": "another"}) == before
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()), sort_keys=True))  # the same, laid out otherwise
    assert checkpoint.fingerprint(folder) == before


@pytest.mark.parametrize("place", [0.0, 0.5, 0.999])
def test_the_hash_changes_when_a_byte_of_the_weights_changes(folder: Path, place: float) -> None:
    before = checkpoint.fingerprint(folder)
    path = folder / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[int(place * len(data))] ^= 1
    path.write_bytes(data)
    assert checkpoint.fingerprint(folder) != before


@pytest.mark.parametrize("changed", [{"rate": 5.0}, {"cameras": ["other"]}, {"expert_heads": 1}], ids=str)
def test_the_hash_changes_with_the_shape(folder: Path, changed: dict[str, Any]) -> None:
    before = checkpoint.fingerprint(folder)
    change_config(folder, **changed)
    assert checkpoint.fingerprint(folder) != before


# -- does it fit the robot ------------------------------------------------------------------------------------------------


def test_a_policy_fits_the_robot_that_it_was_made_for() -> None:
    checkpoint.check_fits(network(cameras=2).config, spec(cameras=2))


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"cameras": {"wrist": (32, 32)}}, "cameras"),
        ({"cameras": {"camera0": (32, 32), "camera1": (32, 32)}}, "cameras"),
        ({"cameras": {"camera0": (32, 64)}}, "size of camera camera0"),
        ({"action_names": ("a0", "a1", "a2")}, "actions"),
        ({"action_names": ("a1", "a0", "a2", "a3")}, "actions"),
        ({"proprioception_names": ("p0",)}, "proprioception"),
        ({"rate": 30.0}, "control rate"),
    ],
)
def test_the_first_difference_is_named(changed: dict[str, Any], named: str) -> None:
    with pytest.raises(CheckpointError, match=f"trained with {named} ") as error:
        checkpoint.check_fits(network().config, replace(spec(), **changed))
    assert isinstance(error.value, A2GError)
    everything = replace(spec(actions=2, states=1), **{"rate": 5.0, **changed})
    with pytest.raises(CheckpointError):
        checkpoint.check_fits(network().config, everything)


# -- the base that is shipped -----------------------------------------------------------------------------------------------


def test_the_shipped_base_loads_and_fits_the_default_simulator() -> None:
    model, robot = checkpoint.load(), SimRobot().spec
    checkpoint.check_fits(model.config, robot)
    assert all(value.isfinite().all() for value in model.state_dict().values())
    given = plan_inputs(model, 2)
    actions = model.act(*given, 5)
    assert actions.shape == (2, model.config.hashing.proximal, len(robot.action_names))
    assert actions.isfinite().all()
    assert 0 < checkpoint.arrived_below(checkpoint.SHIPPED) < 10


def test_the_shipped_base_is_small_and_holds_no_pickle() -> None:
    files = [path for path in checkpoint.SHIPPED.rglob("*") if not path.is_dir()]
    weights = ["home.safetensors", "model.safetensors", "movements.safetensors", "retention.safetensors"]
    assert sorted(path.name for path in files) == ["README.md", "config.json", *weights]
    assert sum(path.stat().st_size for path in files) < 25_000_000
    for path in files:
        # A pickle begins with its protocol, what torch.save writes with PK.
        assert not path.read_bytes().startswith((b"\x80", b"PK")), path.name
    assert {value.dtype for value in load_file(checkpoint.SHIPPED / "model.safetensors").values()} == {torch.float16}


HEAVY = ("torch._dynamo", "torch._inductor", "sympy", "peft", "diffusers", "transformers", "matplotlib", "scipy")
"""Seconds to import, and nothing that acting needs."""


def test_a_policy_is_loaded_without_what_only_training_needs(folder: Path) -> None:
    lines = [
        "import sys",
        "from pathlib import Path",
        "from a2g_cli.adapters import registry",
        "from a2g_cli.models import checkpoint",
        "from a2g_cli.policies import act2goal",
        f"act2goal.Act2GoalPolicy(checkpoint.load(Path({str(folder)!r})))",
        f"print([name for name in {HEAVY!r} if name in sys.modules])",
    ]
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
