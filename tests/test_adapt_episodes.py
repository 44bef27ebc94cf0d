"""How an adaptation weighs its episodes, and which it holds out to measure the loss."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from adapt_examples import BASE, SETTINGS, make
from policy_examples import Quiet, batch, encoded, network, segments
from safetensors.torch import load_file

from a2g_cli.adapters import files
from a2g_cli.encoding.episodes import split
from a2g_cli.training.batch_sources import HindsightBC, hindsight_weights
from a2g_cli.training.finetune import Finetuning, finetune


@torch.no_grad()
def test_a_way_as_fast_as_expected_weighs_one_and_slower_ones_ever_less() -> None:
    model = network()
    given = batch(model, 50)
    expected = model.steps_to_go.steps(given["now"], given["goal"])
    for late, weight in ((-5.0, 1.0), (0.0, 1.0), (10.0, 0.36788), (20.0, 0.13534)):  # e^-1, e^-2 at patience 10
        weights = hindsight_weights(model, {**given, "steps_to_go": expected + late}, patience=10.0)
        torch.testing.assert_close(weights, torch.full((50,), weight), atol=1e-4, rtol=0)


def test_without_patience_all_weigh_alike(tmp_path: Path) -> None:
    assert make(tmp_path / "one", settings=replace(SETTINGS, slowness_tau=0.0, iterations=2)).mean_weight == 1.0
    assert 0 < make(tmp_path / "two", settings=replace(SETTINGS, slowness_tau=1.0, iterations=2)).mean_weight < 1


def recordings(count: int) -> list[str]:
    return [f"session/episode-{i:04d}.hdf5 {i:016x}" for i in range(count)]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 10, 57])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.2, 0.5, 0.99, 1.0])
def test_a_split_takes_every_episode_once_and_always_leaves_one_to_train(count: int, share: float) -> None:
    training, held = split(recordings(count), share)
    assert sorted(training + held) == list(range(count))
    if count:
        assert training
    if share in (0.0, 1.0):  # none are held out, or all would be
        assert not held


def test_a_split_holds_out_about_the_share_that_was_asked_for() -> None:
    for share in (0.15, 0.5, 0.8):
        _, held = split(recordings(2000), share)
        assert abs(len(held) / 2000 - share) < 0.05  # more than four standard deviations


def test_what_is_held_out_stays_so_whatever_else_is_learned_from() -> None:
    names = recordings(40)
    _, held = split(names, 0.3)
    wanted = {names[i] for i in held}
    assert wanted
    for others in (names + [f"later/{i} {1000 + i:016x}" for i in range(60)], names[::-1], names[:1] + names[15:]):
        again = {others[i] for i in split(others, 0.3)[1]}
        assert again & set(names) == wanted & set(others)
    # The contents decide, not where the file lies or what it is called.
    assert split([f"else/where {name.split()[-1]}" for name in names], 0.3) == split(names, 0.3)


def test_the_held_out_loss_is_the_same_at_every_call_and_leaves_chance_alone() -> None:
    model = network()
    work = Finetuning(model, BASE, None, SETTINGS)
    data = HindsightBC(segments(model), model, SETTINGS.slowness_tau)
    torch.manual_seed(8)
    state = torch.get_rng_state()
    first = work.held_out_loss(data)
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(5)
    assert work.held_out_loss(data) == first


def test_held_out_episodes_are_not_trained_on(tmp_path: Path) -> None:
    # Their actions are poison: had they been drawn, the weights would be NaN.
    model = network()
    episodes = encoded(model, (10,) * 8)
    _, held = split([one.name for one in episodes], 0.4)
    assert held
    for i in held:
        episodes[i].segments.actions[:] = float("nan")
    settings = replace(SETTINGS, held_out=0.4, iterations=5)
    result = finetune(model, BASE, None, episodes, tmp_path / "one", settings, Quiet())
    weights = load_file(result.folder / files.WEIGHTS)
    assert all(value.isfinite().all() for value in weights.values())
    assert math.isnan(result.losses["held_out_before"])
    assert math.isnan(result.losses["held_out_after"])
    assert math.isfinite(result.losses["last"])


def test_without_held_out_episodes_no_held_out_loss_is_told(tmp_path: Path) -> None:
    result = make(tmp_path / "one", settings=replace(SETTINGS, held_out=0.0, iterations=1))
    assert result.losses.keys() == {"first", "last"}
    assert result.episodes == 4
