"""A training that ends by time, that is grown, or that ends because it makes no progress."""

import math
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from policy_examples import Quiet
from pretrain_examples import SETTINGS, Killed, Watcher, assert_same, nothing, run, state_of

from a2g_cli.core.errors import CheckpointError, UsageError
from a2g_cli.training import pretrain
from a2g_cli.training.budget import Budget, policy_budget, reference_iterations
from a2g_cli.training.device import TrainingDevice
from a2g_cli.training.pretrain import Pretraining
from a2g_cli.training.pretrain_settings import PretrainSettings, settings_for
from a2g_cli.training.progress import stalled

SHORT = replace(SETTINGS, autoencoder_iterations=6, joint_iterations=10, action_iterations=10, batch=4, save_every=5)
TIMED = replace(SHORT, minutes=0.05)
"""Three seconds, of a clock that goes on by a tenth at each look."""


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = count()
    monkeypatch.setattr(pretrain.time, "monotonic", lambda: 0.1 * next(clock))


@pytest.mark.parametrize("total", [7, 60, 7000])
def test_the_learning_rate_of_iterations_is_the_same_as_ever(total: int) -> None:
    budget = Budget(total)
    for i in range(0, total, max(1, total // 20)):
        rise = min(1.0, (i + 1) / max(1, min(200, total // 10)))
        expected = rise * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * i / total)))
        assert budget.learning_rate(i, 1e9, 200) == expected


@pytest.mark.parametrize("rate", [3.0, 40.0])
def test_the_learning_rate_has_come_down_when_the_time_is_over_however_fast_the_machine(rate: float) -> None:
    budget = Budget(None, 10.0, 70.0)
    i, factors = 0, []
    while not budget.over(i, 10 + i / rate):
        factors.append(budget.learning_rate(i, 10 + i / rate, 20))
        i += 1
    assert i == pytest.approx(60 * rate, abs=2)
    assert factors[0] < 0.1
    assert max(factors) > 0.9
    assert factors[-1] < 0.03


def test_what_a_limit_of_time_leaves_to_each_part() -> None:
    settings = PretrainSettings(minutes=10.0)
    late = policy_budget(settings, 900.0)
    assert policy_budget(settings, 160.0) == Budget(None, 160.0, 540.0)
    assert late.ends is not None
    assert late.ends - late.begins == pytest.approx(200), "a third, where the rest has taken too long"
    assert reference_iterations(settings, 0.1) == 600
    assert reference_iterations(settings, 1e-4) == reference_iterations(PretrainSettings(), 9.0) == 2500


@pytest.mark.usefixtures("slow")
def test_a_training_by_time_ends_at_its_limit_and_goes_on_after_a_kill(
    demonstrations: list[Path], tmp_path: Path
) -> None:
    run(tmp_path / "whole", demonstrations, settings=TIMED)
    undisturbed = state_of(tmp_path / "whole")
    assert undisturbed.seconds == pytest.approx(0.9 * 3, abs=0.2)
    with pytest.raises(Killed):
        run(tmp_path / "killed", demonstrations, Watcher("policy", 10), TIMED)
    spent = state_of(tmp_path / "killed").seconds
    assert 0 < spent < 2.5
    run(tmp_path / "killed", demonstrations, settings=TIMED)
    resumed = state_of(tmp_path / "killed")
    assert resumed.seconds == pytest.approx(undisturbed.seconds, abs=0.2)
    assert resumed.iteration == pytest.approx(undisturbed.iteration, abs=2)
    assert resumed.settings == undisturbed.settings


def test_by_time_and_by_iterations_exclude_each_other() -> None:
    with pytest.raises(UsageError, match="give one of them"):
        settings_for(iterations=100, minutes=3.0)
    assert settings_for(minutes=3.0).minutes == 3


def test_several_processes_are_told_that_time_ends_one(demonstrations: list[Path], tmp_path: Path) -> None:
    two = TrainingDevice(processes=2)
    with pytest.raises(UsageError, match="in one process"):
        Pretraining(tmp_path, demonstrations, TIMED, Quiet(), nothing, machine=two).run()


def grown(folder: Path, recordings: list[Path], settings: PretrainSettings) -> Pretraining:
    made = Pretraining(folder, recordings, settings, Quiet(), nothing, grow=True)
    made.run()
    return made


def test_a_run_is_grown_in_length_and_in_data_only_if_asked(demonstrations: list[Path], tmp_path: Path) -> None:
    few, longer = demonstrations[:4], replace(SHORT, joint_iterations=15, action_iterations=15)
    run(tmp_path, few, settings=SHORT)
    coder = state_of(tmp_path).part("model.autoencoder")
    with pytest.raises(CheckpointError, match=r"action_iterations, joint_iterations.*add --grow"):
        run(tmp_path, few, settings=longer)
    with pytest.raises(UsageError, match=r"has had 20 iterations .* give more in all"):
        grown(tmp_path, demonstrations, SHORT)
    with pytest.raises(CheckpointError, match=r"other settings \(batch, joint_iterations\)|\(action_iterations, batch"):
        grown(tmp_path, few, replace(longer, batch=6))
    made = grown(tmp_path, demonstrations, longer)
    state = state_of(tmp_path)
    assert (state.iteration, made.ended) == (30, True)
    assert state.settings["groups"] == {demonstrations[0].parent.name: len(demonstrations)}
    assert_same(coder, state.part("model.autoencoder"))
    run(tmp_path, demonstrations, settings=longer)  # the same words again: it has ended
    assert state_of(tmp_path).iteration == 30


@pytest.mark.usefixtures("slow")
def test_a_run_that_has_had_its_time_is_grown_by_more_time(demonstrations: list[Path], tmp_path: Path) -> None:
    run(tmp_path, demonstrations, settings=TIMED)
    before = state_of(tmp_path)
    grown(tmp_path, demonstrations, replace(TIMED, minutes=0.1))
    after = state_of(tmp_path)
    assert after.iteration > before.iteration
    assert after.seconds == pytest.approx(0.9 * 6, abs=0.2)
    assert after.began == before.began > 0


def row(successes: int) -> dict[str, Any]:
    return {"iteration": 1, "world": {"n": 20, "successes": successes}, "action_error": 0.1}


@pytest.mark.parametrize(
    ("evaluations", "patience", "expected"),
    [
        ([row(1), row(1), row(1)], 2, True),
        ([row(1), row(1), row(2)], 2, False),
        ([row(1), row(1)], 2, False),
        ([row(1), row(1), row(1)], 0, False),
        ([{"action_error": 0.5}, {"action_error": 0.4}, {"action_error": 0.6}], 1, True),
        ([{"action_error": 0.5}, {"action_error": 0.4}], 1, False),
        ([{"iteration": 1}, {"iteration": 2}], 1, False),
    ],
)
def test_no_progress_is_no_better_score_for_so_many_measurements(
    evaluations: list[dict[str, Any]], patience: int, expected: bool
) -> None:
    assert stalled(evaluations, patience) is expected


def test_a_training_without_progress_ends_early_and_goes_on_without_patience(
    demonstrations: list[Path], tmp_path: Path
) -> None:
    facts: list[dict[str, Any]] = []

    def trained(patience: int) -> Pretraining:
        made = Pretraining(
            tmp_path,
            demonstrations,
            replace(SHORT, patience=patience),
            Quiet(),
            lambda _i, _model, told: facts.append(told),
            evaluate=lambda _: {"world": {"n": 5, "successes": 0}},
            evaluate_every=4,
        )
        made.run()
        return made

    early = trained(2)
    assert (state_of(tmp_path).iteration, early.stopped_early, early.ended) == (12, True, True)
    assert facts[-1]["stopped_early"]
    again = trained(2)
    assert (state_of(tmp_path).iteration, again.stopped_early) == (12, True)
    late = trained(0)
    assert (state_of(tmp_path).iteration, late.stopped_early, "stopped_early" in facts[-1]) == (20, False, False)
