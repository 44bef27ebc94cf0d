"""Every command that is printed to be typed is typed, as it is printed, from where the first one was: none is refused."""

import os
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from cli_examples import cut_off, record
from following_examples import follow, printed, typed
from typer.testing import CliRunner, Result

from a2g_cli.cli.app import app
from a2g_cli.cli.commands import demo, prompts
from a2g_cli.core.workspace import Workspace


def stand_behind(words: list[object], workspace: Path) -> Result:
    return typed(*words, "--workspace", workspace)


def stand_before(words: list[object], workspace: Path) -> Result:
    return typed("--workspace", workspace, *words)


def stand_in_the_environment(words: list[object], workspace: Path) -> Result:
    result = CliRunner().invoke(app, list(map(str, words)), env={"A2G_WORKSPACE": str(workspace)})
    assert result.exit_code == 0, result.stderr
    return result


@pytest.mark.parametrize("place", [stand_behind, stand_before, stand_in_the_environment])
@pytest.mark.parametrize("name", ["w", "a w'orkspace [x]"])
def test_a_goal_says_how_to_run_for_it_wherever_the_workspace_stood(
    here: Path, tmp_path: Path, place: Callable[[list[object], Path], Result], name: str
) -> None:
    workspace = tmp_path / name
    said = place(["capture-goal", "cup", "--seed", "3", "--scene", "write", "--shift", "lighting:0.5"], workspace)
    command = printed(said)["next"]
    ran = follow(f"{command} --adapter random", code=5)
    assert [session.parent for session in workspace.glob("recordings/sessions/*")] == [
        workspace / "recordings/sessions"
    ]
    shown = printed(ran)
    follow(shown["watch"])
    assert not list(here.iterdir()), "nothing is made where nobody meant it"
    assert "A2G_WORKSPACE" not in os.environ, "what one command was told is not the next one's"


def test_the_present_folder_needs_no_option(here: Path) -> None:
    assert printed(typed("capture-goal", "cup", "--seed", 3))["next"] == "a2g run cup"
    assert printed(typed("capture-goal", "bowl", "--seed", 3, "--workspace", "."))["next"] == "a2g run bowl"


def test_a_relative_workspace_before_a_command_is_one_behind_it(here: Path) -> None:
    typed("--workspace", "w", "capture-goal", "cup", "--seed", 3)
    assert "cup" in typed("goals", "list", "--workspace", "w").stdout
    assert "cup" in typed("--workspace", "elsewhere", "goals", "list", "--workspace", "w").stdout
    assert "no goals yet" in typed("goals", "list").stdout


def test_a_goal_of_another_scene_is_run_for_in_that_scene(here: Path) -> None:
    typed("capture-goal", "word", "--seed", 3, "--scene", "write")
    command = re.search(r"a2g run .*", typed("goals", "show", "word").stdout)
    assert command is not None
    follow(f"{command[0]} --adapter random", code=5)
    (here / "a2g.toml").write_text('[robot]\ndriver = "sim:write"\n')
    assert re.search(r"a2g run word$", typed("goals", "show", "word").stdout, re.MULTILINE)
    typed("capture-goal", "peg", "--seed", 3, "--robot", "sim:plug")
    command = re.search(r"a2g run .*", typed("goals", "show", "peg").stdout)
    assert command is not None
    follow(f"{command[0]} --adapter random", code=5)


def test_a_camera_that_took_the_goal_is_there_again(here: Path, tmp_path: Path) -> None:
    images = tmp_path / "some images"
    images.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    for number, image in enumerate(noise):
        PIL.Image.fromarray(image).save(images / f"{number}.png")
    said = typed("capture-goal", "cup", "--camera", f"front=images:{images}", "--force")
    assert f"'--camera=front=images:{images}'" in printed(said)["next"]
    follow(printed(said)["next"] + " --adapter still", code={0, 5})


class TestWithNothingThere:
    """An empty workspace leads on, list by list, to a first adapter."""

    @pytest.mark.parametrize("group", ["adapters", "recordings"])
    def test_lists_lead_to_the_first_thing_that_is_missing(self, here: Path, group: str) -> None:
        command = printed(typed(group, "list"))["next"]
        assert command == "a2g capture-goal NAME"
        follow(command)
        command = printed(typed(group, "list"))["next"]
        follow(f"{command} --adapter random", code={0, 5})  # a goal that is drawn may be where the start is
        if group == "adapters":
            more = printed(typed(group, "list"))["next"]
            assert "--episodes 20" in more, "one episode leaves none to test an adapter on"
            follow(f"{more} --adapter random --episodes 2", code={0, 5})
            follow(printed(typed(group, "list"))["next"])
            assert "adapter-001" in typed(group, "list").stdout

    def test_adapt_says_how_to_get_something_to_learn_from(self, here: Path) -> None:
        for options in ("", " --adapter random"):
            said = typed("adapt", code=2).stderr
            command = re.search(r"`(a2g [^`]+)`", said)
            assert command is not None, said
            follow(command[1] + options, code={0, 5})
        follow("a2g adapt --dry-run")

    def test_advice_of_an_error_works_where_the_workspace_is(self, here: Path, tmp_path: Path) -> None:
        workspace = tmp_path / "a lab"
        said = typed("run", "cup", "--workspace", workspace, code=2).stderr
        command = re.search(r"`(a2g [^`]+)`", said)
        assert command is not None
        follow(command[1])
        assert (workspace / "recordings/goals/NAME").is_dir()
        partial = cut_off(workspace)
        said = typed("replay", partial, "--workspace", workspace, code=1).stderr
        command = re.search(r"`(a2g [^`]+)`", said)
        assert command is not None
        follow(command[1])


def test_repair_says_how_to_remove_what_it_kept(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    partial = cut_off(here)
    listed = typed("recordings", "list").stdout
    command = re.search(r"a2g recordings repair", listed)
    assert command is not None
    said = follow(command[0]).stdout
    command = re.search(r"a2g recordings rm .*", said)
    assert command is not None
    monkeypatch.setattr(prompts, "somebody_is_there", lambda: True)
    removed = CliRunner().invoke(app, shlex.split(command[0])[1:], input="y\n")
    assert removed.exit_code == 0, removed.stderr
    assert not partial.exists()


def test_an_import_beside_another_training_gets_a_folder_of_its_own(here: Path, tmp_path: Path) -> None:
    record(here)
    typed("recordings", "export", "monday", "--format", "robomimic", "--out", tmp_path / "data.hdf5")
    assert "--out" not in printed(typed("recordings", "import", tmp_path / "data.hdf5"))["next"]
    (here / "training" / "base").mkdir(parents=True)
    again = typed("recordings", "import", tmp_path / "data.hdf5", "--session", "again")
    assert "--out training/again" in printed(again)["next"]


def test_a_program_that_the_shell_would_not_find_is_printed_as_it_was_typed(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "an env" / "a2g"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setattr("sys.argv", [str(program)])
    monkeypatch.setenv("PATH", "/nowhere")
    assert prompts.to_type(Workspace(here.resolve()), "doctor") == f"'{program}' doctor"
    monkeypatch.setenv("PATH", str(program.parent))
    assert prompts.to_type(Workspace(here.resolve()), "doctor") == "a2g doctor"


def test_what_the_demo_ends_with_can_be_typed_again_and_again(here: Path) -> None:
    workspace = Workspace.find(Path("a demo"))
    for mine in ("mine", "mine-2"):
        for line in demo._next(workspace, "lighting:0.5", "base"):
            assert line.startswith("  a2g ")
            follow(line, code={0, 5})
        assert f"{mine} " in typed("goals", "list", "--workspace", "a demo").stdout
