"""A bench where everything was moved: an improvement run tries where the arm stands, goes on after a kill, and says so."""

import math
from pathlib import Path
from typing import Any

import pytest
from cli_examples import a2g, ask
from kill_moments import KillMoments

from a2g_cli.adapters.registry import AdapterRegistry
from a2g_cli.core.workspace import Workspace
from a2g_cli.data.recording.reader import Recording
from a2g_cli.data.recording.sessions import Session
from a2g_cli.improvement import pose_search
from a2g_cli.improvement.state import load

WORDS = ("--scene", "plug", "--shift", "combined:1", "--rounds", 1, "--episodes", 6, "--seed", 7)
RUN = (*WORDS, "--pose-search", 6, "--evaluation", 1, "--iterations", 1, "--session", "long")


def explored(workspace: Path) -> list[dict[str, Any]]:
    """Return what each recording says of the guess that it acted on, in order."""
    progress = load(Session(workspace / "recordings" / "sessions" / "long"))
    told = []
    for name in progress.rounds[0].explored:
        with Recording(progress.session.folder / name) as recording:
            told.append(recording.provenance.settings["guess"])
    return told


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(pose_search, "BATCH", 3)
    monkeypatch.setattr(pose_search, "FEWEST", 0)  # whoever arrives of so few
    return monkeypatch


def test_it_tries_and_a_kill_changes_nothing(tmp_path: Path, few: pytest.MonkeyPatch) -> None:
    run = KillMoments(tmp_path / "run", *RUN, when=lambda state: any(one.explored for one in state.rounds))
    (done,) = run.document["rounds"]
    sampled_poses = explored(run.workspace)
    assert done["explored"] == len(sampled_poses) == 6
    assert len({tuple(one["shift"]) for one in sampled_poses}) > 3, "not the same place again and again"
    base_pose = AdapterRegistry(Workspace(run.workspace)).get(done["adapter"]).calibration.base_pose
    assert base_pose is not None
    assert "the arm is turned by" in done["reason"]
    said = a2g(run.workspace, "improve", "--resume", "long").stdout
    assert f"practice: {6 + 6 + done['gate_episodes']} episodes (6 of them searched for the arm's base pose)" in said

    run.left(tmp_path / "killed", 2)  # the second batch is begun, and nothing of it is rolled out
    assert len(list((tmp_path / "killed").rglob("episode-*.hdf5"))) == 6 + 3
    (again,) = ask(tmp_path / "killed", "improve", "--resume", "long")["rounds"]
    assert explored(tmp_path / "killed") == sampled_poses
    assert (again["explored"], again["reason"]) == (6, done["reason"])


def test_it_keeps_within_the_episodes_that_it_may_have_and_off_is_off(tmp_path: Path, few: pytest.MonkeyPatch) -> None:
    few.setattr(pose_search, "FEWEST", 7)
    (done,) = ask(tmp_path, "improve", *RUN, "--max-episodes", 14)["rounds"]
    assert done["explored"] == 2
    assert AdapterRegistry(Workspace(tmp_path)).get(done["adapter"]).calibration.base_pose is None, "too few arrived"
    short = ("--episodes", 1, "--steps", 10, "--evaluation", 1, "--iterations", 1)
    (off,) = ask(tmp_path, "improve", *WORDS, *short, "--calibrate", "off")["rounds"]
    assert off["explored"] == 0


def test_who_may_not_try_is_told_what_is_in_doubt(tmp_path: Path) -> None:
    run = ask(tmp_path, "improve", *WORDS, "--evaluation", 1, "--pose-search", 0, "--iterations", 1)
    (done,) = run["rounds"]
    assert done["explored"] == 0
    assert "camera front moved" in done["reason"]
    words = ("adapt", run["session"], "--parent", "base", "--iterations", 1)
    adapted = ask(tmp_path, *words)
    assert adapted["calibration"]["mount"] is None
    assert 8 < math.degrees(adapted["suspected_yaw"]) < 17
    assert "`a2g improve` finds out by trying" in a2g(tmp_path, *words).stdout
    off = ask(tmp_path, "adapt", run["session"], "--calibrate", "off", "--keep", "all", "--iterations", 1)
    assert off["suspected_yaw"] is None
