"""A base with a frozen encoder is trained, resumed, and acts: the decoder learns, the encoder stays."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from cli_examples import ask
from dino_examples import dinov2
from policy_examples import Quiet
from pretrain_examples import BRIEF, Whole, assert_same, run, state_of, undisturbed

from a2g_cli.core.errors import CheckpointError
from a2g_cli.models import checkpoint
from a2g_cli.training.pretrain import Pretraining
from a2g_cli.training.pretrain_settings import PretrainSettings


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> PretrainSettings:
    return replace(BRIEF, encoder=f"dino:{dinov2(tmp_path_factory.mktemp('hub') / 'dino')}")


@pytest.fixture(scope="module")
def frozen(demonstrations: list[Path], settings: PretrainSettings, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    return undisturbed(tmp_path_factory.mktemp("run"), demonstrations, settings)


def test_the_decoder_learns_and_the_encoder_stays(frozen: Whole, settings: PretrainSettings) -> None:
    _, model, watcher, checkpoints = frozen
    assert [stage for stage, _ in watcher.stages] == ["reading recordings", "autoencoder", "encoding frames", "policy"]
    assert any("principal components of 32 features" in note for note in watcher.notes)
    coder = [losses["total"] for losses in watcher.losses if set(losses) == {"total"}]
    assert coder[-1] < coder[0]
    config, _ = checkpoint_of(frozen)
    assert (config.encoder, config.encoder_settings["model_type"]) == ("dino", "dinov2")
    fresh = type(model.autoencoder)(4, 16, config.encoder_settings)  # type: ignore[call-arg]
    some = torch.rand(40, 3, 64, 64, generator=torch.Generator().manual_seed(0)).mul(2).sub(1)
    fresh.prepare(settings.encoder.partition(":")[2], some)
    pretrained = {name: value for name, value in fresh.state_dict().items() if ".backbone." in name}
    assert pretrained
    assert_same(
        {f"autoencoder.{name}": value for name, value in pretrained.items()},
        {name: value for name, value in checkpoints[-1][1].items() if ".backbone." in name},
    )


def checkpoint_of(whole: Whole) -> tuple[checkpoint.Act2GoalConfig, dict[str, object]]:
    model = whole[1]
    folder = whole[0] / "kept"
    checkpoint.save(model, folder, "", whole[3][-1][2])
    return checkpoint.read_config(folder)


@pytest.mark.parametrize(("stage", "step"), [("autoencoder", 20), ("policy", 20)])
def test_a_run_that_was_killed_goes_on_to_the_same_base(
    frozen: Whole, demonstrations: list[Path], settings: PretrainSettings, tmp_path: Path, stage: str, step: int
) -> None:
    folder = tmp_path / "run"
    frozen[2].left(folder, stage, step)
    assert (state_of(folder).stage, state_of(folder).iteration) == (stage, step - 10)
    assert_same(run(folder, demonstrations, settings=settings).state_dict(), frozen[1].state_dict())


def test_it_does_not_go_on_with_another_encoder(
    frozen: Whole, demonstrations: list[Path], settings: PretrainSettings, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    frozen[2].left(folder, "policy", 20)
    with pytest.raises(CheckpointError, match=r"other settings \(encoder\)"):
        run(folder, demonstrations, settings=replace(settings, encoder="autoencoder"))


def test_its_encoder_is_borrowed_as_an_autoencoder_is(
    frozen: Whole, demonstrations: list[Path], settings: PretrainSettings, tmp_path: Path
) -> None:
    checkpoint_of(frozen)
    watcher = Quiet()
    borrow = Pretraining(
        tmp_path / "run", demonstrations, settings, watcher, lambda *_: None, autoencoder=frozen[0] / "kept"
    )
    model = borrow.run()
    assert "autoencoder" not in [stage for stage, _ in watcher.stages]
    assert_same(model.autoencoder.state_dict(), checkpoint.load(frozen[0] / "kept").autoencoder.state_dict())
    plain = replace(settings, encoder="autoencoder")
    with pytest.raises(CheckpointError, match="its encoder is dino, and this policy needs autoencoder"):
        Pretraining(
            tmp_path / "plain", demonstrations, plain, watcher, lambda *_: None, autoencoder=frozen[0] / "kept"
        ).run()


def test_from_the_command_line_to_an_adapter(
    demonstrations: list[Path], settings: PretrainSettings, tmp_path: Path
) -> None:
    words = ("--preset", "micro", "--iterations", 4, "--autoencoder-iterations", 2, "--batch", 4, "--evaluate-every", 0)
    out = ("--encoder", settings.encoder, "--out", tmp_path / "run")
    made = ask(tmp_path, "pretrain", *demonstrations, *words, *out)
    assert "- Encoder: `dino`." in (tmp_path / "run" / "checkpoint" / "README.md").read_text()
    base = ("--base", made["checkpoint"])
    ask(tmp_path, "capture-goal", "cup", "--seed", 3)
    ask(tmp_path, "run", "cup", *base, "--steps", 3, "--episodes", 2, "--session", "first", code=5)
    adapted = ask(tmp_path, "adapt", "first", *base, "--keep", "all", "--iterations", 1, "--no-promote")
    assert adapted["adapter"] == "adapter-001"
    told = ask(tmp_path, "evaluate", "--adapter", "adapter-001", *base, "--episodes", 1, "--steps", 2, "--no-report")
    assert [row["n"] for row in told["results"]] == [1]
