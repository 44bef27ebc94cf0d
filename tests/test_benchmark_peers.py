"""What benchmarks/peers.py gives to LeRobot's policies; training and acting are tried where LeRobot can be imported."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from cli_examples import ask

from a2g_cli.core.errors import RecordingError, UsageError
from a2g_cli.data.recording.reader import Recording
from a2g_cli.policies.base import PlanRequest
from a2g_cli.robots.gymnasium_goals import gym_robot

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))
try:
    import peers
    import peers_lerobot as lerobot
finally:
    sys.path.remove(str(BENCHMARKS))

ROBOT = '[robot]\ndriver = "gym:gym_examples:Flat-v0"\nworld = "gym_examples:PointWorld"\n'
LEROBOT = all(find_spec(name) for name in ("lerobot", "torchvision", "diffusers"))


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("peers")
    (place / "a2g.toml").write_text(ROBOT)
    ask(place, "demonstrate", "--episodes", 3, "--session", "shown")
    return place


@pytest.fixture(scope="module")
def data(workspace: Path) -> lerobot.Demonstrations:
    return lerobot.Demonstrations.read(sorted((workspace / "recordings/sessions/shown").glob("episode-*.hdf5")))


def test_a_window_of_actions_ends_with_its_demonstration_and_images_are_its_own(
    workspace: Path, data: lerobot.Demonstrations
) -> None:
    config = SimpleNamespace(action_delta_indices=list(range(-1, 7)), observation_delta_indices=[-1, 0])
    with Recording(workspace / "recordings/sessions/shown/episode-00001.hdf5") as recording:
        actions, frames, goal = recording.actions, recording.frames("front"), recording.goal.images["front"]
        state = recording.proprioception
    first, last = data.first[1], data.first[1] + data.length[1] - 1
    batch = data.batch(np.array([first, last]), config)
    assert batch["action_is_pad"].tolist() == [[True, *[False] * 7], [False, False, *[True] * 6]]
    np.testing.assert_allclose(batch["action"][0], actions[[0, 0, 1, 2, 3, 4, 5, 6]])
    np.testing.assert_allclose(batch["action"][1], actions[[-2, *[-1] * 7]])
    np.testing.assert_allclose(batch["observation.state"], state[[[0, 0], [-3, -2]]])
    seen = (batch["observation.images.front"].permute(0, 1, 3, 4, 2) * 255).round().numpy()
    assert np.array_equal(seen, frames[[[0, 0], [-3, -2]]])
    shown = (batch["observation.images.goal_front"].permute(0, 1, 3, 4, 2) * 255).round().numpy()
    assert np.array_equal(shown, np.broadcast_to(goal, shown.shape))


def test_frames_without_an_action_and_a_demonstrations_last_ones_are_left_out(data: lerobot.Demonstrations) -> None:
    assert len(data.rows(0)) == data.length.sum()
    assert len(data.rows(2)) == (data.length - 2).sum()
    assert len(data.rows(10_000)) == len(data.length)


def test_a_constant_value_is_not_divided_by_zero(data: lerobot.Demonstrations) -> None:
    found = lerobot._statistics(np.ones((5, 2)))
    assert (found["std"] > 0).all()
    assert (found["max"] > found["min"]).all()
    assert found.keys() == data.statistics()["observation.images.goal_front"].keys()


def test_what_cannot_be_compared_is_refused_in_a_line(workspace: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there are no recordings"):
        lerobot.Demonstrations.read([])
    (tmp_path / "episode-00000.hdf5").write_text("torn")
    with pytest.raises(RecordingError):
        lerobot.Demonstrations.read([tmp_path / "episode-00000.hdf5"])
    given = peers.parsed(["shwon", "--workspace", str(workspace), "--peers", "cloning"])
    with pytest.raises(UsageError, match="there is no session 'shwon'"):
        peers.compare(given)
    with pytest.raises(SystemExit):
        peers.parsed(["shown", "--settings", "act=2"])


def test_without_lerobot_it_says_what_to_install_before_anything_is_trained(workspace: Path) -> None:
    words = ["shown", "--workspace", str(workspace), "--work", str(workspace / "work"), "--episodes", "1"]
    program = "import sys; sys.modules['lerobot.configs.types'] = None; import peers; peers.main(sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        cwd=BENCHMARKS,
        env={**os.environ, "PYTHONPATH": f"{BENCHMARKS.parent}:{BENCHMARKS.parent / 'tests'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "need LeRobot's policies: pip install 'lerobot>=0.4.4,<0.5'" in done.stderr.splitlines()[-1]
    assert not (workspace / "work").exists()


@pytest.mark.skipif(not LEROBOT, reason="LeRobot's policies are not installed")
@pytest.mark.parametrize(("kind", "setting"), [("act", 1), ("diffusion", 1)])
def test_lerobots_policies_train_and_act(kind: str, setting: int, data: lerobot.Demonstrations) -> None:
    done = lerobot.train(kind, setting, data, 0.02, 0, lambda text: None)
    assert done.steps >= 1
    robot = gym_robot("gym_examples:Flat-v0", world="gym_examples:PointWorld")
    robot.connect()
    trial = robot.trial("evaluation", 0, 0)  # type: ignore[attr-defined]
    robot.begin(trial.start)
    actions = []
    for _ in range(2):
        done.policy.start_episode(3, 0)
        plans = [done.policy.plan([PlanRequest(robot.observe(), trial.goal, 3, i)])[0] for i in range(3)]
        actions.append([plan.chunk for plan in plans])
    assert np.shape(actions) == (2, 3, 1, 2)
    np.testing.assert_allclose(
        actions[0], actions[1], atol=1e-6
    )  # what one episode did, the next one does not remember
    robot.close()
