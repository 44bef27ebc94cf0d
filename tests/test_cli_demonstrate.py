"""``a2g demonstrate``: the simulator's expert, a world's, and functions of one's own."""

from pathlib import Path

import numpy as np
import pytest
from cli_examples import ask, refused

from a2g_cli.data.recording.reader import Recording
from a2g_cli.robots.gymnasium_goals import gym_robot
from a2g_cli.runtime.demonstrating import Pushes

FLAT = "gym_examples:Flat-v0"
WORLD = f'[robot]\ndriver = "gym:{FLAT}"\nworld = "gym_examples:PointWorld"\n'
PLAIN = f'[robot]\ndriver = "gym:{FLAT}"\nactions = ["dx", "dy"]\n'
SIMPLE = ("demonstrate", "--episodes", 3, "--session", "shown")


@pytest.fixture
def world(tmp_path: Path) -> Path:
    (tmp_path / "a2g.toml").write_text(WORLD)
    return tmp_path


def recorded(workspace: Path, session: str = "shown") -> list[Path]:
    paths = sorted((workspace / "recordings" / "sessions" / session).glob("episode-*.hdf5"))
    assert paths
    return paths


def test_a_worlds_own_expert_is_recorded_with_start_goal_and_success(world: Path) -> None:
    done = ask(world, *SIMPLE, "--seed", 4)
    assert (done["episodes"], done["failed"]) == (3, 0)
    for path in recorded(world):
        with Recording(path) as recording:
            assert recording.outcome is not None
            assert (recording.outcome.success, recording.outcome.judge) == (True, "truth")
            assert (recording.provenance.policy, recording.provenance.seed) == ("expert", 4)
            assert recording.goal.truth is not None
            assert recording.spec.action_names == ("dx", "dy")
            # It ends where the goal is, and has stayed there.
            assert np.linalg.norm(recording.proprioception[-1] - recording.goal.truth["place"]) < 0.1


def test_a_function_demonstrates_where_nobody_draws_goals(tmp_path: Path) -> None:
    (tmp_path / "a2g.toml").write_text(PLAIN)
    done = ask(tmp_path, *SIMPLE, "--expert", "gym_examples:towards")
    assert done["episodes"] == 3
    with Recording(recorded(tmp_path)[0]) as recording:
        assert recording.outcome is not None
        assert (recording.outcome.success, recording.outcome.judge) == (True, "environment")
        assert np.array_equal(recording.goal.images["front"], recording.frames("front", recording.length)[0])


def test_it_goes_on_where_it_stopped_and_makes_the_same(world: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    ask(world, *SIMPLE, "--disturb", 0.5)
    names = [path.name for path in recorded(world)]
    before = [path.read_bytes() for path in recorded(world)]
    recorded(world)[-1].unlink()
    (world / "recordings" / "sessions" / "shown" / ".episode-00002.hdf5.tmp").write_text("torn")
    done = ask(world, *SIMPLE, "--disturb", 0.5)
    assert done["episodes"] == 3
    assert [path.name for path in recorded(world)] == names
    assert [path.read_bytes() for path in recorded(world)][:2] == before[:2]
    with Recording(recorded(world)[-1]) as recording:
        actions = recording.actions
    ask(world, "demonstrate", "--episodes", 3, "--session", "again", "--disturb", 0.5)
    with Recording(recorded(world, "again")[-1]) as recording:
        assert np.array_equal(recording.actions, actions)
    assert "holds other recordings" in refused(world, *SIMPLE, "--disturb", 0.4)
    assert "holds other recordings" in refused(world, *SIMPLE, "--disturb", 0.5, "--seed", 1)


def test_to_the_end_it_goes_on_after_success(world: Path) -> None:
    ask(world, *SIMPLE, "--to-the-end", "--steps", 25)
    ask(world, *SIMPLE, "--to-the-end", "--expert", "test_cli_demonstrate:Leaving", "--session", "left")
    for path in (*recorded(world), *recorded(world, "left")):
        with Recording(path) as recording:
            assert recording.outcome is not None
            assert recording.outcome.success
            assert recording.length == (25 if "shown" in str(path) else 21)
    assert "--to-the-end differ" in refused(world, *SIMPLE)


class Leaving:
    """It stays for a while where it was to go, and ends."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, seen: np.ndarray) -> np.ndarray | None:
        self.count += 1
        action: np.ndarray = np.clip((seen[2:] - seen[:2]) / 0.1, -1, 1)
        return action if self.count <= 21 else None


def test_failures_are_left_out_unless_they_are_wanted(world: Path) -> None:
    standing = ("--expert", "test_cli_demonstrate:nothing", "--steps", 3)
    message = refused(world, *SIMPLE, *standing, code=1)
    assert "50 demonstrations in a row did not reach their goal (0 are kept)" in message
    done = ask(world, *SIMPLE, *standing, "--keep-failures", "--session", "failed")
    assert (done["episodes"], done["failed"]) == (3, 3)


def nothing(seen: object) -> list[float]:
    return [0.0, 0.0]


def three(seen: object) -> list[float]:
    return [0.0, 0.0, 0.0]


def failing(seen: object) -> None:
    raise ValueError("no plan")


class Counting:
    """It remembers, and is made anew for each episode."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, seen: object) -> list[float] | None:
        self.count += 1
        return [0.0, 0.0] if self.count <= 2 else None


def test_an_expert_that_remembers_is_made_anew_for_each_episode(world: Path) -> None:
    ask(world, *SIMPLE, "--expert", "test_cli_demonstrate:Counting", "--keep-failures")
    for path in recorded(world):
        with Recording(path) as recording:
            assert recording.length == 2


@pytest.mark.parametrize(
    ("expert", "code", "words"),
    [
        ("test_cli_demonstrate:three", 1, "expected 2 finite numbers (dx, dy)"),
        ("test_cli_demonstrate:failing", 1, "failed in its call (test_cli_demonstrate.py"),
        ("test_cli_demonstrate:WORLD", 2, "expected a function from an observation to an action"),
        ("no_such_module:expert", 2, "there is no module 'no_such_module'"),
        ("nobody", 2, "unknown expert 'nobody'"),
    ],
)
def test_an_expert_that_is_none_is_refused_in_a_line(world: Path, expert: str, code: int, words: str) -> None:
    assert words in refused(world, *SIMPLE, "--expert", expert, code=code)


def test_a_robot_without_an_expert_is_refused_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "a2g.toml").write_text(PLAIN)
    assert "has no expert of its own: name one" in refused(tmp_path, *SIMPLE)


def test_the_simulators_expert_demonstrates_too(tmp_path: Path) -> None:
    done = ask(tmp_path, "demonstrate", "--episodes", 1, "--disturb", 1, "--seed", 2, "--session", "shown")
    assert done["episodes"] == 1
    with Recording(recorded(tmp_path)[0]) as recording:
        assert recording.provenance.settings["disturbance"] == 1
        assert recording.outcome is not None
        assert recording.outcome.success


def test_pushes_are_rare_bounded_and_on_displacements_alone() -> None:
    spec = gym_robot(FLAT, actions=["dx", "gripper"]).spec
    random = np.random.default_rng(0)
    pushes = Pushes(spec, 1.0, random)
    pushed = np.array([pushes.push(np.zeros(2, np.float32)) for _ in range(500)])
    assert np.all(pushed[:, 1] == 0.0)
    assert 0.1 < np.mean(pushed[:, 0] != 0.0) < 0.6
    assert np.abs(pushed).max() <= 0.84
    none = Pushes(spec, 0.0, random)
    assert not none.push(np.zeros(2, np.float32)).any()
