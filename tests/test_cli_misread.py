"""What a reader of the command line misread before: each answer names what to do instead of letting a wrong guess pass."""

import os
from pathlib import Path

import pytest
from cli_examples import a2g, ask, record, refused, shelve

from a2g_cli.cli.commands.improve_report import summary
from a2g_cli.cli.commands.prompts import check_answerable
from a2g_cli.core.config import parse
from a2g_cli.core.errors import UsageError
from a2g_cli.core.workspace import Workspace
from a2g_cli.improvement.settings import ImproveSettings


@pytest.mark.parametrize("group", ["goals", "recordings", "adapters"])
def test_remove_is_another_name_of_rm(tmp_path: Path, group: str) -> None:
    record(tmp_path)
    shelve(tmp_path, "a1", recordings=[])
    ask(tmp_path, "capture-goal", "cup")
    name = {"goals": "cup", "recordings": "monday", "adapters": "a1"}[group]
    assert ask(tmp_path, group, "remove", name, "--yes")["removed"]
    assert " remove " not in a2g(tmp_path, group, "--help").stdout.replace("show and remove", "")


@pytest.mark.parametrize("name", ["base", "random", "still"])
def test_policies_without_an_adapter_are_not_unknown_adapters(tmp_path: Path, name: str) -> None:
    assert f"{name} is " in refused(tmp_path, "adapters", "show", name)
    assert "cannot be removed" in refused(tmp_path, "adapters", "rm", name, "--yes")


@pytest.mark.parametrize(
    ("words", "known"),
    [(("--scene", "kitchen"), "known: place, plug, write"), (("--fault", "banana"), "known: corrupt")],
)
def test_names_that_are_not_near_are_not_offered(tmp_path: Path, words: tuple[str, str], known: str) -> None:
    ask(tmp_path, "capture-goal", "cup")
    assert known in refused(tmp_path, "run", "cup", *words)


def test_an_option_of_which_only_the_last_would_count_is_given_once(tmp_path: Path) -> None:
    said = refused(tmp_path, "run", "cup", "--shift", "lighting", "--shift", "base-pose")
    assert "--shift is given more than once" in said
    assert "combined" in said
    assert "more than once" in refused(tmp_path, "run", "cup", "--scene=place", "--scene", "plug")
    assert a2g(tmp_path, "goals", "list", "--json", "--json").exit_code == 0, "a flag can be repeated"
    said = refused(tmp_path, "run", "cup", "--episodes", 20, "--episodes", 2)
    assert "unknown goal" in said, (
        "of a number, the last one counts, so that a suggested command can be changed at its end"
    )


def test_an_old_option_of_another_command_names_that_command(tmp_path: Path) -> None:
    said = refused(tmp_path, "run", "cup", "--rehearse", 3)
    assert said == "--rehearse is now called --replay-demos, an option of `a2g improve`."


def test_a_goal_remembers_the_shift_that_it_was_taken_with(tmp_path: Path) -> None:
    ask(tmp_path, "capture-goal", "cup", "--shift", "base-pose:0.8")
    ask(tmp_path, "capture-goal", "plain")
    assert ask(tmp_path, "goals", "show", "cup")["shift"] == "base-pose:0.8"
    assert "run cup --shift=base-pose:0.8" in a2g(tmp_path, "goals", "show", "cup").stdout
    assert "--shift" not in a2g(tmp_path, "goals", "show", "plain").stdout


def test_a_goal_without_a_state_is_judged_by_the_policy(tmp_path: Path) -> None:
    record(tmp_path)
    ask(tmp_path, "capture-goal", "end", "--from-recording", "monday/episode-0000")
    assert "judged by  the policy" in a2g(tmp_path, "goals", "show", "end").stdout


def test_over_needs_a_live_preview(tmp_path: Path) -> None:
    ask(tmp_path, "capture-goal", "cup")
    assert "--over is for the live preview" in refused(tmp_path, "capture-goal", "cap", "--over", "cup")


@pytest.mark.parametrize(
    ("limit", "says"),
    [
        (("--episodes", 4, "--max-episodes", 4), "--max-episodes 8"),
        (("--max-minutes", 0), "more than 0"),
    ],
)
def test_limits_that_allow_no_round_are_refused_at_once(tmp_path: Path, limit: tuple[str, int], says: str) -> None:
    said = refused(tmp_path, "improve", *limit)
    assert "allows no round" in said
    assert says in said
    assert not (tmp_path / "recordings").exists()


def test_a_run_says_which_limit_ended_it(tmp_path: Path) -> None:
    settings = ImproveSettings(rounds=2, episodes=4, most_episodes=9)
    (tmp_path / "recordings/sessions/s").mkdir(parents=True)
    row = {
        "episodes": 4,
        "explored": 0,
        "rehearsed": 0,
        "gate_episodes": 4,
        "rollout_seconds": 1.0,
        "adapt_seconds": 1.0,
    }
    row |= {"set_ups": 0, "lost": 0, "promoted": False, "arrived": 0.5}
    document = {
        "before": None,
        "goals": {},
        "rounds": [row],
        "stopped_by": "episodes",
        "session": "s",
        "active": "base",
    }
    lines = list(map(str, summary(Workspace(tmp_path), {**document, "seed": 0}, settings)))
    assert any(line.startswith("Stopped after round 1: --max-episodes 9 allows no further round") for line in lines)


def test_a_camera_without_its_setting_is_one_fault_and_not_the_robot_s(tmp_path: Path) -> None:
    (tmp_path / "a2g.toml").write_text('[robot]\ndriver = "sim"\n[cameras.front]\ndriver = "images"\n')
    checks = ask(tmp_path, "doctor", code=3)["checks"]
    (failed,) = [check for check in checks if check["state"] == "fail"]
    assert failed["name"] == "camera front"
    assert "[cameras.front]" in failed["advice"]


def test_promoting_what_is_active_is_not_refused(tmp_path: Path) -> None:
    shelve(tmp_path, "a1", promotion={"promoted": False, "reason": "New adapter 1/4, old 3/4", "measured": {}})
    assert "--force" in refused(tmp_path, "adapters", "promote", "a1")
    ask(tmp_path, "adapters", "promote", "a1", "--force")
    assert "already active" in a2g(tmp_path, "adapters", "promote", "a1").stdout


def test_an_adapter_without_training_shows_no_rank_of_its_own(tmp_path: Path) -> None:
    measured = {"promoted": True, "reason": "measured: camera front sees other light", "measured": {}}
    shelve(tmp_path, "only", losses={}, settings={"iterations": 150}, promotion=measured)
    shown = a2g(tmp_path, "adapters", "show", "only").stdout
    assert "not trained: the weights are those of the base" in shown
    assert "not tested" in shown
    assert "iterations" not in shown
    losses = {"first": 0.428, "last": 0.504, "held_out_before": 0.3, "held_out_after": 0.2, "mine": 1.0}
    shelve(tmp_path, "trained", losses=losses, settings={"iterations": 150})
    shown = a2g(tmp_path, "adapters", "show", "trained").stdout
    assert "training loss 0.428 -> 0.504, loss on held-out episodes 0.3 -> 0.2, mine 1.0" in shown
    assert "iterations" in shown


def test_the_terminal_breaks_the_lines_of_a_help_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERMINAL_WIDTH", "200")
    shown = a2g(tmp_path, "capture-goal", "--help").stdout
    assert "a live preview is shown in the terminal; press Enter" in shown


def test_nobody_answers_at_the_null_device(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        with pytest.raises(UsageError, match="not a terminal"):
            check_answerable("--reset prompt")


def test_what_comes_first_is_said_where_nothing_is_there(tmp_path: Path) -> None:
    assert "nothing to resume" in refused(tmp_path, "improve", "--resume", "latest")
    said = refused(tmp_path, "adapt")
    assert said.index("First take a goal") < said.index("a2g run NAME")


def test_a_session_of_a2g_needs_no_import(tmp_path: Path) -> None:
    path = record(tmp_path)
    (path.parent / "session.hdf5").write_bytes(b"links")
    for source in (path.parent, path.parent / "session.hdf5"):
        assert "needs no import" in refused(tmp_path, "recordings", "import", source)


def test_a_cut_off_recording_is_called_incomplete(tmp_path: Path) -> None:
    path = record(tmp_path)
    path.write_bytes(path.read_bytes()[:3000])
    (said,) = ask(tmp_path, "recordings", "verify", code=1)["recordings"]
    assert "the file is incomplete" in said["problems"][0]


def test_only_what_was_given_is_to_be_left_out(tmp_path: Path) -> None:
    said = refused(tmp_path, "improve", "cup", "--curriculum", "progress")
    assert "--curriculum cannot be used with a GOAL" in said
    assert "--goals-from" not in said


def test_the_key_of_the_file_is_that_of_the_option_and_the_old_one_is_read(tmp_path: Path) -> None:
    for text in ('deadman_key = "space"', 'hold_key = "space"'):
        assert parse(f"[safety]\n{text}\n").safety.hold_key == "space"
    with pytest.raises(UsageError, match="new name"):
        parse('[safety]\ndeadman_key = "space"\nhold_key = "tab"\n')
