import json
import os
from pathlib import Path

import pytest

from a2g_cli.adapters.registry import RESERVED, AdapterRegistry
from a2g_cli.core.errors import A2GError, CheckpointError, UnknownNameError, UsageError
from a2g_cli.core.workspace import Workspace


@pytest.fixture
def shelf(tmp_path: Path) -> AdapterRegistry:
    return AdapterRegistry(Workspace(tmp_path))


def put(shelf: AdapterRegistry, name: str, age: int = 0) -> None:
    """A folder that passes for an adapter's; the older, the higher ``age`` [s]."""
    folder = shelf.folder / name
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 4, "lora_alpha": 8}))
    (folder / "lineage.json").write_text(json.dumps({"base": "abc"}))
    os.utime(folder, (1_000_000 - age, 1_000_000 - age))


def test_an_empty_workspace_has_no_adapter_and_nothing_is_made_by_looking(shelf: AdapterRegistry) -> None:
    assert shelf.names() == []
    assert shelf.active() == "none"
    assert shelf.fresh_name() == "adapter-001"
    with pytest.raises(UnknownNameError):
        shelf.get("adapter-001")
    assert not shelf.folder.exists()


def test_adapters_are_listed_oldest_first(shelf: AdapterRegistry) -> None:
    for name, age in (("b", 5), ("a", 1), ("c", 9)):
        put(shelf, name, age)
    assert shelf.names() == ["c", "b", "a"]


def test_folders_that_hold_no_adapter_and_unfinished_ones_are_not_listed(shelf: AdapterRegistry) -> None:
    put(shelf, "adapter-001")
    put(shelf, ".adapter-002.tmp")  # a killed process's
    (shelf.folder / "notes").mkdir()
    (shelf.folder / "README.md").write_text("what this is")
    assert shelf.names() == ["adapter-001"]


def test_get_reads_it(shelf: AdapterRegistry) -> None:
    put(shelf, "mine")
    assert shelf.get("mine").name == "mine"
    assert shelf.get("mine").rank == 4


@pytest.mark.parametrize("name", ["adapter-01", "none-such", "randm"])
def test_an_unknown_name_is_refused_with_the_nearest(shelf: AdapterRegistry, name: str) -> None:
    put(shelf, "adapter-001")
    near = {"adapter-01": "adapter-001", "none-such": "none", "randm": "random"}[name]
    with pytest.raises(UnknownNameError, match=near):
        shelf.get(name)


@pytest.mark.parametrize("name", ["../mine", "/etc", "a/b", "", ".hidden", "a" * 81, ".."])
def test_no_name_leaves_the_workspace(shelf: AdapterRegistry, name: str) -> None:
    for ask in (shelf.get, shelf.new_folder, shelf.promote):
        with pytest.raises(UsageError):
            ask(name)


def test_a_fresh_name_is_free(shelf: AdapterRegistry) -> None:
    put(shelf, "adapter-007")
    put(shelf, "by-hand")
    assert shelf.fresh_name() == "adapter-008"
    shelf.new_folder("adapter-008").mkdir()  # damaged: it lacks every file, and is still in the way
    assert shelf.new_folder(shelf.fresh_name()) == shelf.folder / "adapter-009"
    (shelf.folder / "adapter-²").mkdir()
    assert shelf.fresh_name() == "adapter-009"


@pytest.mark.parametrize("name", RESERVED)
def test_reserved_names_stay_what_they_are(shelf: AdapterRegistry, name: str) -> None:
    with pytest.raises(UsageError, match="cannot name an adapter"):
        shelf.new_folder(name)


def test_a_taken_name_is_refused(shelf: AdapterRegistry) -> None:
    put(shelf, "mine")
    with pytest.raises(UsageError, match="exists already"):
        shelf.new_folder("mine")


def test_promotions_can_be_undone_one_by_one(shelf: AdapterRegistry) -> None:
    for name in ("one", "two"):
        put(shelf, name)
    for name in ("one", "two", "none", "two"):
        shelf.promote(name)
        assert shelf.active() == name
    assert [shelf.roll_back() for _ in range(4)] == [("two", "none"), ("none", "two"), ("two", "one"), ("one", "none")]
    with pytest.raises(UsageError, match="nothing to roll back"):
        shelf.roll_back()
    assert shelf.active() == "none"


def test_promoting_twice_is_promoting_once(shelf: AdapterRegistry) -> None:
    put(shelf, "one")
    shelf.promote("one")
    shelf.promote("one")
    assert shelf.roll_back() == ("one", "none")


def test_what_does_not_exist_cannot_be_promoted(shelf: AdapterRegistry) -> None:
    put(shelf, "one")
    with pytest.raises(UnknownNameError):
        shelf.promote("two")
    assert shelf.active() == "none"


def test_promotions_survive_the_process_and_leave_no_litter(shelf: AdapterRegistry, tmp_path: Path) -> None:
    put(shelf, "one")
    shelf.promote("one")
    assert AdapterRegistry(Workspace(tmp_path)).active() == "one"
    assert sorted(path.name for path in shelf.folder.iterdir()) == ["active.json", "one"]


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"history": 5}', '{"history": "one"}', '{"history": [1]}', "[" * 200_000],
    ids=range(8),
)
def test_a_damaged_history_is_an_error_that_says_what_to_do(shelf: AdapterRegistry, text: str) -> None:
    put(shelf, "one")
    (shelf.folder / "active.json").write_text(text)
    for ask in (shelf.active, shelf.roll_back, lambda: shelf.promote("one")):
        with pytest.raises(CheckpointError, match="remove it"):
            ask()
    assert issubclass(CheckpointError, A2GError)
