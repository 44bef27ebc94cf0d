"""Every command that is printed to be typed is typed, as it is printed, from where the first one was: none is refused."""

import fcntl
import os
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from cli_examples import cut_off, record, shelve
from typer.testing import CliRunner, Result

from a2g_cli.adapters.registry import AdapterRegistry
from a2g_cli.cli.app import app
from a2g_cli.cli.commands import adapt, demo, prompts
from a2g_cli.core.workspace import Workspace
from a2g_cli.data.recording.practice import held, recorder_of
from a2g_cli.data.recording.sessions import Session
from a2g_cli.improvement.gate import Decision
from a2g_cli.models import checkpoint
from a2g_cli.training.demonstrations import record_demonstrations

_LABELLED = re.compile(r"(?:^|; |[^ ]: )(?:(next|undo|promote|watch|go on): )(a2g .*)$")
SHORT = {"evaluate": ["--episodes", "1", "--steps", "2"], "run": ["--steps", "3"], "adapt": ["--iterations", "1"]}
"""What makes a printed command quick; everything that decides whether it is refused stays as it is printed."""


def typed(*words: object, code: int | set[int] = 0) -> Result:
    """Type ``a2g words...`` in the present folder."""
    result = CliRunner().invoke(app, [str(word) for word in words])
    codes = code if isinstance(code, set) else {code}
    assert result.exit_code in codes, (words, result.exit_code, result.stdout, result.stderr, result.exception)
    return result


def printed(result: Result) -> dict[str, str]:
    """Return label -> the command behind it."""
    return {match[1]: match[2] for line in result.stdout.splitlines() if (match := _LABELLED.search(line))}


def follow(command: str, code: int | set[int] = 0) -> Result:
    """Type a command as it was printed, only quicker."""
    program, *words = shlex.split(command)
    assert program == "a2g"
    return typed(*words, *SHORT.get(words[0], []), code=code)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base without skill."""
    folder = tmp_path_factory.mktemp("a base")
    words = ("--demonstrations", 4, "--preset", "micro", "--iterations", 4, "--batch", 4, "--autoencoder-iterations", 2)
    made = typed(
        "pretrain", "--scene", "write", *words, "--evaluate-every", 0, "--out", folder / "run", "--workspace", folder
    )
    command = printed(made)["next"]
    assert "--scene=write" in command
    follow(command)
    return folder / "run" / "checkpoint"


@pytest.fixture
def here(tmp_path: Path, easy: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, the present one; no workspace is in the environment. The base that ships is a small one."""
    monkeypatch.setattr(checkpoint, "SHIPPED", easy)
    monkeypatch.delenv("A2G_WORKSPACE", raising=False)
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


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


class TestTheLoop:
    """A goal, a run, an adaptation, a comparison: each step is the command that the one before printed."""

    def test_with_another_base_and_scene(self, here: Path, tmp_path: Path, base: Path) -> None:
        workspace = tmp_path / "lab"
        options = ("--scene", "write", "--shift", "lighting:0.5", "--workspace", workspace)
        goal = typed("capture-goal", "cup", "--seed", 3, *options)
        ran = follow(
            f"{printed(goal)['next']} --base {shlex.quote(str(base))} --episodes 2 --session first", code={0, 5}
        )
        follow(printed(ran)["watch"])
        adapted = follow(printed(ran)["next"])
        assert "learning from 2 recordings in session first." in adapted.stderr
        shown = printed(adapted)
        command = shlex.split(shown["next"])
        assert {"--scene=write", "--shift=lighting:0.5", f"--base={base}", "--workspace"} <= set(command)
        compared = follow(shown["next"])
        assert "adapter-001" in compared.stdout
        assert ("undo" in shown) == (AdapterRegistry(Workspace(workspace)).active() != "base")

    def test_a_refused_adapter_has_nothing_to_undo_and_is_promoted_by_force_alone(
        self, here: Path, base: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(adapt, "decide", lambda *_: Decision(False, "it was [worse]", {}))
        typed("capture-goal", "cup", "--seed", 3)
        typed("run", "cup", "--base", base, "--steps", 3, "--episodes", 2, "--session", "first", code={0, 5})
        shown = printed(typed("adapt", "--keep", "all", "--base", base, "--iterations", 1))
        assert shown.keys() == {"next"}
        follow(shown["next"])
        refused = typed("adapters", "promote", "adapter-001", code=2).stderr
        assert refused.splitlines() == [
            "error: the gate refused adapter 'adapter-001': it was [worse]. Add --force to make it active anyway."
        ]
        assert AdapterRegistry(Workspace(here)).active() == "base"
        typed("adapters", "promote", "adapter-001", "--force")
        assert AdapterRegistry(Workspace(here)).active() == "adapter-001"
        assert "refused" in typed("adapters", "list").stdout
        typed("adapters", "rollback")
        assert AdapterRegistry(Workspace(here)).active() == "base"

    def test_an_undo_undoes_and_a_promotion_promotes(
        self, here: Path, base: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        typed("capture-goal", "cup", "--seed", 3)
        typed("run", "cup", "--base", base, "--steps", 3, "--episodes", 2, "--session", "first", code={0, 5})
        monkeypatch.setattr(adapt, "decide", lambda *_: Decision(True, "for this test", {}))
        words = ("adapt", "--keep", "all", "--base", base, "--iterations", 1)
        promoted = printed(typed(*words))
        assert promoted.keys() == {"next", "undo"}
        assert AdapterRegistry(Workspace(here)).active() == "adapter-001"
        follow(promoted["undo"])
        assert AdapterRegistry(Workspace(here)).active() == "base"
        left = printed(typed(*words, "--no-promote"))
        assert left.keys() == {"next", "promote"}
        follow(left["promote"])
        assert AdapterRegistry(Workspace(here)).active() == "adapter-002"

    def test_a_run_beside_an_active_adapter_of_another_base(self, here: Path, base: Path) -> None:
        shelve(here, "other")
        typed("adapters", "promote", "other")
        typed("capture-goal", "cup", "--seed", 3)
        ran = typed("run", "cup", "--base", base, "--adapter", "base", "--steps", 3, code={0, 5})
        more = printed(ran)["next"]
        assert more.startswith("a2g run cup --episodes 20 "), "one episode leaves none to test an adapter on"
        ran = follow(f"{more} --episodes 2", code={0, 5})
        follow(printed(ran)["next"])

    def test_improvement_offers_an_undo_only_where_it_promoted(self, here: Path, base: Path) -> None:
        words = ("--rounds", 1, "--episodes", 1, "--steps", 3, "--evaluation", 1, "--iterations", 1, "--base", base)
        said = typed("improve", "--shift", "lighting", *words)
        shown = printed(said)
        assert ("undo" in shown) == (AdapterRegistry(Workspace(here)).active() != "base")
        follow(shown["watch"])


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


def test_demonstrations_are_no_practice(here: Path) -> None:
    record(here, "monday/episode-0000")
    shown = Session(here / "recordings/sessions/shown")
    record_demonstrations(shown, "place", 5, 1, processes=1)
    for newer in shown.recordings():
        os.utime(newer, (2e9, 2e9))
    said = typed("adapt", "--dry-run").stdout
    assert "learning from 1 recording in session monday." in said
    assert "session shown is left out: it is not practice (policy: expert)" in said
    assert "learning from 1 recording in session shown." in typed("adapt", "shown", "--dry-run").stdout


def test_what_the_demo_ends_with_can_be_typed_again_and_again(here: Path) -> None:
    workspace = Workspace.find(Path("a demo"))
    for mine in ("mine", "mine-2"):
        for line in demo._next(workspace, "lighting:0.5", "base"):
            assert line.startswith("  a2g ")
            follow(line, code={0, 5})
        assert f"{mine} " in typed("goals", "list", "--workspace", "a demo").stdout


class TestWhatIsGoingOn:
    """A session that a program records into is left out, between its episodes too, and nobody else records into it."""

    @pytest.fixture
    def sessions(self, here: Path) -> Session:
        record(here, "monday/episode-0000")
        newer = record(here, "tuesday/episode-0000")
        os.utime(newer, (2e9, 2e9))
        return Session(newer.parent)

    def test_it_is_taken_when_it_has_ended(self, sessions: Session) -> None:
        with held(sessions, "a2g run"):
            said = typed("adapt", "--dry-run").stdout
            assert "learning from 1 recording in session monday." in said
            assert re.search(r"session tuesday is left out: a2g run \(process \d+ on .*\) is recording it\.", said)
            assert "in session tuesday." in typed("adapt", "tuesday", "--dry-run").stdout, "whoever names it gets it"
        assert "learning from 1 recording in session tuesday." in typed("adapt", "--dry-run").stdout
        assert not list(sessions.folder.parent.glob(".*"))

    def test_an_episode_of_an_older_version_counts_too(self, here: Path, sessions: Session) -> None:
        partial = cut_off(here, "tuesday/episode-0001")
        assert "in session tuesday." in typed("adapt", "--dry-run").stdout, "a dead program's episode holds nobody up"
        with partial.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            assert "in session monday." in typed("adapt", "--dry-run").stdout

    def test_where_nothing_else_is_there_it_is_said(self, here: Path, sessions: Session) -> None:
        typed("recordings", "rm", "monday", "--yes")
        with held(sessions, "a2g improve"):
            said = typed("adapt", code=2).stderr
        assert "Session tuesday is left out: a2g improve" in said

    def test_a_run_and_an_improvement_hold_theirs(
        self, here: Path, base: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: list[str | None] = []
        whole = Session.next_path

        def look(session: Session) -> Path:
            seen.append(recorder_of(session))
            return whole(session)

        monkeypatch.setattr(Session, "next_path", look)
        typed("capture-goal", "cup", "--seed", 3)
        typed("run", "cup", "--adapter", "random", "--steps", 3, code=5)
        assert seen[0] is not None
        assert seen[0].startswith("a2g run (process ")
        words = ("--rounds", 1, "--episodes", 1, "--steps", 3, "--evaluation", 1, "--iterations", 1, "--base", base)
        typed("improve", "--session", "mine", *words)
        session = Session(here / "recordings/sessions/mine")
        assert recorder_of(session) is None
        with held(session, "a2g improve"):
            said = typed("improve", "--resume", "mine", code=1).stderr
        assert "is locked by a2g improve" in said
