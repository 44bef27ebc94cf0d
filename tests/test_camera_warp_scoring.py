"""Episodes are scored through the camera warp of the policy that acted: the heads then see images as in training."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from cli_examples import ask

from a2g_cli.adapters.registry import AdapterRegistry
from a2g_cli.calibration import nominal
from a2g_cli.calibration.domain_switch import DomainDetector
from a2g_cli.calibration.estimate import estimate_transform
from a2g_cli.calibration.goal_distance import GoalScorer, goal_distance
from a2g_cli.calibration.transform import IDENTITY, DomainTransform
from a2g_cli.core.types import Goal, Observation
from a2g_cli.core.workspace import Workspace
from a2g_cli.data.recording.reader import Recording
from a2g_cli.encoding.episodes import EncodedEpisode
from a2g_cli.improvement.scoring import EpisodeScorer
from a2g_cli.models import checkpoint
from a2g_cli.robots.sim import SimRobot
from a2g_cli.runtime.policy_factory import PolicyFactory

SCENE, SHIFT = "plug", "camera-bump:1"


@pytest.fixture(scope="module")
def encoded(practice: Callable[[str, str], list[EncodedEpisode]]) -> list[EncodedEpisode]:
    return practice(SCENE, SHIFT)


@pytest.fixture(scope="module")
def measured(encoded: list[EncodedEpisode]) -> DomainTransform:
    known = nominal.load_nominal(checkpoint.SHIPPED)
    assert known is not None
    found = estimate_transform(checkpoint.load(), known, encoded)
    assert found.camera_warps
    return found


@pytest.fixture
def scorer(measured: DomainTransform, monkeypatch: pytest.MonkeyPatch) -> EpisodeScorer:
    """What sees a workspace whose one adapter, ``moved``, carries what was measured."""

    def calibration(_: PolicyFactory, name: str) -> DomainTransform:
        return measured if name == "moved" else IDENTITY

    monkeypatch.setattr(PolicyFactory, "calibration", calibration)
    factory = PolicyFactory.__new__(PolicyFactory)
    factory.folder, factory.spec = checkpoint.SHIPPED, SimRobot(SCENE).spec
    return EpisodeScorer(factory)


def test_through_the_measured_view_practice_is_seen_to_arrive(
    scorer: EpisodeScorer, encoded: list[EncodedEpisode]
) -> None:
    paths = [one.path for one in encoded]  # the expert's, who arrives each time
    assert sum(scorer.arrived(path, "moved") for path in paths) >= 5
    through, as_is = ([scorer.left(path, name) for path in paths] for name in ("moved", "base"))
    assert np.mean(through) < np.mean(as_is)
    assert scorer.same_views("moved", "moved")
    assert not scorer.same_views("moved", "base")
    before, after = scorer.sides("moved", encoded[:2], encoded[2:])
    assert before + after == through


def looked_at(shift: str) -> tuple[Goal, Observation, Observation]:
    """A goal, a start, and what is seen where it is reached but for some centimetres of the arm."""
    robot = SimRobot(SCENE, shift)
    robot.connect()
    try:
        trial = robot.trial("practice", 1, 0)
        assert trial.goal.truth is not None
        robot.begin(trial.start)
        first = robot.observe()
        there = dict(trial.goal.truth)
        there["tool"] = np.add(there["tool"], (0.01, 0.02, 0.02, 0.0)).tolist()
        robot.begin(there)
        return trial.goal, first, robot.observe()
    finally:
        robot.close()


def test_a_camera_that_was_put_back_is_looked_through_as_it_is(measured: DomainTransform) -> None:
    model, known = checkpoint.load(), nominal.load_nominal(checkpoint.SHIPPED)
    assert known is not None
    scorer = GoalScorer(model, measured, DomainDetector(model, known, measured))
    for shift, expected in ((SHIFT, measured), ("none", IDENTITY)):
        goal, first, last = looked_at(shift)
        brought, as_is = (goal_distance(model, first.images, last.images, goal, one) for one in (measured, IDENTITY))
        assert brought != as_is
        assert scorer.score(first, last, goal) == (brought if expected is measured else as_is)


def test_a_run_is_judged_through_the_view_of_whoever_acts(
    measured: DomainTransform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("--scene", SCENE, "--shift", SHIFT)
    ask(tmp_path, "capture-goal", "peg", *words)
    monkeypatch.setattr(PolicyFactory, "calibration", lambda _, name: measured if name == "base" else IDENTITY)
    ask(tmp_path, "run", "peg", *words, "--adapter", "base", "--steps", 3, "--judge", "policy", code=5)
    (path,) = (tmp_path / "recordings").rglob("episode-*.hdf5")
    model = checkpoint.load()
    with Recording(path) as recording:
        first, last, goal = recording.observation(0), recording.observation(recording.length), recording.goal
        told = recording.outcome.steps_to_go
    brought, as_is = (goal_distance(model, first.images, last.images, goal, one) for one in (measured, IDENTITY))
    assert told == pytest.approx(brought.steps_to_go, rel=1e-4)
    assert told != pytest.approx(as_is.steps_to_go, rel=1e-2)


def test_whether_a_goal_holds_already_is_seen_by_whoever_acts_then(scorer: EpisodeScorer) -> None:
    goal, first, _ = looked_at(SHIFT)
    acting = ["base"]
    satisfied = scorer.satisfied(lambda: acting[-1])
    assert not satisfied(goal.images, goal), "through a camera that was moved its head knows no goal from itself"
    assert not satisfied(first.images, goal)
    acting.append("moved")
    assert satisfied(goal.images, goal)
    assert not satisfied(first.images, goal)


def test_the_base_is_looked_at_as_it_is_and_the_floors_by_nobody(tmp_path: Path) -> None:
    factory = PolicyFactory(checkpoint.SHIPPED, AdapterRegistry(Workspace(tmp_path)), SimRobot().spec)
    assert factory.goal_scorer("still") is None
    scorer = factory.goal_scorer("base")
    assert scorer is not None
    assert not scorer.transform
    assert scorer.detector is None
