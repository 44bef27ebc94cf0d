"""Two programs on one workspace: real processes, as they are typed side by side."""

import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest
from cli_examples import a2g, ask, refused, shelve
from exchange_examples import robomimic_file
from processes import TRAINING, Forked

from a2g_cli.adapters.registry import AdapterRegistry
from a2g_cli.core.errors import BusyError, SessionExistsError
from a2g_cli.core.locks import holder, locked
from a2g_cli.core.workspace import Workspace
from a2g_cli.data.formats.building import being_built
from a2g_cli.data.formats.importing import bring_in
from a2g_cli.data.formats.registry import detect
from a2g_cli.data.recording.reader import Recording

PROMOTERS = """
import os, random, sys, time
from pathlib import Path
from a2g_cli.adapters.registry import AdapterRegistry
from a2g_cli.core.workspace import Workspace
registry, how = AdapterRegistry(Workspace(Path(sys.argv[1]))), sys.argv[2]
children = []
for number in range(4):
    child = os.fork()
    if child == 0:
        try:
            names = [name for name in registry.names() if name.startswith(f"{number}-")]
            while names:
                for name in names:
                    assert registry.promote(name) == name
                    registry.active()
                if how == "once":
                    os._exit(0)
        finally:
            os._exit(1)
    children.append(child)
if how == "killed":
    chance = random.Random(0)
    for child in children:
        time.sleep(chance.uniform(0.01, 0.06))
        os.kill(child, 9)
print([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])
"""


def promoters(workspace: Path, how: str) -> list[int]:
    (workspace / "promoters.py").write_text(PROMOTERS)
    path = os.pathsep.join([str(workspace), *sys.path])
    with Forked(workspace, how, module="promoters", env={"PYTHONPATH": path}) as process:
        said, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    codes: list[int] = json.loads(said)
    return codes


def test_no_promotion_is_lost_and_none_is_seen_half(tmp_path: Path) -> None:
    names = [f"{process}-{number}" for process in range(4) for number in range(12)]
    for name in names:
        shelve(tmp_path, name)
    assert promoters(tmp_path, "once") == [0, 0, 0, 0]
    history = json.loads((tmp_path / "adapters" / "active.json").read_text())["history"]
    assert sorted(history) == sorted(names)
    assert not [path for path in (tmp_path / "adapters").iterdir() if path.name.endswith((".lock", ".tmp"))]


def test_a_killed_promotion_leaves_the_old_or_the_new_and_no_lock(tmp_path: Path) -> None:
    names = [f"{process}-{number}" for process in range(4) for number in range(2)]
    for name in names:
        shelve(tmp_path, name)
    for _ in range(3):
        assert promoters(tmp_path, "killed") == [-signal.SIGKILL] * 4
        registry = AdapterRegistry(Workspace(tmp_path))
        assert registry.active() in {*names, "base"}
        assert holder(registry.folder / ".active.lock") is None
        assert ask(tmp_path, "adapters", "promote", "0-0")["active"] == "0-0"


def test_a_promotion_in_place_of_what_is_no_longer_active_is_left_undone(tmp_path: Path) -> None:
    for name in ("a1", "a2"):
        shelve(tmp_path, name)
    registry = AdapterRegistry(Workspace(tmp_path))
    assert registry.promote("a1", instead_of="base") == "a1"
    assert registry.promote("a2", instead_of="base") == "a1"
    assert registry.active() == "a1"
    assert registry.promote("a2", instead_of="a1") == "a2"


def test_two_that_make_adapters_get_two_names(tmp_path: Path) -> None:
    one, other = AdapterRegistry(Workspace(tmp_path)), AdapterRegistry(Workspace(tmp_path))
    with one.creating() as first:
        with other.creating() as second:
            assert (first.name, second.name) == ("adapter-001", "adapter-002")
        with pytest.raises(Exception, match="the creation of adapter-001"), other.creating("adapter-001"):
            pass
    (tmp_path / "adapters" / ".adapter-001.lock").write_text("what a killed program left")
    with one.creating() as again:
        assert again.name == "adapter-001"


@pytest.fixture(scope="module")
def base(unskilled: Path) -> Path:
    """A base, which is read by several programs."""
    return unskilled


@pytest.fixture
def workspace(tmp_path: Path, base: Path) -> Path:
    ask(tmp_path, "capture-goal", "cup", "--seed", 3)
    ask(tmp_path, "run", "cup", "--episodes", 3, "--steps", 6, "--adapter", "random", "--session", "first", code=5)
    return tmp_path


def begin(workspace: Path, *words: object) -> Forked:
    return Forked(
        *words, "--json", "--workspace", workspace, imports=TRAINING if {"adapt", "pretrain"} & set(words) else ()
    )


def test_run_and_two_adapts_and_a_promotion_side_by_side(workspace: Path, base: Path) -> None:
    shelve(workspace, "mine")
    adapting = ("adapt", "first", "--keep", "all", "--iterations", 1, "--rank", 2, "--parent", "base", "--base", base)
    running = ("run", "cup", "--episodes", 6, "--steps", 6, "--base", base, "--adapter", "base", "--session", "second")
    processes = [begin(workspace, *words) for words in (adapting, adapting, running)]
    ask(workspace, "adapters", "promote", "mine")  # while all of them start
    said = [process.communicate(timeout=900) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 5], [errors for _, errors in said]
    one, other, run = (json.loads(out) for out, _ in said)
    assert {one["adapter"], other["adapter"]} == {"adapter-001", "adapter-002"}
    registry = AdapterRegistry(Workspace(workspace))
    for made in (one, other):
        assert (registry.get(made["adapter"]).lineage["parent"] or "base") == made["parent"]
    assert sum(made["promoted"] for made in (one, other)) <= 1, "the second was not held against the first"
    promoted = [made["adapter"] for made in (one, other) if made["promoted"]]
    assert registry.active() in {"mine", *promoted}
    assert run["episodes"] == 6
    for done in run["recordings"]:
        with Recording(Path(done["path"])) as recording:
            assert recording.provenance.adapter_name == "base"
    assert ask(workspace, "recordings", "verify", "first", "second")["damaged"] == 0


def test_a_killed_run_and_a_killed_adapt_leave_a_workspace_that_goes_on(workspace: Path, base: Path) -> None:
    words = ("run", "cup", "--episodes", 500, "--steps", 40, "--adapter", "random", "--session", "killed")
    run = begin(workspace, *words)
    folder = workspace / "recordings" / "sessions" / "killed"
    until = time.monotonic() + 600
    while len(list(folder.glob("*.hdf5"))) < 3 and time.monotonic() < until:
        time.sleep(0.01)
    learning = ("--name", "lost", "--keep", "all", "--calibrate", "off", "--base", base)
    adapt = begin(workspace, "adapt", "first", *learning, "--iterations", 100_000)
    lock = workspace / "adapters" / ".lost.lock"
    while holder(lock) is None and time.monotonic() < until:
        time.sleep(0.01)
    for process in (run, adapt):
        process.kill()
        said = process.communicate()
        assert process.returncode == -signal.SIGKILL, said
    listed = ask(workspace, "recordings", "list", "killed")
    assert len(listed["recordings"]) >= 3
    assert ask(workspace, "recordings", "verify", "killed")["damaged"] == 0
    # Killed within an episode's first step, there is nothing of it to repair: that is said, and a person may remove the file.
    for one in json.loads(a2g(workspace, "recordings", "repair", "--json").stdout)["failed"]:
        assert "no complete step" in one["problem"]
        Path(one["path"]).unlink()
    assert ask(workspace, "recordings", "list", "killed")["unfinished"] == []
    assert lock.exists()
    assert ask(workspace, "adapt", "first", *learning, "--iterations", 2, "--rank", 2)["adapter"] == "lost"
    assert not lock.exists()


def test_two_trainings_on_one_data_set_share_its_import(tmp_path: Path) -> None:
    data = robomimic_file(tmp_path / "lift.hdf5", lengths=(8, 7) * 6)
    quick = ("--preset", "micro", "--iterations", 4, "--batch", 4, "--autoencoder-iterations", 2, "--held-out", 0)
    words = [("pretrain", data, *quick, "--seed", seed, "--out", tmp_path / f"run-{seed}") for seed in (1, 2)]
    sessions = tmp_path / "recordings" / "sessions"
    sessions.mkdir(parents=True)
    (sessions / ".killed.importing").mkdir()  # what a killed import into another name left
    processes = [begin(tmp_path, *one) for one in words]
    said = [process.communicate(timeout=900) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], [errors for _, errors in said]
    documents = [json.loads(out) for out, _ in said]
    assert documents[0]["data"] == documents[1]["data"]
    (session,) = documents[0]["data"]
    assert documents[0]["data"][session] == 12
    assert [path.name for path in sessions.iterdir()] == [session], "no leftover, no lock"
    assert ask(tmp_path, "recordings", "verify", session)["damaged"] == 0


def test_an_import_that_goes_on_keeps_its_folder_and_a_killed_one_leaves_it_to_the_next(tmp_path: Path) -> None:
    workspace, data = Workspace(tmp_path), robomimic_file(tmp_path / "lift.hdf5")
    with being_built(workspace, "lift", 0.0) as building:
        (building / "episode-0000.hdf5").write_text("half")
        with pytest.raises(BusyError, match=r"the import into lift \(process"):
            bring_in(workspace, data, detect(data), "lift", patience=0.0)
        assert bring_in(workspace, data, detect(data), "other").episodes == 2
        assert (building / "episode-0000.hdf5").read_text() == "half"
    killed = workspace.sessions / ".lift.importing"
    killed.mkdir()
    (killed / "episode-0000.hdf5").write_text("half")
    assert bring_in(workspace, data, detect(data), "lift").episodes == 2
    with pytest.raises(SessionExistsError, match="exists: choose another"):
        bring_in(workspace, data, detect(data), "lift")
    assert sorted(path.name for path in workspace.sessions.iterdir()) == ["lift", "other"]


def test_two_trainings_into_one_folder_are_one_and_a_line(tmp_path: Path) -> None:
    data, out = robomimic_file(tmp_path / "lift.hdf5"), tmp_path / "run"
    words = ("pretrain", data, "--preset", "micro", "--iterations", 4, "--batch", 4, "--autoencoder-iterations", 2)
    out.mkdir()
    with locked(out / ".lock", "another training"):
        assert "is locked by another training" in refused(tmp_path, *words, "--out", out, code=1)
    assert ask(tmp_path, *words, "--out", out)["recordings"] == 2
