"""Encoders behind their seam: what a base keeps of one, and a frozen vision transformer in place of the autoencoder."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from cli_examples import refused
from dino_examples import dinov2, dinov3
from policy_examples import change_config, config, network
from safetensors.torch import load_file, save_file

from a2g_cli.core.errors import CheckpointError, PluginError, UsageError
from a2g_cli.models import checkpoint, encoder, parts
from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.models.autoencoder import Autoencoder
from a2g_cli.models.dino import Dino, checked
from a2g_cli.models.presets import Act2GoalConfig


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return dinov2(tmp_path_factory.mktemp("two") / "dino")


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return dinov3(tmp_path_factory.mktemp("three") / "dino")


@pytest.fixture(params=["two", "three"])
def source(request: pytest.FixtureRequest) -> Path:
    return Path(request.getfixturevalue(request.param))


def images(count: int = 6, side: int = 32, seed: int = 0) -> torch.Tensor:
    rough = torch.rand(count, 3, 4, 4, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(rough, (side, side), mode="bilinear").mul(2).sub(1)


def prepared(source: Path, channels: int = 4) -> Dino:
    made = Dino(channels, 16, Dino.settings(str(source)))
    made.prepare(str(source), images(20, seed=1))
    return made


def base(source: Path) -> Act2Goal:
    """A policy that encodes with the transformer in ``source``."""
    name, settings = parts.chosen("encoder", f"dino:{source}")
    torch.manual_seed(0)
    model = Act2Goal(replace(config(), encoder=name, encoder_settings=settings)).eval()
    model.autoencoder.prepare(str(source), images(20, seed=1))
    return model


class TestEveryEncoder:
    @pytest.fixture(params=["autoencoder", "dino"])
    def made(self, request: pytest.FixtureRequest, two: Path) -> encoder.Encoder:
        if request.param == "dino":
            return prepared(two)
        torch.manual_seed(0)
        own = parts.made("encoder", "autoencoder", encoder.Encoder, 4, 16, {})
        own.standardise(images(20, seed=1))
        return own.eval()

    @torch.no_grad()
    def test_a_latent_covers_eight_pixels_and_comes_back_as_an_image(self, made: encoder.Encoder) -> None:
        seen = torch.nn.functional.interpolate(images(2), (32, 64))
        latents = made.encode(seen)
        assert latents.shape == (2, 4, 4, 8)
        assert made.decode(latents).shape == seen.shape

    @torch.no_grad()
    def test_latents_are_standardised(self, made: encoder.Encoder) -> None:
        latents = made.encode(images(20, seed=1))
        torch.testing.assert_close(latents.mean((0, 2, 3)), torch.zeros(4), atol=1e-3, rtol=0)
        torch.testing.assert_close(latents.std((0, 2, 3)), torch.ones(4), atol=1e-3, rtol=0)

    @torch.no_grad()
    def test_each_image_is_coded_as_it_would_be_alone(self, made: encoder.Encoder) -> None:
        latents = made.encode(images(3))
        torch.testing.assert_close(made.encode(images(3)[1:2]), latents[1:2], atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_latents_are_principal_components_of_the_transformer_s_own_features(source: Path) -> None:
    from transformers import AutoModel

    made, model = prepared(source), AutoModel.from_pretrained(source).eval()
    patch = model.config.patch_size
    mean, std = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1), torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)

    def features(seen: torch.Tensor) -> torch.Tensor:
        large = torch.nn.functional.interpolate(seen, (4 * patch, 4 * patch), mode="bilinear")
        return model(pixel_values=((large + 1) / 2 - mean) / std).last_hidden_state[:, -16:].flatten(0, 1)

    known = features(images(20, seed=1))
    _, _, axes = torch.linalg.svd(known - known.mean(0), full_matrices=False)
    wanted = (features(images()) - known.mean(0)) @ axes[:4].T
    latents = made.encode(images()).permute(0, 2, 3, 1).flatten(0, 2)
    for found, right in zip(latents.T, wanted.T, strict=True):
        # Up to sign and scale; weights are kept in half precision.
        assert abs(torch.corrcoef(torch.stack([found, right]))[0, 1]) > 0.999


def test_a_base_opens_and_acts_where_the_pretrained_model_is_gone(source: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(source, tmp_path / "dino"))
    model = base(copy)
    checkpoint.save(model, tmp_path / "base", "", {})
    shutil.rmtree(copy)
    again = checkpoint.load(tmp_path / "base")
    assert again.config == model.config
    seen = images(2).unsqueeze(1)
    torch.testing.assert_close(again.encode(seen), model.encode(seen), atol=2e-2, rtol=2e-2)
    now, goal = again.encode(seen), again.encode(seen.flip(0))
    plan = torch.randn(2, again.config.frames, *again.frame_shape)
    noise = torch.zeros(2, again.config.hashing.actions, 4)
    assert again.act(now, goal, torch.zeros(2, 3), plan, noise, 2).isfinite().all()


def test_a_base_without_another_encoder_is_written_as_before(tmp_path: Path) -> None:
    checkpoint.save(network(), tmp_path, "", {})
    written = json.loads((tmp_path / "config.json").read_text())["policy"]
    assert not {"encoder", "encoder_settings", "planner", "planner_settings"} & set(written)
    assert Act2GoalConfig.from_json(written) == config()
    shipped = json.loads((checkpoint.SHIPPED / "config.json").read_text())["policy"]
    assert json.loads(json.dumps(Act2GoalConfig.from_json(shipped).to_json())) == shipped, (
        "its hash would be another one"
    )


def test_nothing_of_a_frozen_encoder_is_trained(two: Path) -> None:
    model = base(two).train()
    assert not [name for name, p in model.autoencoder.encoder.named_parameters() if p.requires_grad]
    assert not any(module.training for module in model.autoencoder.encoder.modules())
    assert all(p.requires_grad for p in model.autoencoder.decoder.parameters())


# -- refusals -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("dino", "needs a pretrained model: dino:DIR"),
        ("dino:/nowhere", "no folder '/nowhere'"),
        ("dino:../..", "holds no pretrained model"),
        ("dino:a/../b", "no name of the hub"),
        ("nothing", "unknown encoder 'nothing'"),
        ("autoencoder:x", "write autoencoder alone"),
    ],
)
def test_an_encoder_that_there_is_not_is_refused_before_anything_is_made(
    tmp_path: Path, name: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert message in refused(tmp_path, "pretrain", "--scene", "place", "--encoder", name)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def folder(two: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(two, tmp_path / "dino"))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"model_type": "bert"}, "model of type 'bert'; expected dinov2"),
        ({"hidden_size": 10**9}, "hidden_size = 1000000000"),
        ({"num_hidden_layers": -1}, "num_hidden_layers = -1"),
        ({"hidden_act": "os.system"}, "hidden_act = 'os.system'"),
        ({"num_attention_heads": 3}, "num_attention_heads = 3"),
        ({"patch_size": "14"}, "patch_size = '14'"),
    ],
)
def test_a_config_that_no_such_transformer_has_is_refused(folder: Path, changed: dict[str, Any], message: str) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))
    with pytest.raises((CheckpointError, UsageError), match=message):
        Dino.settings(str(folder))


@pytest.mark.parametrize("text", ["", "[]", "{", "\x00", '{"model_type": ["dinov2"]}'], ids=range(5))
def test_a_config_that_is_none_is_refused(folder: Path, text: str) -> None:
    (folder / "config.json").write_text(text)
    with pytest.raises((CheckpointError, UsageError), match=r"config.json (cannot be read|is of a model)"):
        Dino.settings(str(folder))


def test_a_pickle_is_never_taken_for_weights(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    made = Dino(4, 16, Dino.settings(str(folder)))
    (folder / "model.safetensors").unlink()
    with pytest.raises(UsageError, match=r"model\.safetensors is missing"):
        made.prepare(str(folder), images())
    shutil.copy(folder / "pytorch_model.bin", folder / "model.safetensors")
    with pytest.raises(CheckpointError, match="cannot be read"):
        made.prepare(str(folder), images())


@pytest.mark.parametrize("how", ["missing", "shape"])
def test_weights_that_do_not_fit_are_refused_by_name(folder: Path, how: str) -> None:
    path = folder / "model.safetensors"
    weights = load_file(path)
    name = min(name for name in weights if name.endswith("fc1.weight"))
    if how == "missing":
        del weights[name]
    else:
        weights[name] = weights[name][:-1].contiguous()
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=r"fc1.weight is missing, or has another shape"):
        Dino(4, 16, Dino.settings(str(folder))).prepare(str(folder), images())


@pytest.mark.parametrize(
    "changed",
    [
        {"encoder": "../dino"},
        {"encoder": 7},
        {"encoder": "autoencoder", "encoder_settings": {"hidden_size": 32}},
        {"encoder_settings": []},
        {"encoder_settings": {"hidden_size": [32]}},
        {"encoder": "dino", "encoder_settings": {}},
        {"encoder": "dino", "encoder_settings": {"model_type": "dinov2", "hidden_size": 32, "patch_size": 14, "x": 1}},
    ],
    ids=range(7),
)
def test_a_base_s_config_with_an_encoder_that_cannot_be_is_refused(tmp_path: Path, changed: dict[str, Any]) -> None:
    checkpoint.save(network(), tmp_path, "", {})
    change_config(tmp_path, **changed)
    with pytest.raises(CheckpointError):
        checkpoint.load(tmp_path)


def test_a_latent_has_no_more_channels_than_there_are_features(two: Path) -> None:
    with pytest.raises(CheckpointError, match="33 channels needs as many features, and the encoder has 32"):
        Dino(33, 16, Dino.settings(str(two)))


def test_settings_survive_a_base_s_config(source: Path) -> None:
    settings = Dino.settings(str(source))
    written = replace(config(), encoder="dino", encoder_settings=settings)
    again = Act2GoalConfig.from_json(json.loads(json.dumps(written.to_json())))
    assert again == written
    assert checked(again.encoder_settings) == settings


class Half(Autoencoder):
    """Another package's encoder."""

    def __init__(self, channels: int, width: int, settings: Any) -> None:
        super().__init__(channels, width)

    @classmethod
    def settings(cls, source: str | None) -> dict[str, Any]:
        return {"share": float(source or 0.5)}


def test_an_encoder_of_another_package_is_one_like_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    plugged = {"half": Half, "broken": lambda *_: 7}
    monkeypatch.setattr(parts, "_plugin", lambda _, name: plugged[name])
    assert parts.chosen("encoder", "half:0.25") == ("half", {"share": 0.25})
    assert isinstance(parts.made("encoder", "half", encoder.Encoder, 4, 16, {"share": 0.25}), Half)
    with pytest.raises(PluginError, match=r"encoder 'half' failed in settings.*ValueError"):
        parts.chosen("encoder", "half:x")
    with pytest.raises(PluginError, match=r"encoder 'broken' is a int; expected a a2g_cli\.models\.encoder\.Encoder"):
        parts.made("encoder", "broken", encoder.Encoder, 4, 16, {})
