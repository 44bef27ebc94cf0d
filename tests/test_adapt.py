"""Finetuning: the base stays, the loss falls, what is saved acts as what was trained, and a folder is whole or absent."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from adapt_examples import BASE, SETTINGS, applied, make
from policy_examples import Quiet, encoded, network, plan_inputs, segments
from safetensors.torch import load_file
from torch import Tensor

from a2g_cli.adapters import files
from a2g_cli.core.errors import A2GError, RecordingError
from a2g_cli.encoding.episodes import split
from a2g_cli.encoding.segments import join
from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.training.batch_sources import HindsightBC
from a2g_cli.training.finetune import FinetuneSettings, Finetuning, finetune
from a2g_cli.training.finetune_settings import Placement


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("adapters") / "one").folder


def plain(model: Act2Goal) -> dict[str, Tensor]:
    """A wrapped model's own weights under their first names, without LoRA's."""
    return {
        name.replace(".base_layer", ""): value.clone()
        for name, value in model.state_dict().items()
        if "lora_" not in name
    }


# -- what it learns -------------------------------------------------------------------------------------------------------


def test_the_base_s_own_weights_are_untouched(tmp_path: Path) -> None:
    base = network()
    before = {name: value.clone() for name, value in base.state_dict().items()}
    make(tmp_path / "one", model=base)
    after = plain(base)
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_a_fresh_adapter_begins_with_the_base_s_function() -> None:
    base, given = network(), plan_inputs(network(), 3)
    expected = base.act(*given, 5)
    work = Finetuning(base, BASE, None, SETTINGS)
    torch.testing.assert_close(work.model.act(*given, 5), expected, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize(
    ("placement", "prefixes"),
    [("all", {"world_model", "expert"}), ("expert", {"expert"}), ("world-model", {"world_model"})],
)
def test_lora_is_placed_where_it_was_asked_for_and_nowhere_else(
    tmp_path: Path, placement: Placement, prefixes: set[str]
) -> None:
    folder = make(tmp_path / "one", settings=replace(SETTINGS, placement=placement, iterations=3)).folder
    names = {key.removeprefix("base_model.model.") for key in load_file(folder / files.WEIGHTS)}
    assert {name.split(".")[0] for name in names} == prefixes
    assert all(".blocks." in name for name in names)
    changed, base = applied(folder), network()
    moved = {name for name, value in base.state_dict().items() if not torch.equal(changed.state_dict()[name], value)}
    assert {name.split(".")[0] for name in moved} == prefixes
    assert moved == {name.rsplit(".lora_", 1)[0] + ".weight" for name in names}


def test_the_yardstick_is_never_adapted(made: Path) -> None:
    changed, base = applied(made), network()
    now, goal = plan_inputs(base, 4)[:2]
    assert torch.equal(changed.steps_to_go.steps(now, goal), base.steps_to_go.steps(now, goal))
    images = torch.rand(2, 1, 3, 32, 32)
    assert torch.equal(changed.encode(images), base.encode(images))


def test_the_loss_falls_on_data_learned_by_heart(tmp_path: Path) -> None:
    # A trained base would begin lower; a network that gives velocity zero begins near the data's own variance.
    base = network()
    episodes = encoded(base, (12,) * 4)
    data = join([one.segments for one in episodes])
    base.set_scales(data.actions, data.proprioception)
    settings = replace(
        SETTINGS, iterations=80, batch=32, rank=8, lr=1e-2, relabel="final", held_out=0.0, slowness_tau=0.0
    )
    watcher = Quiet()
    result = finetune(base, BASE, None, episodes, tmp_path / "one", settings, watcher)
    assert result.losses["last"] < 0.8 * result.losses["first"]
    assert watcher.stages == [("adapting", 80)]
    assert watcher.steps == list(range(1, 81))
    assert watcher.ended == 1


def test_what_is_saved_acts_as_what_was_trained(tmp_path: Path) -> None:
    base = network()
    work = Finetuning(base, BASE, None, SETTINGS)
    work.train(HindsightBC(segments(base), base, SETTINGS.slowness_tau), [one.name for one in encoded(base)], Quiet())
    work.save(tmp_path / "one", {"base": BASE})
    given = plan_inputs(base, 3)
    torch.testing.assert_close(
        applied(tmp_path / "one").act(*given, 5), work.model.act(*given, 5), atol=1e-5, rtol=1e-5
    )


def test_the_same_seed_makes_the_same_adapter(made: Path, tmp_path: Path) -> None:
    torch.manual_seed(99)
    again = make(tmp_path / "again").folder
    other = make(tmp_path / "other", settings=replace(SETTINGS, seed=4)).folder
    assert (again / files.WEIGHTS).read_bytes() == (made / files.WEIGHTS).read_bytes()
    assert (other / files.WEIGHTS).read_bytes() != (made / files.WEIGHTS).read_bytes()


def test_what_was_rehearsed_and_held_out_has_a_loss_of_its_own(tmp_path: Path) -> None:
    base = network()
    mixed = [replace(one, replayed=i % 2 == 0) for i, one in enumerate(encoded(base, (7,) * 12))]
    _, held = split([one.name for one in mixed], SETTINGS.held_out)
    assert any(mixed[i].replayed for i in held)
    losses = finetune(base, BASE, None, mixed, tmp_path / "one", SETTINGS, Quiet()).losses
    assert losses["rehearsed_before"] != losses["held_out_before"]
    assert losses["rehearsed_after"] < losses["rehearsed_before"]
    plain = finetune(network(), BASE, None, encoded(base, (7,) * 12), tmp_path / "two", SETTINGS, Quiet()).losses
    assert not [key for key in plain if "rehearsed" in key]
    assert plain["held_out_after"] == losses["held_out_after"]


# -- what it leaves behind ------------------------------------------------------------------------------------------------


def test_the_lineage_is_complete(made: Path, tmp_path: Path) -> None:
    lineage = json.loads((made / files.LINEAGE).read_text())
    assert lineage["base"] == BASE
    assert lineage["parent"] is None
    assert lineage["recordings"] == [one.name for one in encoded(network())]
    assert FinetuneSettings(**lineage["settings"]) == SETTINGS
    assert lineage["losses"].keys() >= {"first", "last", "held_out_before", "held_out_after"}
    assert lineage["seconds"] > 0
    assert lineage["created_at"].endswith("+00:00")
    child = json.loads((make(tmp_path / "two", parent=files.read(made)).folder / files.LINEAGE).read_text())
    assert child["parent"] == "one"
    assert child["parent_fingerprint"] == files.read(made).fingerprint


def test_an_adapter_is_what_peft_writes_plus_lineage(made: Path) -> None:
    assert sorted(path.name for path in made.iterdir()) == sorted([files.WEIGHTS, files.CONFIG, files.LINEAGE])
    config = json.loads((made / files.CONFIG).read_text())
    assert (config["peft_type"], config["r"], config["lora_alpha"]) == ("LORA", 4, 4)
    assert files.read(made).base == BASE


def killed(stop: type[BaseException]) -> Callable[..., None]:
    def save(folder: Path, **_: Any) -> None:
        folder.mkdir()
        (folder / files.WEIGHTS).write_bytes(b"half")
        raise stop

    return save


@pytest.mark.parametrize(("stop", "seen"), [(KeyboardInterrupt, KeyboardInterrupt), (OSError, A2GError)])
def test_a_folder_appears_whole_or_not_at_all(
    tmp_path: Path, stop: type[BaseException], seen: type[BaseException]
) -> None:
    work = Finetuning(network(), BASE, None, SETTINGS)
    work.finetuner.save = killed(stop)  # type: ignore[method-assign]
    with pytest.raises(seen):
        work.save(tmp_path / "one", {"base": BASE})
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_no_obstacle_and_no_adapter(tmp_path: Path) -> None:
    litter = tmp_path / ".one.tmp"
    litter.mkdir()
    (litter / files.LINEAGE).write_text("half")
    make(tmp_path / "one", settings=replace(SETTINGS, iterations=1))
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


def test_an_adapter_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "mine").write_text("precious")
    with pytest.raises(A2GError, match="one"):
        make(tmp_path / "one", settings=replace(SETTINGS, iterations=1))
    assert (tmp_path / "one" / "mine").read_text() == "precious"


def test_nothing_to_learn_from_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="no recording"):
        finetune(network(), BASE, None, [], tmp_path / "one", SETTINGS, Quiet())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("after", [1, 5])
def test_an_interrupted_adaptation_leaves_nothing(tmp_path: Path, after: int) -> None:
    model, watcher = network(), Quiet()
    with pytest.raises(KeyboardInterrupt):
        finetune(
            model,
            BASE,
            None,
            encoded(model),
            tmp_path / "one",
            SETTINGS,
            watcher,
            lambda: len(watcher.steps) >= after,
        )
    assert watcher.steps == list(range(1, after + 1))
    assert list(tmp_path.iterdir()) == []
