"""Where to aim is found by trying: who acts with an aim that is off, what a search finds, and that a kill changes nothing."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import recording_examples
import torch
from cli_examples import ask
from kill_moments import KillMoments
from recording_examples import TINY

from a2g_cli.adapters.registry import AdapterRegistry
from a2g_cli.calibration.posterior import OffsetPrior, offset_posterior
from a2g_cli.core.types import Goal, Observation
from a2g_cli.core.workspace import Workspace
from a2g_cli.data.recording.reader import Recording
from a2g_cli.data.recording.sessions import Session
from a2g_cli.data.recording.writer import write_episode
from a2g_cli.improvement import aim_search, candidate
from a2g_cli.improvement.exploration import AIM_STD, Exploration, exploration
from a2g_cli.improvement.state import Round, load
from a2g_cli.policies.base import Plan, PlanRequest, Policy
from a2g_cli.policies.exploring import AimOffsetPolicy, can_aim

NAMES = ("z", "y", "gripper", "x")
WORDS = ("--scene", "plug", "--rounds", 1, "--episodes", 6, "--seed", 7, "--steps", 60, "--calibrate", "off")
RUN = ("socket", *WORDS, "--evaluation", 1, "--iterations", 1, "--session", "long")


class Echo(Policy):
    """A policy whose chunk is what it is told of the tool's place."""

    name = "echo"

    def plan(self, requests: Sequence[PlanRequest]) -> list[Plan]:
        return [Plan(request.observation.proprioception[None], 5.0) for request in requests]


def test_each_episode_is_told_its_own_offset_and_what_was_measured_stays() -> None:
    policy = AimOffsetPolicy(Echo(), NAMES, {0: (0.01, -0.02), 1: (0.0, 0.0)})
    assert policy.start_episode(70, 0) == {"aim_offset": [0.01, -0.02]}
    policy.start_episode(71, 1)
    measured = np.array([0.1, 0.2, 0.3, 0.4], np.float32)
    seen = Observation({}, measured.copy(), {}, 0.0)
    moved, same = policy.plan([PlanRequest(seen, Goal("goal", {}, "test"), seed, 0) for seed in (70, 71)])
    np.testing.assert_allclose(moved.chunk[0], [0.1, 0.18, 0.3, 0.41], atol=1e-7)
    np.testing.assert_array_equal(same.chunk[0], measured)
    np.testing.assert_array_equal(seen.proprioception, measured)
    policy.end_episode(70)
    with pytest.raises(KeyError):
        policy.plan([PlanRequest(seen, Goal("goal", {}, "test"), 70, 0)])


def test_only_an_arm_that_measures_x_and_y_can_aim_elsewhere() -> None:
    assert can_aim(NAMES)
    assert not can_aim(("x", "joint1"))


def test_forty_episodes_find_the_aim() -> None:
    prior = OffsetPrior(AIM_STD, aim_search.TOLERANCE, aim_search.RADIUS, aim_search.SPACING, zero=aim_search.ZERO)
    chance = torch.Generator().manual_seed(0)
    late, errors = [], []
    for _ in range(30):
        true = AIM_STD * torch.randn(2, generator=chance).double()
        tried, reached = torch.zeros(0, 2), torch.zeros(0, dtype=torch.bool)
        for _batch in range(5):
            more = offset_posterior(tried, reached, prior).draw(8, chance)
            rate = 0.9 * torch.exp(-(((more - true).norm(dim=1) / 0.008) ** 2))
            yes = torch.rand(8, generator=chance) < rate
            tried, reached = torch.cat([tried, more]), torch.cat([reached, yes])
        late.append(float(yes.double().mean()))
        errors.append(float((offset_posterior(tried, reached, prior).mean - true).norm()))
    assert np.median(errors) < 0.004
    assert np.mean(late) > 0.45, "the last episodes are good examples"


PRIOR = OffsetPrior(
    AIM_STD, aim_search.TOLERANCE, aim_search.RADIUS, aim_search.SPACING, zero=aim_search.ZERO, graded=aim_search.GRADED
)


def failures(true: torch.Tensor, count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return episodes that all failed, and how far they stayed from the goal: further, the more wrong their offset was."""
    chance = torch.Generator().manual_seed(seed)
    tried = AIM_STD * torch.randn(count, 2, generator=chance).double()
    spread = 0.4 * torch.randn(count, generator=chance).double()
    remaining = (60.0 * (tried - true).norm(dim=1) + spread).exp()
    return tried, torch.zeros(count, dtype=torch.bool), remaining


def test_failures_that_come_nearer_show_where_to_aim() -> None:
    true = torch.tensor([0.019, -0.014], dtype=torch.double)
    with_them, without = [], []
    for seed in range(12):
        tried, reached, remaining = failures(true, 40, seed)
        with_them.append(float((offset_posterior(tried, reached, PRIOR, remaining).mean - true).norm()))
        without.append(float((offset_posterior(tried, reached, PRIOR).mean - true).norm()))
    assert np.median(with_them) < 0.007
    assert np.median(without) > 0.013


def test_the_unit_of_what_remains_does_not_matter_and_unknown_values_count_for_nothing() -> None:
    tried, reached, remaining = failures(torch.tensor([0.01, 0.01], dtype=torch.double), 20, 1)
    expected = offset_posterior(tried, reached, PRIOR, remaining).weights
    torch.testing.assert_close(offset_posterior(tried, reached, PRIOR, 50 * remaining).weights, expected)
    unknown = torch.full_like(remaining, float("nan"))
    blind = offset_posterior(tried, reached, PRIOR).weights
    torch.testing.assert_close(offset_posterior(tried, reached, PRIOR, unknown).weights, blind)
    torch.testing.assert_close(offset_posterior(tried, reached, PRIOR, torch.zeros_like(remaining)).weights, blind)
    few = remaining.clone()
    few[5:] = float("nan")
    torch.testing.assert_close(offset_posterior(tried, reached, PRIOR, few).weights, blind)


def test_what_remains_does_not_outweigh_successes() -> None:
    tried, reached, remaining = failures(torch.tensor([-0.02, 0.0], dtype=torch.double), 12, 2)
    tried[:4] = torch.tensor([0.010, 0.010], dtype=torch.double)
    reached[:4] = True
    found = offset_posterior(tried, reached, PRIOR, remaining)
    assert float((found.mean - tried[0]).norm()) < 0.004


def test_an_aim_that_is_right_is_kept() -> None:
    prior = OffsetPrior(AIM_STD, aim_search.TOLERANCE, aim_search.RADIUS, aim_search.SPACING, zero=aim_search.ZERO)
    nothing = torch.zeros(0, 2), torch.zeros(0, dtype=torch.bool)
    before = offset_posterior(*nothing, prior)
    at = int(before.offsets.norm(dim=1).argmin())
    assert before.offsets[at].tolist() == pytest.approx([0.0, 0.0], abs=1e-12)
    assert float(before.weights[at]) == pytest.approx(aim_search.ZERO, abs=0.01)
    assert float(before.weights.sum()) == pytest.approx(1.0)
    tried = torch.zeros(4, 2)
    assert float(offset_posterior(tried, torch.tensor([True, True, False, True]), prior).weights[at]) > 0.6
    assert float(offset_posterior(tried, torch.zeros(4, dtype=torch.bool), prior).weights[at]) < 0.01


def aimed(path: Path, offset: tuple[float, float] | None, seed: int = 0) -> Path:
    """Write a recording whose episode aimed elsewhere by ``offset``, for goal ``seed``; return its path."""
    made = recording_examples.episode(2, seed, TINY)
    settings = {} if offset is None else {"aim_offset": list(offset)}
    made.provenance = replace(made.provenance, settings=settings)
    made.goal = recording_examples.goal(seed, TINY)
    return write_episode(path, TINY, made)


def test_how_far_successes_aimed_elsewhere(tmp_path: Path) -> None:
    one, other = aimed(tmp_path / "a.hdf5", (0.02, 0.0)), aimed(tmp_path / "b.hdf5", (0.0, 0.02))
    back, own = aimed(tmp_path / "c.hdf5", (-0.02, 0.0)), aimed(tmp_path / "d.hdf5", None)
    assert aim_search.aimed_elsewhere([]) == aim_search.aimed_elsewhere([own]) == 0.0
    assert aim_search.aimed_elsewhere([one, other]) == pytest.approx(0.02 / 2**0.5)
    assert aim_search.aimed_elsewhere([one, back]) == pytest.approx(0.0, abs=1e-9), "in no direction"
    second = aimed(tmp_path / "e.hdf5", (-0.02, 0.0), seed=1)
    assert aim_search.aimed_elsewhere([one, second]) == pytest.approx(0.02), "each goal has an aim of its own"


def done(arrived: float) -> Round:
    return Round(1, 1, 0.0, 0.0, True, "a", "", 0, arrived)


def test_it_explores_less_the_more_often_it_succeeds_and_only_where_a_photo_judges() -> None:
    assert exploration(one_by_one=False, aims=True, temperature=None, done=[]) == Exploration()
    first = exploration(one_by_one=True, aims=True, temperature=None, done=[])
    later = exploration(one_by_one=True, aims=True, temperature=None, done=[done(0.5)])
    last = exploration(one_by_one=True, aims=True, temperature=None, done=[done(0.5), done(1.0)])
    assert first.aim_std == AIM_STD
    assert first.aim_std > later.aim_std > last.aim_std > 0
    blind = exploration(one_by_one=True, aims=False, temperature=None, done=[])
    assert (blind.aim_std, blind.persistent_noise) == (0.0, 1.0)


def offsets(workspace: Path) -> list[Any]:
    """Return by which offset each practice episode of the first round aimed elsewhere."""
    progress = load(Session(workspace / "recordings" / "sessions" / "long"))
    told = []
    for name in progress.rounds[0].practice:
        with Recording(progress.session.folder / name) as recording:
            told.append(recording.provenance.settings["aim_offset"])
    return told


def test_a_named_goal_is_practised_with_other_aims_and_a_kill_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aim_search, "BATCH", 3)
    monkeypatch.setattr(candidate, "FAR", 0.0)  # as if the successes had aimed far elsewhere
    ask(tmp_path / "run" / "workspace", "capture-goal", "socket", "--seed", 3, "--scene", "plug")
    run = KillMoments(tmp_path / "run", *RUN, when=lambda state: any(one.practice for one in state.rounds))
    tried = offsets(run.workspace)
    assert len(tried) == 6
    assert [one == [0.0, 0.0] for one in tried[:3]] == [True, False, True], "the policy's own aim may be right"
    assert len({tuple(one) for one in tried}) > 1
    progress = load(Session(run.workspace / "recordings" / "sessions" / "long"))
    learned = AdapterRegistry(Workspace(run.workspace)).get(str(progress.rounds[0].candidate))
    assert learned.lineage["settings"]["iterations"] == round(candidate.FAR_FACTOR), "instead of 1"
    with Recording(progress.session.folder / progress.rounds[0].compared[0]) as recording:
        assert "aim_offset" not in recording.provenance.settings, "the gate compares without it"
    run.left(tmp_path / "killed", 2)  # the second batch is begun, and nothing of it is rolled out
    assert len(list((tmp_path / "killed").rglob("episode-*.hdf5"))) == 3
    ask(tmp_path / "killed", "improve", "--resume", "long")
    assert offsets(tmp_path / "killed") == tried
