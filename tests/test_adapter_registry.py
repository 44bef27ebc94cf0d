import json
import os
from pathlib import Path

import pytest

from a2g_cli.adapters.registry import RESERVED, AdapterRegistry
from a2g_cli.core.errors import A2GError, CheckpointError, UnknownNameError, UsageError
from a2g_cli.core.workspace import Workspace


@pytest.fixture
def registry(tmp_path: Path) -> AdapterRegistry:
    return AdapterRegistry(Workspace(tmp_path))


def put(registry: AdapterRegistry, name: str, age: int = 0) -> None:
    """A folder that passes for an adapter's; the older, the higher ``age`` [s]."""
    folder = registry.folder / name
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 4, "lora_alpha": 8}))
    (folder / "lineage.json").write_text(json.dumps({"base": "abc"}))
    os.utime(folder, (1_000_000 - age, 1_000_000 - age))


def test_an_empty_workspace_has_no_adapter_and_nothing_is_made_by_looking(registry: AdapterRegistry) -> None:
    assert registry.names() == []
    assert registry.active() == "base"
    assert registry.fresh_name() == "adapter-001"
    with pytest.raises(UnknownNameError):
        registry.get("adapter-001")
    assert not registry.folder.exists()


def test_adapters_are_listed_oldest_first(registry: AdapterRegistry) -> None:
    for name, age in (("b", 5), ("a", 1), ("c", 9)):
        put(registry, name, age)
    assert registry.names() == ["c", "b", "a"]


def test_folders_that_hold_no_adapter_and_unfinished_ones_are_not_listed(registry: AdapterRegistry) -> None:
    put(registry, "adapter-001")
    put(registry, ".adapter-002.tmp")  # a killed process's
    (registry.folder / "notes").mkdir()
    (registry.folder / "README.md").write_text("what this is")
    assert registry.names() == ["adapter-001"]


def test_get_reads_it(registry: AdapterRegistry) -> None:
    put(registry, "mine")
    assert registry.get("mine").name == "mine"
    assert registry.get("mine").rank == 4


@pytest.mark.parametrize("name", ["adapter-01", "base-such", "randm"])
def test_an_unknown_name_is_refused_with_the_nearest(registry: AdapterRegistry, name: str) -> None:
    put(registry, "adapter-001")
    near = {"adapter-01": "adapter-001", "base-such": "base", "randm": "random"}[name]
    with pytest.raises(UnknownNameError, match=near):
        registry.get(name)


@pytest.mark.parametrize("name", ["../mine", "/etc", "a/b", "", ".hidden", "a" * 81, ".."])
def test_no_name_leaves_the_workspace(registry: AdapterRegistry, name: str) -> None:
    for ask in (registry.get, registry.new_folder, registry.promote):
        with pytest.raises(UsageError):
            ask(name)


def test_a_fresh_name_is_free(registry: AdapterRegistry) -> None:
    put(registry, "adapter-007")
    put(registry, "by-hand")
    assert registry.fresh_name() == "adapter-008"
    registry.new_folder("adapter-008").mkdir()  # damaged: it lacks every file, and is still in the way
    assert registry.new_folder(registry.fresh_name()) == registry.folder / "adapter-009"
    (registry.folder / "adapter-²").mkdir()
    assert registry.fresh_name() == "adapter-009"


@pytest.mark.parametrize("name", RESERVED)
def test_reserved_names_stay_what_they_are(registry: AdapterRegistry, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name of an adapter"):
        registry.new_folder(name)


def test_a_taken_name_is_refused(registry: AdapterRegistry) -> None:
    put(registry, "mine")
    with pytest.raises(UsageError, match="exists already"):
        registry.new_folder("mine")


def test_promotions_can_be_undone_one_by_one(registry: AdapterRegistry) -> None:
    for name in ("one", "two"):
        put(registry, name)
    for name in ("one", "two", "base", "two"):
        registry.promote(name)
        assert registry.active() == name
    assert [registry.roll_back() for _ in range(4)] == [
        ("two", "base"),
        ("base", "two"),
        ("two", "one"),
        ("one", "base"),
    ]
    with pytest.raises(UsageError, match="nothing to roll back"):
        registry.roll_back()
    assert registry.active() == "base"


def test_promoting_twice_is_promoting_once(registry: AdapterRegistry) -> None:
    put(registry, "one")
    registry.promote("one")
    registry.promote("one")
    assert registry.roll_back() == ("one", "base")


def test_what_does_not_exist_cannot_be_promoted(registry: AdapterRegistry) -> None:
    put(registry, "one")
    with pytest.raises(UnknownNameError):
        registry.promote("two")
    assert registry.active() == "base"


def test_promotions_survive_the_process_and_leave_no_litter(registry: AdapterRegistry, tmp_path: Path) -> None:
    put(registry, "one")
    registry.promote("one")
    assert AdapterRegistry(Workspace(tmp_path)).active() == "one"
    assert sorted(path.name for path in registry.folder.iterdir()) == ["active.json", "one"]


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"history": 5}', '{"history": "one"}', '{"history": [1]}', "[" * 200_000],
    ids=range(8),
)
def test_a_damaged_history_is_an_error_that_says_what_to_do(registry: AdapterRegistry, text: str) -> None:
    put(registry, "one")
    (registry.folder / "active.json").write_text(text)
    for ask in (registry.active, registry.roll_back, lambda: registry.promote("one")):
        with pytest.raises(CheckpointError, match="remove it"):
            ask()
    assert issubclass(CheckpointError, A2GError)


def test_version_0_1_called_the_base_none(registry: AdapterRegistry) -> None:
    put(registry, "one")
    (registry.folder / "active.json").write_text(json.dumps({"history": ["one", "none"]}))
    assert registry.active() == "base"
    assert registry.promote("one", instead_of="base") == "one"
    with pytest.raises(UsageError, match="always means the base policy"):
        registry.new_folder("none")


def test_an_adapter_that_version_0_1_called_base_is_not_taken_for_the_base(registry: AdapterRegistry) -> None:
    put(registry, "base")
    (registry.folder / "active.json").write_text(json.dumps({"history": ["base"]}))
    with pytest.raises(CheckpointError, match="rename the folder"):
        registry.active()
