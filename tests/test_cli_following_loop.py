"""The loop as it is printed: goal, run, adaptation, comparison; each step is the command that the one before printed."""

import shlex
from pathlib import Path

import pytest
from cli_examples import shelve
from following_examples import follow, printed, typed

from a2g_cli.adapters.registry import AdapterRegistry
from a2g_cli.cli.commands import adapt, improve_report
from a2g_cli.core.workspace import Workspace
from a2g_cli.improvement.gate import Decision


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

    def test_an_undo_undoes_the_whole_run(self, here: Path) -> None:
        """A rollback alone would undo the last of two promotions."""
        for name in ("before", "first", "second"):
            shelve(here, name, promotion={"promoted": name != "before"})
        registry = AdapterRegistry(Workspace(here))
        rounds = [{"adapter": name, "promoted": True} for name in ("first", "second")]
        for began_with in ("base", "before"):
            registry.promote(began_with)
            for name in ("first", "second"):
                registry.promote(name)
            (line,) = improve_report._undo(Workspace(here), {"rounds": rounds, "began_with": began_with})
            follow(line.removeprefix("undo: "))
            assert registry.active() == began_with
            registry.promote("second")
        (line,) = improve_report._undo(Workspace(here), {"rounds": rounds[1:], "began_with": "first"})
        assert line == "undo: a2g adapters rollback"
        registry.promote("first")
        assert improve_report._undo(Workspace(here), {"rounds": rounds, "began_with": "base"}) == []
        nothing = [{"adapter": "first", "promoted": False}]
        assert improve_report._undo(Workspace(here), {"rounds": nothing, "began_with": "base"}) == []
