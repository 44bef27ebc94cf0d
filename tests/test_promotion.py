"""The gate: what measures worse does not act."""

import json
import math

import numpy as np
import pytest

from a2g_cli.adapters.files import Adapter
from a2g_cli.improvement.gate import decide, record_decision, sprt_stop, veto_if_worse

FELL = {"first": 0.5, "last": 0.3, "held_out_before": 0.5, "held_out_after": 0.4}
ROSE = {**FELL, "held_out_after": 0.9}


def test_a_candidate_that_arrives_more_often_is_promoted_and_one_that_arrives_less_is_not() -> None:
    few, many = [1.0] * 5 + [30.0] * 15, [1.0] * 12 + [30.0] * 8
    assert decide(few, many, FELL, 10.0).promoted
    refused = decide(many, few, FELL, 10.0)
    assert not refused.promoted
    assert "New adapter 5/20, old 12/20 on the same trials (policy's estimate)" in refused.reason


@pytest.mark.parametrize("ends", [[1.0] * 20, [20.0] * 20, list(np.random.default_rng(0).uniform(0, 30, 20))])
def test_a_draw_keeps_the_parent_unless_nothing_was_trained(ends: list[float]) -> None:
    refused = decide(ends, ends[::-1], FELL, 10.0)
    assert not refused.promoted
    assert decide(ends, ends[::-1], {}, 10.0).promoted, "what was measured is not held against luck"
    assert not decide([1.0] * 20, [20.0] + [1.0] * 19, {}, 10.0).promoted


def test_a_view_that_sees_arrivals_everywhere_does_not_judge_itself_alone() -> None:
    many, few, none = [1.0] * 8, [1.0] * 5 + [30.0] * 3, [30.0] * 8
    promoted = decide(many, many, {}, 10.0)
    refused = veto_if_worse(promoted, many, few, 10.0)
    assert not refused.promoted
    assert "but new adapter 5/8, old 8/8 on the uncorrected images" in refused.reason
    assert veto_if_worse(promoted, none, none, 10.0) == promoted, "who sees nothing says nothing"
    assert veto_if_worse(promoted, many, [1.0] * 6 + [30.0] * 2, 10.0) == promoted, "two of eight are chance"
    kept = decide(many, none, {}, 10.0)
    assert veto_if_worse(kept, none, many, 10.0) == kept


def arrivals(rng: np.random.Generator, rate: float, n: int = 20) -> list[float]:
    """Return steps left of ``n`` episodes, of which about ``rate`` arrived below 10."""
    return [1.0 if solved else 30.0 for solved in rng.random(n) < rate]


@pytest.mark.parametrize(
    ("parent", "candidate", "least", "most"),
    [(0.9, 0.5, 0, 0), (0.9, 0.8, 0, 5), (0.9, 0.9, 0, 12), (0.5, 0.9, 85, 100)],
)
def test_stopping_early_changes_hardly_any_verdict(parent: float, candidate: float, least: int, most: int) -> None:
    rng, promoted, needed = np.random.default_rng(0), 0, []
    for _ in range(500):
        trials = arrivals(rng, parent), arrivals(rng, candidate)
        n = next((k for k in range(1, 20) if sprt_stop(*(one[:k] for one in trials), 10.0)), 20)
        promoted += decide(*(one[:n] for one in trials), FELL, 10.0).promoted
        needed.append(n)
    assert least <= promoted / 5 <= most
    assert np.mean(needed) < (12 if abs(parent - candidate) > 0.3 else 20)


def test_a_lead_that_chance_makes_of_equals_keeps_the_parent() -> None:
    for lead in (1, 2, 3):
        parent, candidate = [1.0] * 10 + [30.0] * 10, [1.0] * (10 + lead) + [30.0] * (10 - lead)
        assert decide(parent, candidate, FELL, 10.0).promoted == (lead == 3)
        assert decide(parent, candidate, {}, 10.0).promoted, "a calibration has to be no worse"


@pytest.mark.parametrize(
    ("old", "new", "trials", "said"),
    [
        (0, 5, 8, "New adapter 5/8, old 0/8 on the same trials (policy's estimate)"),
        (1, 2, 8, "; this may be chance: a lead of 3 is needed"),
        (2, 2, 8, "; a draw keeps the old one: a lead of 3 is needed"),
        (3, 1, 8, "New adapter 1/8, old 3/8 on the same trials (policy's estimate)"),
        (0, 2, 2, "a lead of 3 is needed. 2 trials are too few for that: practise with more --episodes"),
        (1, 1, 1, "1 trial is too few for that: practise with more --episodes"),
    ],
)
def test_the_reason_says_in_plain_words_what_decided(old: int, new: int, trials: int, said: str) -> None:
    sides = [[1.0] * count + [30.0] * (trials - count) for count in (old, new)]
    decision = decide(*sides, FELL, 10.0)
    assert decision.reason.endswith(said)
    assert decision.promoted == (new - old >= 3)
    if new >= old and trials == 8:
        measured = decide(*sides, {}, 10.0)
        assert measured.promoted
        assert ("not worse" in measured.reason) == (new - old < 3)


@pytest.mark.parametrize(("fell", "enough"), [(0.5, True), (0.79, True), (0.81, False), (1.05, False)])
def test_what_rehearsals_show_has_to_act_no_worse(fell: float, enough: bool) -> None:
    losses = FELL | {"rehearsed_before": 0.4, "rehearsed_after": 0.4 * fell}
    for won, promoted in ((0, enough), (2, enough), (3, True)):
        parent, candidate = [1.0] * 10 + [30.0] * 10, [1.0] * (10 + won) + [30.0] * (10 - won)
        decision = decide(parent, candidate, losses, 10.0)
        assert decision.promoted == promoted
        assert ("held-out replayed episodes fell from 0.400" in decision.reason) == enough
    assert not decide([1.0] * 11 + [30.0] * 9, [1.0] * 10 + [30.0] * 10, losses, 10.0).promoted, "but not worse"
    assert not decide([], [], losses | {"held_out_after": 9.0}, 10.0).promoted
    assert not decide(parent, candidate, {"rehearsed_before": 0.4}, 10.0).reason.endswith("0.400")


def test_four_trials_that_one_alone_solved_are_enough_and_three_are_not() -> None:
    for won in (3, 4):
        assert sprt_stop([30.0] * won, [1.0] * won, 10.0) == (won == 4)
        assert sprt_stop([1.0] * won, [30.0] * won, 10.0) == (won == 4)
    assert not sprt_stop([1.0, 30.0] * 10, [30.0, 1.0] * 10, 10.0)
    assert not sprt_stop([], [], 10.0)


def test_how_far_a_failure_ended_does_not_decide() -> None:
    parent, candidate = [1.0] * 10 + [12.0] * 10, [1.0] * 13 + [5000.0] * 7
    assert decide(parent, candidate, FELL, 10.0).promoted


@pytest.mark.parametrize("share", [0.0, 0.2])
def test_a_collapse_is_always_refused(share: float) -> None:
    rng = np.random.default_rng(1)
    for _ in range(200):
        parent = np.where(rng.random(20) < 0.7, 1.0, 30.0)
        candidate = np.where(rng.random(20) < share, 1.0, 30.0)
        if (parent < 10).sum() >= 8 + (candidate < 10).sum():
            assert not decide(parent, candidate, FELL, 10.0).promoted


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_is_refused_whatever_the_rollouts_say(broken: float) -> None:
    decision = decide([20.0] * 10, [1.0] * 10, {**FELL, "last": broken}, 10.0)
    assert not decision.promoted
    assert "not finite" in decision.reason


def test_a_held_out_loss_that_rose_is_refused_and_the_reason_tells_the_numbers() -> None:
    for rollouts in ([], [20.0] * 10):
        decision = decide(rollouts, [1.0] * len(rollouts), ROSE, 10.0)
        assert not decision.promoted
        assert "from 0.500 to 0.900" in decision.reason


def test_without_rollouts_the_held_out_loss_decides_and_without_both_nothing_is_promoted() -> None:
    assert decide([], [], FELL, 10.0).promoted
    for after in (0.5, 0.54):
        draw = decide([], [], FELL | {"held_out_after": after}, 10.0)
        assert not draw.promoted
        assert "a draw keeps the old one" in draw.reason
    nothing = decide([], [], {"first": 0.5, "last": 0.3}, 10.0)
    assert not nothing.promoted
    assert "Too few episodes to test it" in nothing.reason


def test_without_rollouts_an_adapter_that_is_lost_at_home_is_not_trusted() -> None:
    astray = {**FELL, "retention_before": 0.4, "retention_after": 2.2}
    refused = decide([], [], astray, 10.0)
    assert not refused.promoted
    assert "err by 2.20" in refused.reason
    assert decide([], [], {**astray, "retention_after": 0.5}, 10.0).promoted
    assert decide([], [], {**astray, "retention_before": 2.5}, 10.0).promoted, "its parent is for another world already"
    assert decide([30.0] * 8, [1.0] * 8, astray, 10.0).promoted, "rollouts say more: motors may be wired the other way"


def test_the_decision_becomes_part_of_the_lineage(tmp_path) -> None:  # type: ignore[no-untyped-def]
    adapter = Adapter("mine", tmp_path, 4, 4.0, {"base": "b", "promotion": None})
    record_decision(adapter, decide([9.0] * 5, [2.0] * 5, FELL, 10.0))
    lineage = json.loads((tmp_path / "lineage.json").read_text())
    assert lineage["base"] == "b"
    assert lineage["promotion"]["promoted"] is False
    assert lineage["promotion"]["measured"]["episodes"] == 5
    assert [lineage["promotion"]["measured"][key] for key in ("won", "lost")] == [0, 0]
    assert [path.name for path in tmp_path.iterdir()] == ["lineage.json"]
