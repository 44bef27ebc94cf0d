"""``a2g goals`` and ``adapters``, what all catalogues have in common, and how a real process ends."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from cli_examples import a2g, ask, record, refused, shelve

from a2g_cli.cli.commands import prompts
from a2g_cli.core.types import Goal
from a2g_cli.core.workspace import Workspace
from a2g_cli.data.goals import save_goal

HEAVY = {"torch", "numpy", "h5py", "mujoco", "rich", "peft", "PIL", "av"}


def test_the_app_is_parsed_without_anything_heavy() -> None:
    code = "import sys, a2g_cli.cli.app; print(*{name.partition('.')[0] for name in sys.modules})"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not HEAVY & set(found)


def test_a_real_process_prints_one_document_and_leaves_with_the_code(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "a2g_cli", "recordings", "show", "latest", "--json", "--workspace", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == json.loads(done.stdout)["error"]["exit_code"] == 2
    assert done.stderr.startswith("error: unknown session 'latest'")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("goals", "show"), "Missing argument 'GOAL'"),
        (("goals", "sho", "x"), "No such command 'sho'"),
        (("goal", "list"), "No such command 'goal'"),
        (("replay", "latest", "--speed", "fast"), "'--speed'"),
        (("replay", "latest", "--speed", "0"), "'--speed'"),
        (("recordings", "rm", "monday", "--now"), "No such option"),
        (("capture-goal", "cup", "--seed", "-1"), "'--seed'"),
    ],
)
def test_words_that_make_no_command_are_answered_in_json_too(
    tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    assert message in refused(tmp_path, *words)


@pytest.mark.parametrize("group", ["goals", "recordings", "adapters"])
def test_an_empty_workspace_is_no_error_and_nothing_is_made(tmp_path: Path, group: str) -> None:
    ask(tmp_path, group, "list")
    said = a2g(tmp_path, group, "list")
    assert "a2g" in said.stdout
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "words",
    [
        ("goals", "show", "../x"),
        ("goals", "rm", "../x", "--yes"),
        ("recordings", "list", "../x"),
        ("recordings", "show", "../x"),
        ("recordings", "rm", "../x", "--yes"),
        ("recordings", "rm", "monday/../../x", "--yes"),
        ("recordings", "rm", "monday/..", "--yes"),
        ("recordings", "rm", "/etc/hostname", "--yes"),
        ("recordings", "repair", "../x"),
        ("adapters", "show", "../x"),
        ("adapters", "promote", "../x"),
        ("adapters", "rm", "../x", "--yes"),
        ("adapters", "rm", ".", "--yes"),
    ],
)
def test_no_name_leaves_the_workspace(tmp_path: Path, words: tuple[str, ...]) -> None:
    path = record(tmp_path)
    refused(tmp_path, *words)
    assert path.exists()


class TestGoals:
    @pytest.fixture
    def workspace(self, tmp_path: Path) -> Path:
        image = np.arange(64 * 64 * 3, dtype=np.uint8).reshape(64, 64, 3)
        for name in ("cup", "bowl"):
            save_goal(Workspace(tmp_path), Goal(name, {"front": image}, "sim:place", {"block": [0.05, -0.08, 0.024]}))
        return tmp_path

    def test_list_shows_the_damaged_one_too(self, workspace: Path) -> None:
        PIL.Image.new("RGB", (9, 9)).save(workspace / "recordings" / "goals" / "bowl" / "front.png")
        bowl, cup = ask(workspace, "goals", "list")["goals"]
        assert "damaged" in bowl["problem"]
        assert (cup["name"], cup["cameras"], cup["problem"]) == ("cup", {"front": [64, 64]}, None)
        assert "x 0.050 m, y -0.080 m" in a2g(workspace, "goals", "list").stdout

    def test_show(self, workspace: Path) -> None:
        assert ask(workspace, "goals", "show", "cup")["truth"] == {"block": [0.05, -0.08, 0.024]}
        assert "a2g run cup" in a2g(workspace, "goals", "show", "cup").stdout

    @pytest.mark.parametrize("words", [("show",), ("rm", "--yes")])
    def test_an_unknown_name_is_answered_with_the_nearest(self, workspace: Path, words: tuple[str, ...]) -> None:
        assert "did you mean cup?" in refused(workspace, "goals", words[0], "cub", *words[1:])

    def test_rm_asks_or_needs_yes(self, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        assert "--yes" in refused(workspace, "goals", "rm", "cup")
        assert ask(workspace, "goals", "rm", "cup", "--dry-run") == {"removed": ["cup"], "dry_run": True}
        assert len(ask(workspace, "goals", "list")["goals"]) == 2
        monkeypatch.setattr(prompts, "somebody_is_there", lambda: True)
        for answer in ("n\n", "", "\n"):
            declined = a2g(workspace, "goals", "rm", "cup", answer=answer)
            assert (declined.exit_code, "nothing was removed" in declined.stderr) == (1, True)
        agreed = a2g(workspace, "goals", "rm", "cup", answer="y\n")
        assert (agreed.exit_code, agreed.stdout) == (0, "removed goal cup\n")
        assert [goal["name"] for goal in ask(workspace, "goals", "list")["goals"]] == ["bowl"]

    def test_rm_of_several_removes_all_or_none(self, workspace: Path) -> None:
        refused(workspace, "goals", "rm", "cup", "bolw", "--yes")
        ask(workspace, "goals", "rm", "cup", "bowl", "cup", "--yes")
        assert ask(workspace, "goals", "list") == {"goals": []}


class TestAdapters:
    def test_list_and_show(self, tmp_path: Path) -> None:
        gate = {"promoted": True, "reason": "2.0 steps fewer", "measured": {}}
        shelve(tmp_path, "good", promotion=gate, losses={"flow": 0.1})
        (shelve(tmp_path, "bad") / "lineage.json").write_text("{")
        ask(tmp_path, "adapters", "promote", "good")
        listed = ask(tmp_path, "adapters", "list")
        assert listed["active"] == "good"
        good, bad = sorted(listed["adapters"], key=lambda entry: -len(entry))
        assert (good["name"], good["active"], good["promoted"], good["rank"]) == ("good", True, True, 2)
        assert "lineage.json" in bad["problem"]
        assert good["gate"] == "passed"
        shown = ask(tmp_path, "adapters", "show", "good")
        assert shown["lineage"]["losses"] == {"flow": 0.1}
        assert "passed: 2.0 steps fewer" in a2g(tmp_path, "adapters", "show", "good").stdout
        assert "damaged" in a2g(tmp_path, "adapters", "list").stdout
        refused(tmp_path, "adapters", "show", "bad")

    @pytest.mark.parametrize(
        ("promotion", "gate", "listed"),
        [
            ({"promoted": True, "reason": "better"}, "passed", "passed"),
            ({"promoted": False, "reason": "its [loss] rose"}, "refused", "refused"),
            ({"promoted": False}, "refused", "refused"),  # as a version without reasons would have written it
            (None, None, "not tested"),  # imported from elsewhere, or killed before the gate
            ({}, None, "not tested"),
            ({"promoted": "no"}, None, "not tested"),
            ("refused", None, "not tested"),
        ],
    )
    def test_what_the_gate_refused_is_listed_so_and_needs_force(
        self, tmp_path: Path, promotion: object, gate: str | None, listed: str
    ) -> None:
        shelve(tmp_path, "a1", promotion=promotion)
        (entry,) = ask(tmp_path, "adapters", "list")["adapters"]
        assert (entry["gate"], entry["promoted"]) == (gate, None if gate is None else gate == "passed")
        assert f"  {listed}  " in a2g(tmp_path, "adapters", "list").stdout
        if gate == "refused":
            reason = promotion.get("reason", "no reason given") if isinstance(promotion, dict) else ""
            message = refused(tmp_path, "adapters", "promote", "a1")
            assert reason in message
            assert "--force" in message
            assert ask(tmp_path, "adapters", "list")["active"] == "base"
            ask(tmp_path, "adapters", "promote", "a1", "--force")
            (entry,) = ask(tmp_path, "adapters", "list")["adapters"]
            assert (entry["active"], entry["gate"]) == (True, "refused")
        else:
            ask(tmp_path, "adapters", "promote", "a1")

    @pytest.mark.parametrize(
        ("measured", "change"),
        [
            ({"parent_arrived": 3, "arrived": 15, "episodes": 20}, "3/20 -> 15/20 reached"),
            ({"held_out_before": 0.5, "held_out_after": 0.25}, "loss 0.500 -> 0.250"),
            ({"parent_arrived": 3, "arrived": 15, "episodes": 20, "held_out_before": 1, "held_out_after": 2}, "15/20"),
            ({"parent_arrived": "3", "arrived": None, "episodes": 20}, None),
            ({"held_out_before": float("nan"), "held_out_after": 1.0}, None),
            ([], None),
            (None, None),
        ],
    )
    def test_a_list_says_what_each_brought(self, tmp_path: Path, measured: object, change: str | None) -> None:
        shelve(tmp_path, "a1", promotion={"promoted": True, "reason": "better", "measured": measured})
        (entry,) = ask(tmp_path, "adapters", "list")["adapters"]
        assert (entry["measured"] is None) == (change is None)
        shown = a2g(tmp_path, "adapters", "list").stdout
        assert change is None or change in shown
        assert "->" not in shown.splitlines()[1] or change is not None

    def test_promote_and_roll_back(self, tmp_path: Path) -> None:
        shelve(tmp_path, "a1")
        assert "nothing to roll back" in refused(tmp_path, "adapters", "rollback")
        assert ask(tmp_path, "adapters", "promote", "a1") == {"active": "a1", "before": "base"}
        assert ask(tmp_path, "adapters", "promote", "base") == {"active": "base", "before": "a1"}
        assert ask(tmp_path, "adapters", "rollback") == {"active": "a1", "before": "base"}
        assert "known: a1" in refused(tmp_path, "adapters", "promote", "a2")
        assert "comparisons" in refused(tmp_path, "adapters", "promote", "random")

    def test_the_active_one_is_removed_by_force_alone_and_forgotten(self, tmp_path: Path) -> None:
        for name in ("a1", "a2"):
            shelve(tmp_path, name)
            ask(tmp_path, "adapters", "promote", name)
        assert "--force" in refused(tmp_path, "adapters", "rm", "a2", "--yes")
        assert "--yes" in refused(tmp_path, "adapters", "rm", "a2", "--force")
        removed = ask(tmp_path, "adapters", "rm", "a2", "--force", "--yes")
        assert removed == {"removed": ["a2"], "active": "a1", "dry_run": False}
        assert not (tmp_path / "adapters" / "a2").exists()
        shelve(tmp_path, "a3")
        ask(tmp_path, "adapters", "promote", "a3")
        ask(tmp_path, "adapters", "rm", "a1", "--yes")
        # A rollback must not lead to what is gone.
        assert ask(tmp_path, "adapters", "rollback") == {"active": "base", "before": "a3"}

    def test_a_disk_that_refuses_is_one_line(self, tmp_path: Path) -> None:
        shelve(tmp_path, "a1")
        (tmp_path / "adapters" / ".active.lock").mkdir()
        assert ".active.lock cannot be written" in refused(tmp_path, "adapters", "promote", "a1", code=1)
