"""An arm that nobody can put into a chosen start, and that cannot tell what is true, practises all the same."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_examples import a2g, ask, refused

from a2g_cli.core import plugins
from a2g_cli.core.types import Observation, Vector
from a2g_cli.data.recording.reader import Recording
from a2g_cli.robots.base import InstrumentedRobot, RestPoseRobot, Robot
from a2g_cli.robots.sim import SimRobot

SETTINGS = ("--judge", "policy", "--rounds", 1, "--episodes", 3, "--steps", 4, "--iterations", 1, "--session", "long")
CONNECTED: list[str] = []


class Arm:
    """The simulator as hardware is: to be connected once, looked through, and moved; nothing else."""

    def __init__(self) -> None:
        self._sim = SimRobot("place")
        self.spec, self.clock, self.safety = self._sim.spec, self._sim.clock, self._sim.safety

    def connect(self) -> None:
        assert not CONNECTED, "an arm answers to one program at a time"
        CONNECTED.append("arm")
        self._sim.connect()

    def observe(self) -> Observation:
        return self._sim.observe()

    def act(self, action: Vector) -> Vector:
        return self._sim.act(action)

    def reset(self) -> None:
        CONNECTED.append("reset")
        self._sim.reset()

    def rest(self) -> None:
        self._sim.rest()

    def close(self) -> None:
        CONNECTED.clear()
        self._sim.close()


@pytest.fixture
def arm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with two goals and an arm in it."""
    for name, seed in (("here", 1), ("there", 2)):
        a2g(tmp_path, "capture-goal", name, "--robot", "sim:place", "--seed", seed)
    load = plugins.load
    monkeypatch.setattr(plugins, "load", lambda kind, name: Arm if name == "arm" else load(kind, name))
    return tmp_path


def names(of: list[dict[str, Any]], key: str) -> list[Any]:
    return [one[key] for one in of]


def test_it_is_no_simulator() -> None:
    arm: Robot = Arm()
    assert not isinstance(arm, InstrumentedRobot | RestPoseRobot)


def test_it_practises_named_goals_with_its_own_resets(arm: Path, easy: Path) -> None:
    document = ask(arm, "improve", "here", "there", "--robot", "arm", "--base", easy, *SETTINGS)
    assert (document["before"], document["after"]) == (None, None)
    assert document["in_distribution"] == {"before": None, "after": None}
    done = document["rounds"][0]
    before = {name: one["before"] for name, one in document["goals"].items()}
    assert {name: (one["n"], one["successes"], one["judge"]) for name, one in before.items()} == {
        "here": (2, 2, "policy"),
        "there": (1, 1, "policy"),
    }
    acting = {one["after"]["adapter"] for one in document["goals"].values()}
    assert acting == {done["adapter"] if done["promoted"] else "base"}
    said = a2g(arm, "improve", "--resume", "long").stdout
    assert "each goal in the first and the last round of practice (policy's estimate; no held-out trials)" in said
    assert "there, before" in said
    assert done["episodes"] == 3
    assert done["set_ups"] == 3 + done["gate_episodes"]
    asked = []
    for path in sorted((arm / "recordings/sessions/long").glob("episode-*.hdf5")):
        with Recording(path) as recording:
            asked.append(recording.goal.name)
            assert recording.outcome.success is None, "nobody told"
    assert asked[:3] == ["here", "there", "here"]
    assert CONNECTED == []


def test_it_practises_in_a_cycle(arm: Path, hard: Path) -> None:
    words = ("--robot", "arm", "--reset", "cycle", "--base", hard, *SETTINGS)
    done = ask(arm, "improve", "here", "there", *words)["rounds"][0]
    assert done["set_ups"] < done["episodes"] + done["gate_episodes"]


def test_a_person_puts_the_scene_back(arm: Path, easy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def asking(_seconds: float, _told: object, _interrupted: object) -> Callable[[str], bool]:
        return lambda goal: asked.append(goal) is None

    monkeypatch.setattr("a2g_cli.cli.commands.improve.ask_for_key", asking)
    words = ("--robot", "arm", "--reset", "prompt", "--base", easy, *SETTINGS)
    done = ask(arm, "improve", "here", *words)["rounds"][0]
    assert asked == ["here"] * (3 + done["gate_episodes"])
    assert done["set_ups"] == len(asked)
    assert "reset" not in CONNECTED


def test_it_says_what_its_policy_saw(arm: Path, easy: Path) -> None:
    result = a2g(arm, "improve", "here", "there", "--robot", "arm", "--base", easy, *SETTINGS)
    assert "policy's estimate" in result.stdout
    assert "round 1" in result.stdout


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ((), "name the goals to practise"),
        (("here", "--reset", "cycle"), "two goals"),
        (("here", "--reset", "rest-pose"), "rest pose"),
        (("--reset", "prompt"), "name the goals to practise"),
    ],
)
def test_what_it_cannot_do_is_one_line(arm: Path, easy: Path, words: tuple[str, ...], part: str) -> None:
    assert part in refused(arm, "improve", *words, "--robot", "arm", "--base", easy, *SETTINGS)
    assert CONNECTED == []


def test_nobody_can_put_a_simulator_s_scene_back(arm: Path, easy: Path) -> None:
    words = ("--robot", "sim:place", "--reset", "prompt", "--base", easy, *SETTINGS)
    assert "use --reset own" in refused(arm, "improve", "here", *words)
