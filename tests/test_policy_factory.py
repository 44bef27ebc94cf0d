import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from policy_examples import Quiet, encoded, goal, network, observation, spec

from a2g_cli.adapters import files
from a2g_cli.adapters.registry import AdapterRegistry
from a2g_cli.core.errors import CheckpointError, UnknownNameError
from a2g_cli.core.workspace import Workspace
from a2g_cli.models import checkpoint
from a2g_cli.policies.acting import ActingSettings
from a2g_cli.policies.base import PlanRequest, Policy
from a2g_cli.runtime.policy_factory import PolicyFactory
from a2g_cli.training.finetune import FinetuneSettings, finetune

ROBOT = spec()


@pytest.fixture(scope="module")
def factory(tmp_path_factory: pytest.TempPathFactory) -> PolicyFactory:
    """A base and one adapter, ``one``, as a workspace has them."""
    root = tmp_path_factory.mktemp("workspace")
    base = checkpoint.save(network(), root / "base", "", {})
    registry, model = AdapterRegistry(Workspace(root)), checkpoint.load(root / "base")
    settings = FinetuneSettings(iterations=5, batch=8, rank=2, lr=0.02)
    finetune(model, base, None, encoded(model), registry.new_folder("one"), settings, Quiet())
    return PolicyFactory(root / "base", registry, ROBOT)


def chunk(policy: Policy) -> np.ndarray:
    return policy.plan([PlanRequest(observation(ROBOT), goal(ROBOT), 3, 0)])[0].chunk


def test_names_stand_for_floors_the_base_and_adapters(factory: PolicyFactory) -> None:
    assert [factory.get(name).name for name in ("random", "still", "base", "one")] == [
        "random",
        "still",
        "act2goal",
        "act2goal",
    ]
    assert not np.allclose(chunk(factory.get("base")), chunk(factory.get("one")))


def test_every_player_is_made_afresh(factory: PolicyFactory) -> None:
    before = chunk(factory.get("base"))
    factory.get("one")  # applied to its own copy of the base
    assert np.array_equal(chunk(factory.get("base")), before)


def test_settings_reach_the_policy(factory: PolicyFactory) -> None:
    short = PolicyFactory(factory.folder, factory.registry, ROBOT, ActingSettings(n_action_steps=2))
    assert len(chunk(short.get("base"))) == 2


def test_an_unknown_adapter_is_refused_with_the_nearest(factory: PolicyFactory) -> None:
    with pytest.raises(UnknownNameError, match="did you mean one"):
        factory.get("onne")


@pytest.mark.parametrize("name", ["still", "base"])
def test_a_base_that_is_not_there_is_refused_whoever_acts(tmp_path: Path, name: str) -> None:
    factory = PolicyFactory(tmp_path / "nowhere", AdapterRegistry(Workspace(tmp_path)), ROBOT)
    with pytest.raises(CheckpointError, match="holds no checkpoint"):
        factory.get(name)


def test_a_base_that_does_not_fit_the_robot_is_refused(factory: PolicyFactory) -> None:
    with pytest.raises(CheckpointError, match="actions"):
        PolicyFactory(factory.folder, factory.registry, replace(ROBOT, action_names=("x",))).get("base")


def test_an_adapter_of_another_base_is_refused(factory: PolicyFactory, tmp_path: Path) -> None:
    checkpoint.save(network(seed=9), tmp_path / "base", "", {})
    other = PolicyFactory(tmp_path / "base", factory.registry, ROBOT)
    with pytest.raises(CheckpointError, match="was trained on base"):
        other.get("one")
    assert other.base_hash() != factory.base_hash()


def test_the_lineage_names_the_base_that_plays(factory: PolicyFactory) -> None:
    lineage = json.loads((factory.registry.folder / "one" / files.LINEAGE).read_text())
    assert lineage["base"] == factory.base_hash()
