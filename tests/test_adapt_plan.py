"""``a2g adapt`` says before it trains what it will learn from, and refuses at once what the gate could not accept."""

import re
from pathlib import Path

import pytest
from cli_examples import a2g, ask, refused

from a2g_cli.cli.commands import adapt
from a2g_cli.encoding.episodes import split


@pytest.fixture(scope="module")
def base(hard: Path) -> Path:
    """By its estimate no episode reaches its goal."""
    return hard


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with sessions of one, two and seven episodes."""
    folder = tmp_path_factory.mktemp("workspace")
    ask(folder, "capture-goal", "cup", "--seed", 3)
    for name, count in (("one", 1), ("two", 2), ("seven", 7)):
        words = ("--episodes", count, "--steps", 4, "--session", name, "--adapter", "random")
        ask(folder, "run", "cup", *words, code=5)
    return folder


WORDS = ("--iterations", 1, "--rank", 2, "--calibrate", "off")


@pytest.fixture
def untrained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing may be trained."""

    def train(*_: object, **__: object) -> None:
        raise AssertionError("it was trained")

    monkeypatch.setattr(adapt, "finetune", train)


@pytest.mark.usefixtures("untrained")
def test_what_nothing_is_left_to_test_is_refused_before_any_training(workspace: Path, base: Path) -> None:
    words = ("adapt", "one", "--keep", "all", "--base", base, *WORDS)
    said = refused(workspace, *words, code=1)
    assert "the gate cannot accept what is learned from a single episode: none is left to test it" in said
    command = re.search(r"`a2g (run [^`]+)`", said)
    assert command is not None
    assert command[1].startswith("run cup --episodes 20")
    assert "--no-promote" in said
    planned = ask(workspace, *words, "--dry-run")
    assert (planned["kept"], planned["held_out"], planned["can_be_promoted"]) == (1, 0, False)
    assert said in a2g(workspace, *words, "--dry-run").stdout
    assert not (workspace / "adapters" / planned["adapter"]).exists()


@pytest.mark.usefixtures("untrained")
def test_where_no_episode_reached_its_goal_that_is_said_before_any_training(workspace: Path, base: Path) -> None:
    words = ("adapt", "seven", "--base", base, *WORDS)
    said = refused(workspace, *words, code=1)
    assert "none of the 7 episodes is judged to have reached its goal: there is nothing to learn from" in said
    assert "add --keep all" in said
    planned = ask(workspace, *words, "--dry-run")
    assert (planned["kept"], planned["can_be_promoted"]) == (0, False)
    assert said in a2g(workspace, *words, "--dry-run").stdout


@pytest.mark.parametrize(("session", "count"), [("two", 2), ("seven", 7)])
def test_several_episodes_always_leave_one_to_test_the_result(
    workspace: Path, base: Path, session: str, count: int
) -> None:
    words = ("adapt", session, "--keep", "all", "--base", base, "--parent", "base", *WORDS)
    planned = ask(workspace, *words, "--dry-run")
    assert planned["can_be_promoted"]
    assert planned["held_out"] >= 1
    held = "1 of them tests" if planned["held_out"] == 1 else f"{planned['held_out']} of them test"
    told = re.escape(f"learning from {count} of {count} episodes (all), STEPS steps; {held} the result")
    told = told.replace("STEPS", r"\d+")
    assert re.search(told, a2g(workspace, *words, "--dry-run").stdout)
    done = a2g(workspace, *words)
    assert done.exit_code == 0, done.stderr
    assert re.search(told, done.stderr)
    assert "held-out episodes" in done.stdout, "the gate has what it decides by"


def test_who_asks_for_no_promotion_gets_an_adapter_all_the_same(workspace: Path, base: Path) -> None:
    words = ("adapt", "one", "--keep", "all", "--base", base, *WORDS, "--no-promote")
    done = a2g(workspace, *words, "--name", "mine")
    assert done.exit_code == 0, done.stderr
    assert "none is left to test it" in done.stderr
    assert (workspace / "adapters/mine").is_dir()


def test_a_run_of_one_episode_leads_to_more_and_one_of_several_to_adapt(workspace: Path) -> None:
    words = ("run", "cup", "--steps", 2, "--adapter", "random")
    assert "next: a2g run cup --episodes 20 --adapter random" in a2g(workspace, *words).stdout.replace("'", "")
    assert "next: a2g adapt " in a2g(workspace, *words, "--episodes", 2).stdout


def test_the_least_hash_is_held_out_where_the_share_leaves_none() -> None:
    names = [f"session/episode-{i:04d}.hdf5 {i:016x}" for i in range(40)]
    kept, held = split(names, 0.0, always=True)
    assert len(held) == 1
    assert sorted(kept + held) == list(range(40))
    assert split(names[:1], 0.0, always=True) == ([0], [])
    assert split(names, 0.0) == (list(range(40)), [])
    assert split(names, 0.15, always=True) == split(names, 0.15)
    # It stays the same one when more episodes come that are not held out.
    assert names[held[0]] == names[split(names[: held[0] + 1], 0.0, always=True)[1][0]]
