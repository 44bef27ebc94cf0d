"""a2g improve --replay-demos: replayed trajectories are practice that the policy learns from, whatever they achieve."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from cli_examples import a2g, ask, refused
from kill_moments import KillMoments

from a2g_cli.adapters.registry import AdapterRegistry
from a2g_cli.core.workspace import Workspace
from a2g_cli.data.recording.reader import Recording
from a2g_cli.data.recording.sessions import Session
from a2g_cli.demo_replay.trajectory import TRAJECTORIES, load_trajectories
from a2g_cli.encoding.episodes import encode_episode, select
from a2g_cli.encoding.frames import encode_recording
from a2g_cli.improvement.scoring import EpisodeScorer
from a2g_cli.improvement.state import load
from a2g_cli.models import checkpoint
from a2g_cli.robots.sim import SimRobot
from a2g_cli.runtime.policy_factory import PolicyFactory

WORDS = ("--scene", "write", "--shift", "camera-bump:1", "--episodes", 2, "--steps", 60, "--seed", 7, "--evaluation", 1)
RUN = (*WORDS, "--rounds", 1, "--iterations", 2, "--calibrate", "off", "--session", "long")


def rehearsed(workspace: Path, number: int = 0) -> list[Path]:
    progress = load(Session(workspace / "recordings" / "sessions" / "long"))
    return [progress.session.folder / name for name in progress.rounds[number].rehearsed]


def lineage(workspace: Path, name: str) -> dict[str, Any]:
    return AdapterRegistry(Workspace(workspace)).get(name).lineage


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> KillMoments:
    folder = tmp_path_factory.mktemp("run")
    return KillMoments(folder, *RUN, "--replay-demos", 4, when=lambda state: any(one.rehearsed for one in state.rounds))


def test_it_is_learned_from_though_nothing_arrived(run: KillMoments) -> None:
    workspace = run.workspace
    (done,) = run.document["rounds"]
    paths = rehearsed(workspace)
    assert done["rehearsed"] == len(paths) == 4
    told = lineage(workspace, done["adapter"])
    assert [name.split()[0] for name in told["recordings"][-4:]] == [f"long/{path.name}" for path in paths]
    assert ("rehearsed_before" in told["losses"]) == ("rehearsed_after" in told["losses"])
    # Each is learned from as often as an episode of practice: two iterations for two of them.
    assert told["settings"]["iterations"] == len(told["recordings"]) >= 4
    episodes = 2 + 4 + done["gate_episodes"]
    said = a2g(workspace, "improve", "--resume", "long").stdout
    assert f"practice: {episodes} episodes (4 of them replayed demonstrations)" in said


def test_what_it_achieved_is_what_it_was_for(run: KillMoments) -> None:
    model, known = checkpoint.load(), [one for one in load_trajectories(checkpoint.SHIPPED) if one.robot == "sim:write"]
    scorer = EpisodeScorer(
        PolicyFactory(checkpoint.SHIPPED, AdapterRegistry(Workspace(run.workspace)), SimRobot("write").spec)
    )
    for path in rehearsed(run.workspace):
        one = encode_episode(model, path)
        assert select([one], "reached", 2.0) == [one]
        with Recording(path) as recording:
            movement = known[recording.provenance.settings["movement"]]
            assert recording.provenance.policy == "remembering"
            followed = min(len(movement.proprioception), recording.length + 1)
            apart = recording.proprioception[10:followed, :3] - movement.proprioception[10:followed, :3].numpy()
        assert abs(apart).mean() < 0.002
        # Once it has joined it, the demonstrator's own actions are what it teaches, but where it lagged behind.
        meant = movement.actions[10 : followed - 1]
        told, done = (either.segments.actions[10 : followed - 1] for either in (scorer.read(path), one))
        assert (told == meant).all(1).float().mean() > 0.7
        assert (done == meant).all(1).float().mean() < 0.3
        latents = encode_recording(model, path).latents
        assert torch.equal(one.goal, latents[-1].float())
        assert int(one.segments.length) == len(latents) - 1


def test_a_kill_changes_nothing(run: KillMoments, tmp_path: Path) -> None:
    run.left(tmp_path, 1)  # what is to be rehearsed is named, and nothing of it is rolled out
    assert len(list(tmp_path.rglob("episode-*.hdf5"))) == 2
    (again,) = ask(tmp_path, "improve", "--resume", "long")["rounds"]
    (done,) = run.document["rounds"]
    assert (again["rehearsed"], again["reason"]) == (4, done["reason"])
    names = [lineage(place, again["adapter"])["recordings"] for place in (tmp_path, run.workspace)]
    assert [one.split()[0] for one in names[0]] == [one.split()[0] for one in names[1]]


def test_a_run_rehearses_no_more_than_it_may_and_learns_from_it_in_later_rounds(tmp_path: Path, easy: Path) -> None:
    world = ("--scene", "place", "--shift", "camera-bump:1", "--base", easy, "--seed", 7)
    few = ("--episodes", 2, "--steps", 6, "--evaluation", 1, "--iterations", 2)
    words = (*world, *few, "--calibrate", "off", "--session", "long")
    run = ask(tmp_path, "improve", *words, "--rounds", 2, "--replay-demos", 3, "--max-episodes", 6)
    first = run["rounds"][0]
    assert first["rehearsed"] == 2, "six, and practice and the gate want four"
    (tmp_path / "other").mkdir()
    run = ask(tmp_path / "other", "improve", *words, "--rounds", 2, "--replay-demos", 3)
    assert [done["rehearsed"] for done in run["rounds"]] == [3, 0]
    names = [path.name for path in rehearsed(tmp_path / "other")]
    later = [name.split()[0] for name in lineage(tmp_path / "other", run["rounds"][1]["adapter"])["recordings"]]
    assert {f"long/{name}" for name in names} <= set(later)


def test_what_is_measured_comes_first(tmp_path: Path) -> None:
    world = ("--scene", "place", "--shift", "actuator-gain", "--seed", 7)
    words = ("--episodes", 4, "--evaluation", 1, "--rounds", 1, "--iterations", 1)
    run = ask(tmp_path, "improve", *world, *words, "--replay-demos", 2)
    (done,) = run["rounds"]
    assert "actuators" in done["reason"]
    assert done["rehearsed"] == 0


def test_a_base_that_remembers_nothing_is_refused_before_anything_moves(tmp_path: Path) -> None:
    bare = Path(shutil.copytree(checkpoint.SHIPPED, tmp_path / "base"))
    (bare / TRAJECTORIES).unlink()
    told = refused(tmp_path, "improve", *RUN, "--replay-demos", 2, "--base", bare)
    assert "this base has no trajectories of sim:write: leave --replay-demos out" in told
    assert not list((tmp_path / "recordings").rglob("*.hdf5"))
    (bare / TRAJECTORIES).write_bytes(b"half")
    assert "is damaged" in refused(tmp_path, "improve", *RUN, "--replay-demos", 2, "--base", bare)
    assert json.loads((bare / "config.json").read_text())
