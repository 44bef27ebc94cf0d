"""Two programs on one workspace: real processes, as they are typed side by side."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli_examples import a2g, ask, shelve

from a2g_cli.lock import holder
from a2g_cli.policy.shelf import Shelf
from a2g_cli.recording.reader import Recording
from a2g_cli.workspace import Workspace

PROMOTERS = """
import os, random, sys, time
from pathlib import Path
from a2g_cli.policy.shelf import Shelf
from a2g_cli.workspace import Workspace
shelf, how = Shelf(Workspace(Path(sys.argv[1]))), sys.argv[2]
children = []
for number in range(4):
    child = os.fork()
    if child == 0:
        try:
            names = [name for name in shelf.names() if name.startswith(f"{number}-")]
            while names:
                for name in names:
                    assert shelf.promote(name) == name
                    shelf.active()
                if how == "once":
                    os._exit(0)
        finally:
            os._exit(1)
    children.append(child)
if how == "killed":
    chance = random.Random(0)
    for child in children:
        time.sleep(chance.uniform(0.01, 0.15))
        os.kill(child, 9)
print([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])
"""


def promoters(workspace: Path, how: str) -> list[int]:
    command = [sys.executable, "-c", PROMOTERS, str(workspace), how]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    codes: list[int] = json.loads(done.stdout)
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
    for _ in range(5):
        assert promoters(tmp_path, "killed") == [-signal.SIGKILL] * 4
        shelf = Shelf(Workspace(tmp_path))
        assert shelf.active() in {*names, "none"}
        assert holder(shelf.folder / ".active.lock") is None
        assert ask(tmp_path, "adapters", "promote", "0-0")["active"] == "0-0"


def test_a_promotion_in_place_of_what_is_no_longer_active_is_left_undone(tmp_path: Path) -> None:
    for name in ("a1", "a2"):
        shelve(tmp_path, name)
    shelf = Shelf(Workspace(tmp_path))
    assert shelf.promote("a1", instead_of="none") == "a1"
    assert shelf.promote("a2", instead_of="none") == "a1"
    assert shelf.active() == "a1"
    assert shelf.promote("a2", instead_of="a1") == "a2"


def test_two_that_make_adapters_get_two_names(tmp_path: Path) -> None:
    one, other = Shelf(Workspace(tmp_path)), Shelf(Workspace(tmp_path))
    with one.making() as first:
        with other.making() as second:
            assert (first.name, second.name) == ("adapter-001", "adapter-002")
        with pytest.raises(Exception, match="the making of adapter-001"), other.making("adapter-001"):
            pass
    (tmp_path / "adapters" / ".adapter-001.lock").write_text("what a killed program left")
    with one.making() as again:
        assert again.name == "adapter-001"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    words = ("--scene", "place", "--demonstrations", 4, "--preset", "micro", "--iterations", 4, "--batch", 4)
    made = ask(folder, "pretrain", *words, "--autoencoder-iterations", 2, "--out", folder / "run")
    return Path(made["checkpoint"])


@pytest.fixture
def workspace(tmp_path: Path, base: Path) -> Path:
    ask(tmp_path, "capture-goal", "cup", "--seed", 3)
    ask(tmp_path, "run", "cup", "--episodes", 3, "--steps", 6, "--adapter", "random", "--session", "first", code=5)
    return tmp_path


def begin(workspace: Path, *words: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "a2g_cli", *map(str, words), "--json", "--workspace", str(workspace)]
    alone = {**os.environ, "OMP_NUM_THREADS": "1"}  # several at once on few cores
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=alone)


def test_run_and_two_adapts_and_a_promotion_side_by_side(workspace: Path, base: Path) -> None:
    shelve(workspace, "mine")
    adapting = ("adapt", "first", "--keep", "all", "--iterations", 3, "--rank", 2, "--parent", "none", "--base", base)
    running = ("run", "cup", "--episodes", 6, "--steps", 6, "--base", base, "--adapter", "none", "--session", "second")
    processes = [begin(workspace, *words) for words in (adapting, adapting, running)]
    ask(workspace, "adapters", "promote", "mine")  # while all of them start
    said = [process.communicate(timeout=900) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 5], [errors for _, errors in said]
    one, other, run = (json.loads(out) for out, _ in said)
    assert {one["adapter"], other["adapter"]} == {"adapter-001", "adapter-002"}
    shelf = Shelf(Workspace(workspace))
    for made in (one, other):
        assert (shelf.get(made["adapter"]).lineage["parent"] or "none") == made["parent"]
    assert sum(made["promoted"] for made in (one, other)) <= 1, "the second was not held against the first"
    promoted = [made["adapter"] for made in (one, other) if made["promoted"]]
    assert shelf.active() in {"mine", *promoted}
    assert run["episodes"] == 6
    for done in run["recordings"]:
        with Recording(Path(done["path"])) as recording:
            assert recording.provenance.adapter_name == "none"
    assert ask(workspace, "recordings", "verify", "first", "second")["damaged"] == 0


def test_a_killed_run_and_a_killed_adapt_leave_a_workspace_that_goes_on(workspace: Path, base: Path) -> None:
    words = ("run", "cup", "--episodes", 500, "--steps", 40, "--adapter", "random", "--session", "killed")
    run = begin(workspace, *words)
    folder = workspace / "recordings" / "sessions" / "killed"
    until = time.monotonic() + 600
    while len(list(folder.glob("*.hdf5"))) < 3 and time.monotonic() < until:
        time.sleep(0.01)
    adapt = begin(
        workspace, "adapt", "first", "--name", "lost", "--keep", "all", "--iterations", 100_000, "--base", base
    )
    lock = workspace / "adapters" / ".lost.lock"
    while holder(lock) is None and time.monotonic() < until:
        time.sleep(0.01)
    for process in (run, adapt):
        process.kill()
        process.communicate()
    listed = ask(workspace, "recordings", "list", "killed")
    assert len(listed["recordings"]) >= 3
    assert ask(workspace, "recordings", "verify", "killed")["damaged"] == 0
    # Killed within an episode's first step, there is nothing of it to repair: that is said, and a person may remove the file.
    for one in json.loads(a2g(workspace, "recordings", "repair", "--json").stdout)["failed"]:
        assert "no complete step" in one["problem"]
        Path(one["path"]).unlink()
    assert ask(workspace, "recordings", "list", "killed")["unfinished"] == []
    assert lock.exists()
    again = ("adapt", "first", "--name", "lost", "--keep", "all", "--iterations", 2, "--rank", 2, "--base", base)
    assert ask(workspace, *again)["adapter"] == "lost"
    assert not lock.exists()
