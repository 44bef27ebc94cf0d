"""What adapting forgets: measured, held, and shown again by demonstrations that are mixed in."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from adapt_examples import SETTINGS, applied, make
from policy_examples import encoded, frames, network, retention, segments
from safetensors.torch import load_file

from a2g_cli.adapters import files
from a2g_cli.core.errors import A2GError
from a2g_cli.encoding.episodes import EncodedEpisode, split
from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.training.batch_sources import HindsightBC
from a2g_cli.training.cotraining import Cotraining
from a2g_cli.training.finetune import settings_from
from a2g_cli.training.retention import nominal_error
from a2g_cli.training.retention_set import Retention


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("adapters") / "one").folder


def test_what_adapting_cost_is_measured_on_what_the_practised_robot_was_shown(made: Path, tmp_path: Path) -> None:
    kept = retention(network(), ("sim:other", "sim:example"))
    result = make(tmp_path / "one", kept=kept)
    own = kept.of("sim:example")
    expected = {"retention_before": network(), "retention_after": applied(result.folder)}
    for name, model in expected.items():
        assert result.losses[name] == pytest.approx(nominal_error(model, own), rel=1e-4)
    assert result.losses["retention_before"] != result.losses["retention_after"]
    lineage = json.loads((result.folder / files.LINEAGE).read_text())
    assert lineage["losses"]["retention_after"] == round(result.losses["retention_after"], 5)
    # It is information: nothing is learned from it.
    assert (result.folder / files.WEIGHTS).read_bytes() == (made / files.WEIGHTS).read_bytes()
    child = make(tmp_path / "two", parent=files.read(result.folder), kept=kept)
    assert child.losses["retention_before"] == pytest.approx(result.losses["retention_after"], rel=1e-4)


@pytest.mark.parametrize("method", ["lora", "full"])
def test_holding_the_features_keeps_them_near_the_base_s(tmp_path: Path, method: str) -> None:
    kept = retention(network(), each=32)
    settings = replace(SETTINGS, iterations=40, lr=1e-2, held_out=0.0, method=method)
    free, held = (
        make(tmp_path / name, settings=replace(settings, feature_alignment=weight), kept=kept)
        for name, weight in (("free", 0.0), ("held", 100.0))
    )
    assert held.losses["drift"] > 0
    drifts = [drift(applied(one.folder), kept) for one in (free, held)]
    assert drifts[1] < 0.2 * drifts[0]
    assert held.losses["retention_after"] != free.losses["retention_after"]
    # Nothing of it is there where it was not asked for: what a base keeps is then looked at, not learned from.
    assert "drift" not in free.losses


@torch.no_grad()
def drift(model: Act2Goal, kept: Retention) -> float:
    """1 - cosine between the hidden states of ``model`` and of the base, from the outside."""
    inputs = (
        kept.now.float(),
        kept.goal.float(),
        frames(model, len(kept), model.config.frames),
        torch.zeros(len(kept)),
    )
    both = zip(model.world_model(*inputs)[1], network().world_model(*inputs)[1], strict=True)
    return float(torch.stack([1 - torch.cosine_similarity(a, b, dim=-1).mean() for a, b in both]).mean())


def test_a_base_that_keeps_nothing_is_held_to_itself_on_the_batches(tmp_path: Path) -> None:
    result = make(tmp_path / "one", settings=replace(SETTINGS, feature_alignment=10.0))
    assert result.losses["drift"] > 0


# -- demonstrations beside practice ------------------------------------------------------------------------------------------


def demonstrated(count: int = 3, **changed: Any) -> list[EncodedEpisode]:
    """Episodes of other bytes than practice."""
    made = encoded(network(), (7,) * count, seed=5)
    return [replace(one, name=f"home/{i}.hdf5 {1000 + i:016x}", **changed) for i, one in enumerate(made)]


@pytest.mark.parametrize(("share", "shown"), [(0.5, 8), (0.3, 5), (0.01, 0), (0.99, 15)])
def test_the_share_of_a_batch_is_demonstrations_and_of_its_loss_as_well(share: float, shown: int) -> None:
    model = network()
    practice, other = segments(model), segments(model, (30,) * 3, seed=6)
    batch_source = Cotraining(HindsightBC(practice, model, 5.0), other, share, model.config.hashing)
    made = batch_source.batch(16, {"final": 1.0}, torch.Generator().manual_seed(0))
    known = {tuple(row) for row in other.proprioception.tolist()}
    is_shown = torch.tensor([tuple(row) in known for row in made["proprioception"].tolist()])
    assert int(is_shown.sum()) == shown
    assert {len(value) for value in made.values()} == {16}
    weight = made["weight"]
    assert shown == 15 or float(weight[~is_shown].std()) > 0
    assert float(weight[is_shown].sum() / weight.sum()) == pytest.approx(shown / 16, rel=1e-4)


def test_demonstrations_are_learned_from_and_named_and_judge_nothing(made: Path, tmp_path: Path) -> None:
    shown = demonstrated()
    settings = replace(SETTINGS, cotrain=0.5, demonstrations=["home"])
    result = make(tmp_path / "one", settings=settings, shown=shown)
    lineage = json.loads((result.folder / files.LINEAGE).read_text())
    assert lineage["demonstrations"] == [one.name for one in shown]
    assert (lineage["settings"]["cotrain"], lineage["settings"]["demonstrations"]) == (0.5, ["home"])
    before = json.loads((made / files.LINEAGE).read_text())
    assert lineage["recordings"] == before["recordings"]
    assert before["demonstrations"] == []
    # What is held out is practice, as without them.
    assert lineage["losses"]["held_out_before"] == before["losses"]["held_out_before"]
    assert lineage["losses"]["held_out_after"] != before["losses"]["held_out_after"]
    assert (result.folder / files.WEIGHTS).read_bytes() != (made / files.WEIGHTS).read_bytes()


def test_a_demonstration_that_is_held_out_is_not_trained_on(tmp_path: Path) -> None:
    shown = demonstrated(8)
    _, held = split([one.name for one in shown], 0.4)
    assert held
    for i in held:
        shown[i].whole.actions[:] = float("nan")
    result = make(tmp_path / "one", settings=replace(SETTINGS, cotrain=0.5, demonstrations=["home"]), shown=shown)
    assert all(value.isfinite().all() for value in load_file(result.folder / files.WEIGHTS).values())


@pytest.mark.parametrize(
    ("mix", "shown", "match"),
    [
        (0.5, [], "give both, or neither"),
        (0.0, demonstrated(), "give both, or neither"),
        (0.5, demonstrated(robot="sim:other"), "recorded with the robot sim:other, but practice with sim:example"),
        (0.5, encoded(network())[:1], "named as practice and as a demonstration"),
    ],
    ids=range(4),
)
def test_demonstrations_that_cannot_be_mixed_in_are_refused(
    tmp_path: Path, mix: float, shown: list[EncodedEpisode], match: str
) -> None:
    with pytest.raises(A2GError, match=match):
        make(tmp_path / "one", settings=replace(SETTINGS, cotrain=mix), shown=shown)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"cotrain": 0.5}, "give both"),
        ({"demonstrations": ["home"]}, "give both"),
        ({"cotrain": 1.0, "demonstrations": ["home"]}, "below 1"),
        ({"cotrain": -0.1, "demonstrations": ["home"]}, "below 1"),
        ({"cotrain": float("nan"), "demonstrations": ["home"]}, "below 1"),
        ({"feature_alignment": float("inf")}, "--feature-alignment .*expected a weight"),
        ({"feature_alignment": -1.0}, "--feature-alignment .*expected a weight"),
        ({"feature_alignment": 1.0, "placement": "expert"}, "does not adapt the world model"),
        ({"method": "dorra"}, "did you mean dora"),
        ({"method": "full", "rank": 8}, "has no rank"),
    ],
    ids=str,
)
def test_settings_that_contradict_themselves_are_refused(given: dict[str, Any], match: str) -> None:
    with pytest.raises(A2GError, match=match):
        settings_from(**given)
