"""The other finetuning methods, DoRA and full, make adapters like any other."""

from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from adapt_examples import BASE, SETTINGS, applied, make
from peft import PeftModel
from policy_examples import Quiet, encoded, network, plan_inputs, segments

from a2g_cli.adapters import files
from a2g_cli.training.batch_sources import HindsightBC
from a2g_cli.training.finetune import FinetuneSettings, Finetuning
from a2g_cli.training.finetuners import target_modules


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("adapters") / "one").folder


@pytest.mark.parametrize("method", ["dora", "full"])
def test_another_method_acts_as_it_was_trained_and_goes_on_as_what_it_is(tmp_path: Path, method: str) -> None:
    base = network()
    work = Finetuning(base, BASE, None, replace(SETTINGS, method=method))
    work.train(HindsightBC(segments(base), base, SETTINGS.slowness_tau), [one.name for one in encoded(base)], Quiet())
    work.save(tmp_path / "one", {"base": BASE, "settings": asdict(work.settings)})
    parent, given = files.read(tmp_path / "one"), plan_inputs(base, 3)
    expected = work.model.act(*given, 5)
    assert (expected - network().act(*given, 5)).abs().max() > 1e-3
    torch.testing.assert_close(applied(tmp_path / "one").act(*given, 5), expected, atol=1e-5, rtol=1e-5)
    child = Finetuning(network(), BASE, parent, FinetuneSettings())  # the default is no wish
    torch.testing.assert_close(child.model.act(*given, 5), expected, atol=1e-5, rtol=1e-5)
    assert child.settings.method == method


def test_full_fine_tuning_learns_whole_matrices_and_nothing_beside_them(tmp_path: Path) -> None:
    base = network()
    folder = make(tmp_path / "one", settings=replace(SETTINGS, method="full"), model=base).folder
    merged, plain = applied(folder), network()
    for (name, value), learned in zip(merged.state_dict().items(), base.state_dict().values(), strict=True):
        torch.testing.assert_close(value, learned, atol=1e-6, rtol=1e-6)
        assert torch.equal(value, plain.state_dict()[name]) == (
            name.removesuffix(".weight") not in target_modules(plain, "all")
        )
    changes = [
        merged.get_parameter(f"{name}.weight") - plain.get_parameter(f"{name}.weight")
        for name in target_modules(plain, "all")
    ]
    assert max(int(torch.linalg.matrix_rank(change.detach())) for change in changes) > 2 * SETTINGS.rank


def test_peft_reads_full_fine_tuning_as_lora_of_full_rank(tmp_path: Path) -> None:
    folder = make(tmp_path / "one", settings=replace(SETTINGS, method="full")).folder
    given, base = plan_inputs(network(), 3), network()
    wrapped = PeftModel.from_pretrained(base, folder)
    torch.testing.assert_close(
        wrapped.get_base_model().act(*given, 5), applied(folder).act(*given, 5), atol=1e-5, rtol=1e-5
    )


def test_full_fine_tuning_of_a_part_goes_on_from_an_adapter_of_the_whole(made: Path, tmp_path: Path) -> None:
    parent = files.read(made)
    folder = make(
        tmp_path / "two", parent=parent, settings=replace(SETTINGS, method="full", placement="expert", iterations=2)
    ).folder
    child, before, base = applied(folder), applied(made), network()
    for name in target_modules(base, "all"):
        weight = child.get_parameter(f"{name}.weight")
        if name.startswith("world_model"):
            torch.testing.assert_close(weight, before.get_parameter(f"{name}.weight"), atol=1e-6, rtol=1e-6)
            assert not torch.equal(weight, base.get_parameter(f"{name}.weight"))
        else:
            assert not torch.allclose(weight, before.get_parameter(f"{name}.weight"), atol=1e-6)


def test_full_fine_tuning_that_changed_nothing_is_an_adapter_that_changes_nothing(tmp_path: Path) -> None:
    settings = replace(SETTINGS, method="full")
    Finetuning(network(), BASE, None, settings).save(tmp_path / "one", {"base": BASE, "settings": asdict(settings)})
    merged, plain = applied(tmp_path / "one"), network()
    assert all(torch.equal(value, plain.state_dict()[name]) for name, value in merged.state_dict().items())
