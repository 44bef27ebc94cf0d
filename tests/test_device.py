"""Gradient accumulation, precision and several processes do not change what a training learns."""

import os
import shutil
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from policy_examples import Quiet, network, segments
from processes import TRAINING, Forked
from safetensors.torch import load_file
from torch import Tensor

from a2g_cli.core.errors import A2GError, UnknownNameError, UsageError
from a2g_cli.training.device import TrainingDevice, choose_device
from a2g_cli.training.pretrain import Pretraining
from a2g_cli.training.pretrain_settings import PretrainSettings
from a2g_cli.training.stages import AutoencoderStage, PolicyStage, Stage

SETTINGS = PretrainSettings(
    preset="micro",
    autoencoder_iterations=3,
    autoencoder_frames=60,
    joint_iterations=4,
    action_iterations=3,
    batch=10,
    warm_up=2,
    save_every=4,
)


def stage_of(kind: str) -> Stage:
    model = network()
    if kind == "autoencoder":
        frames = torch.randint(0, 256, (40, 32, 32, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
        return AutoencoderStage(model, frames, SETTINGS)
    return PolicyStage(model, segments(model), SETTINGS)


def computed(kind: str, iteration: int, on: TrainingDevice) -> tuple[dict[str, float], dict[str, Tensor]]:
    """Losses and gradients of one batch."""
    stage = stage_of(kind)
    torch.manual_seed(3)
    losses = on.backward(stage.draw(iteration), stage.losses, list(stage.trained.parameters()))
    gradients = {name: p.grad for name, p in stage.trained.named_parameters() if p.grad is not None}
    return losses, gradients


# Iterations 0 and 5: joint and action stage. A batch of 10 has 5 samples with the video loss.
@pytest.mark.parametrize(("kind", "iteration"), [("autoencoder", 0), ("policy", 0), ("policy", 5)])
@pytest.mark.parametrize("count", [2, 3, 10])
def test_slices_have_the_losses_and_gradients_of_the_whole(kind: str, iteration: int, count: int) -> None:
    losses, gradients = computed(kind, iteration, TrainingDevice())
    sliced, summed = computed(kind, iteration, TrainingDevice(accumulate=count))
    assert sliced.keys() == losses.keys()
    assert ("video" in losses) == ((kind, iteration) == ("policy", 0))
    for name, value in losses.items():
        assert sliced[name] == pytest.approx(value, rel=1e-5)
    assert summed.keys() == gradients.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(summed[name], gradient, rtol=1e-4, atol=1e-6, msg=name)


def test_slices_of_all_processes_make_up_the_batch() -> None:
    whole = {"x": torch.arange(11), "y": torch.arange(22).reshape(11, 2)}
    parts = [part for rank in range(3) for part in TrainingDevice(rank=rank, processes=3, accumulate=2).slices(whole)]
    assert len(parts) == 6
    assert sorted(torch.cat([part["x"] for part in parts]).tolist()) == list(range(11))
    assert all(torch.equal(part["y"][:, 0], 2 * part["x"]) for part in parts)


def test_a_batch_too_small_for_its_slices_is_refused() -> None:
    TrainingDevice(processes=2, accumulate=2).check(4)
    with pytest.raises(UsageError, match="a batch of 3 cannot be divided into 4 slices"):
        TrainingDevice(processes=2, accumulate=2).check(3)


def test_weights_of_the_first_stage_s_losses_are_settings() -> None:
    found = []
    for action, video in ((1.0, 0.5), (0.1, 1.0)):
        model = network()
        stage = PolicyStage(model, segments(model), replace(SETTINGS, action_weight=action, video_weight=video))
        torch.manual_seed(3)
        batch = stage.draw(0)
        losses = stage.losses(batch, batch)
        assert losses["total"].item() == pytest.approx(
            (action * losses["action"] + video * losses["video"] + losses["steps"]).item()
        )
        batch = stage.draw(5)  # the second stage has one weight: 1
        losses = stage.losses(batch, batch)
        assert losses["total"].item() == pytest.approx((losses["action"] + losses["steps"]).item())
        found.append(losses["action"].item())
    assert found[0] == found[1]


# -- one process ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("WORLD_SIZE", "RANK", "MASTER_PORT", "ACCELERATE_USE_CPU"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_a_machine_alone_is_what_was_asked_for(alone: pytest.MonkeyPatch) -> None:
    on = choose_device("cpu", accumulate=3)
    assert on.to_json() == {"device": "cpu", "precision": "fp32", "accumulate": 3, "compiled": False, "processes": 1}
    assert on.first
    assert "accelerate" not in str(type(on.accelerator))


def test_names_that_are_wrong_are_refused(alone: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownNameError, match="did you mean cuda"):
        choose_device("cudo")
    with pytest.raises(UnknownNameError, match="did you mean bf16"):
        choose_device(precision="fb16")


def test_a_gpu_that_is_not_there_is_refused(alone: pytest.MonkeyPatch) -> None:
    alone.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match="finds no GPU"):
        choose_device("cuda")
    assert choose_device("auto").to_json()["device"] == "cpu"


def test_several_processes_without_accelerate_are_told_what_to_install(alone: pytest.MonkeyPatch) -> None:
    alone.setenv("WORLD_SIZE", "2")
    alone.setitem(sys.modules, "accelerate", None)
    with pytest.raises(A2GError, match=r"pip install 'a2g\[accelerate\]'") as caught:
        choose_device("cpu")
    assert "\n" not in str(caught.value)


def test_a_launcher_that_starts_fewer_processes_than_asked_for_is_told(alone: pytest.MonkeyPatch) -> None:
    # What `accelerate launch --cpu --num_processes 2` sets.
    alone.setenv("ACCELERATE_USE_CPU", "True")
    assert choose_device().processes == 1
    alone.setenv("MASTER_PORT", "29500")
    with pytest.raises(UsageError, match="--multi_gpu"):
        choose_device()


def test_bf16_rounds_products_and_keeps_weights(demonstrations: list[Path], tmp_path: Path) -> None:
    on = TrainingDevice(bf16=True)
    rough = Pretraining(tmp_path / "a", demonstrations, SETTINGS, Quiet(), lambda *_: None, machine=on).run()
    exact = Pretraining(tmp_path / "b", demonstrations, SETTINGS, Quiet(), lambda *_: None).run()
    assert {value.dtype for value in rough.state_dict().values()} == {torch.float32}
    ours, theirs = rough.expert.out.weight, exact.expert.out.weight
    assert not torch.equal(ours, theirs)
    assert (ours - theirs).abs().mean() < 0.5 * theirs.abs().mean()


@pytest.mark.filterwarnings("default")  # torch's compiler warns of torch itself
def test_compiled_networks_learn_the_same(demonstrations: list[Path], tmp_path: Path) -> None:
    if shutil.which("g++") is None:
        pytest.skip("no C++ compiler")
    watched = Quiet(), Quiet()
    on = choose_device("cpu", compiled=True)
    ours = Pretraining(tmp_path / "a", demonstrations, SETTINGS, watched[0], lambda *_: None, machine=on).run()
    theirs = Pretraining(tmp_path / "b", demonstrations, SETTINGS, watched[1], lambda *_: None).run()
    for one, other in zip(watched[0].losses, watched[1].losses, strict=True):
        assert one == pytest.approx(other, rel=1e-3)
    # Nobody who acts waits for a compiler, and the checkpoint is any checkpoint.
    assert ours.world_model._compiled_call_impl is None
    assert ours.state_dict().keys() == theirs.state_dict().keys()


def test_compiling_without_a_compiler_is_refused(alone: pytest.MonkeyPatch) -> None:
    alone.setenv("CXX", "no-such-compiler")
    with pytest.raises(UsageError, match="needs a C\\+\\+ compiler, but no-such-compiler was not found"):
        choose_device("cpu", compiled=True)


# -- two processes --------------------------------------------------------------------------------------------------------

PROCESS = """
import os, signal, sys
from pathlib import Path
import torch
from safetensors.torch import save_file
from test_device import SETTINGS, Quiet
from a2g_cli.training.device import choose_device
from a2g_cli.training.pretrain import Pretraining

folder, dies = Path(sys.argv[1]), int(sys.argv[2])
recordings = [Path(name) for name in sys.argv[3:]]

def kept(iteration, *_):
    checkpoints.append(iteration)
    if iteration == dies:
        os.kill(os.getpid(), signal.SIGKILL)

on, watcher, checkpoints = choose_device("cpu", accumulate=2), Quiet(), []
model = Pretraining(folder / "run", recordings, SETTINGS, watcher, kept, machine=on).run()
assert on.processes == 2
assert bool(checkpoints) == on.first
losses = torch.tensor([found["total"] for found in watcher.losses if "total" in found], dtype=torch.float64)
save_file({**model.state_dict(), "losses": losses}, folder / f"{on.rank}.safetensors")
"""


@contextmanager
def two(tmp_path: Path, demonstrations: list[Path], dies: int = 0) -> Iterator[list[Forked]]:
    """Start two processes of one training; the first kills itself once the checkpoint of iteration ``dies`` is written."""
    (tmp_path / "process.py").write_text(PROCESS)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    path = os.pathsep.join([str(tmp_path), *sys.path])
    world = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "PYTHONPATH": path}
    words, needs = (tmp_path, dies, *demonstrations), ("test_device", "accelerate", *TRAINING)
    with ExitStack() as processes:
        yield [
            processes.enter_context(
                Forked(*words, module="process", env={**world, "RANK": rank, "LOCAL_RANK": rank}, imports=needs)
            )
            for rank in "01"
        ]


def both_end(processes: list[Forked]) -> None:
    for process in processes:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said


def test_two_processes_train_what_one_does(demonstrations: list[Path], tmp_path: Path) -> None:
    watcher = Quiet()
    with two(tmp_path, demonstrations) as processes:
        alone = Pretraining(tmp_path / "alone", demonstrations, SETTINGS, watcher, lambda *_: None).run()
        both_end(processes)
    losses = [found["total"] for found in watcher.losses if "total" in found]
    ranks = [load_file(tmp_path / f"{rank}.safetensors") for rank in range(2)]
    for rank in ranks:
        assert rank.pop("losses").tolist() == pytest.approx(losses, rel=1e-4)
    for name, value in alone.state_dict().items():
        assert torch.equal(ranks[0][name], ranks[1][name]), name  # every process holds the same weights
        torch.testing.assert_close(ranks[0][name], value, rtol=1e-2, atol=1e-3, msg=name)


def test_two_processes_that_were_killed_go_on_as_if_they_had_not_been(
    demonstrations: list[Path], tmp_path: Path
) -> None:
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    killed.mkdir()
    whole.mkdir()
    with two(whole, demonstrations) as undisturbed:
        both_end(undisturbed)
    with two(killed, demonstrations, dies=SETTINGS.save_every) as (first, other):
        assert first.wait(timeout=120) == -signal.SIGKILL
        # Whoever waits for a process that is gone is told so, and does not hang or write.
        _, said = other.communicate(timeout=120)
        assert other.returncode > 0, said
    assert not list(killed.glob("?.safetensors"))
    with two(killed, demonstrations) as again:
        both_end(again)
    for rank in range(2):
        ours, theirs = (load_file(folder / f"{rank}.safetensors") for folder in (killed, whole))
        assert len(ours.pop("losses")) < len(theirs.pop("losses"))
        for name, value in theirs.items():
            assert torch.equal(ours[name], value), name
