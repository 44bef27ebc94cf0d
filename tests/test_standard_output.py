"""Standard output holds what a command returns and nothing else, whoever prints beside it and however."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from cli_examples import a2g, ask
from gym_shapes import NOISE
from processes import Forked

import a2g_cli

ROBOT = ("--robot", "gym:gym_shapes:Shapes-v0")
PATIENCE = 90.0
"""[s]; a slow machine starts a process in several."""
PATH = os.pathsep.join([str(Path(a2g_cli.__file__).parents[1]), str(Path(__file__).parent)])


def start(*words: object) -> "subprocess.CompletedProcess[str]":
    """Run ``python -m a2g_cli words...`` as a person does."""
    command = [sys.executable, "-m", "a2g_cli", *map(str, words)]
    environment = {**os.environ, "PYTHONPATH": PATH, "COLUMNS": "80"}
    return subprocess.run(
        command, capture_output=True, text=True, env=environment, check=False, stdin=subprocess.DEVNULL
    )


def fork(*words: object, stdout: int | None = None) -> "subprocess.CompletedProcess[str]":
    """Run the same in a process that need not wait for imports."""
    environment = {"PYTHONPATH": PATH, "COLUMNS": "80"}
    with Forked(*words, env=environment, stdout=stdout, imports=("gymnasium",)) as process:
        out, err = process.communicate(PATIENCE)
    return subprocess.CompletedProcess(process.args, process.returncode or 0, out, err)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A workspace whose robot prints in every way there is."""
    fork("init", *ROBOT, "--set", "options.kind=noisy", "--yes", "--workspace", tmp_path)
    return tmp_path


def test_whatever_prints_the_document_is_alone(workspace: Path) -> None:
    done = start("capture-goal", "cup", "--force", "--json", "--workspace", workspace)
    assert json.loads(done.stdout)["goal"] == "cup", done.stderr
    assert done.returncode == 0
    for noise in NOISE:
        assert noise in done.stderr


def test_the_document_of_an_error_is_alone_too(workspace: Path) -> None:
    words = ("--set", "options.kind=noisy", "--set", "camera=['imgae']", "--yes", "--overwrite")
    fork("init", *ROBOT, *words, "--workspace", workspace)
    done = fork("capture-goal", "cup", "--json", "--workspace", workspace)
    assert json.loads(done.stdout)["error"]["exit_code"] == done.returncode == 2
    for noise in NOISE:
        assert noise in done.stderr


def test_lines_for_a_person_are_alone_in_a_file(workspace: Path) -> None:
    with (workspace / "said").open("w") as said:
        done = fork("capture-goal", "cup", "--force", "--workspace", workspace, stdout=said.fileno())
    text = (workspace / "said").read_text()
    assert "saved in" in text
    assert not [noise for noise in NOISE if noise in text]
    assert all(noise in done.stderr for noise in NOISE)


def test_a_terminal_still_shows_tables_in_its_colours_and_nothing_else(workspace: Path) -> None:
    fork("capture-goal", "cup", "--force", "--workspace", workspace)
    ours, theirs = pty.openpty()
    try:
        done = fork("goals", "list", "--workspace", workspace, stdout=theirs)
        shown = os.read(ours, 65536).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == 0
    assert "GOAL" in shown
    assert "cup" in shown
    assert not done.stderr


def test_help_is_still_printed_to_it() -> None:
    done = start("--help")
    assert "capture-goal" in done.stdout
    assert not done.stderr


def test_called_in_a_process_of_somebody_elses_python_prints_aside_and_all_is_put_back(
    workspace: Path,
) -> None:
    ask(workspace, "init", *ROBOT, "--set", "options.kind=printing", "--yes", "--overwrite")
    before, descriptor = sys.stdout, os.fstat(1)
    said = a2g(workspace, "capture-goal", "cup", "--force", "--json")
    assert json.loads(said.stdout)["goal"] == "cup"
    assert NOISE[0] in said.stderr
    assert NOISE[1] in said.stderr
    assert sys.stdout is before
    assert os.path.samestat(os.fstat(1), descriptor)


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_a_stream_that_is_closed_is_nothing_to_fail_of(closed: str, workspace: Path) -> None:
    words = f"{sys.executable} -m a2g_cli capture-goal cup --force --json --workspace {workspace} {closed}"
    done = subprocess.run(
        ["sh", "-c", words], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": PATH}, check=False
    )
    assert done.returncode == 0
    assert (workspace / "recordings" / "goals" / "cup" / "goal.json").exists()
    if ">&-" in closed.split():
        assert not done.stdout
    else:
        assert json.loads(done.stdout)["goal"] == "cup"


CHILD = """
import os
from a2g_cli.simulator import gl_check
def draw():
    print("by print")
    os.write(1, b"by os.write")
    return {"milliseconds": 1}
gl_check._draw = draw
gl_check.main()
"""


def test_a_child_process_of_a2gs_answers_with_its_document_alone() -> None:
    done = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {"milliseconds": 1}
    assert "by os.write" in done.stderr
