import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from a2g_cli.core.errors import A2GError, CheckpointError
from a2g_cli.training.state import Average, TrainingState


def state(iteration: int = 7) -> TrainingState:
    tensors = {
        "model.weight": torch.randn(3, 4),
        "model.inner.bias": torch.randn(2).half(),
        "optimiser.adamw.0.step": torch.tensor(5.0),
        "rng": torch.get_rng_state(),
    }
    return TrainingState("policy", iteration, 12.25, {"lr": 0.1, "preset": "micro", "count": 3}, tensors)


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "state.safetensors"
    written = state()
    written.write(path)
    read = TrainingState.read(path)
    assert read is not None
    assert (read.stage, read.iteration, read.seconds, read.settings) == ("policy", 7, 12.25, written.settings)
    assert read.tensors.keys() == written.tensors.keys()
    for name, value in written.tensors.items():
        assert torch.equal(read.tensors[name], value)
        assert read.tensors[name].dtype == value.dtype
    assert [path.name for path in path.parent.iterdir()] == ["state.safetensors"]


def test_there_may_be_none(tmp_path: Path) -> None:
    assert TrainingState.read(tmp_path / "state.safetensors") is None


def test_a_later_state_takes_the_place_of_an_earlier_one(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    state(1).write(path)
    state(2).write(path)
    read = TrainingState.read(path)
    assert read is not None
    assert read.iteration == 2


def test_a_kill_while_writing_leaves_the_last_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state.safetensors"
    state(1).write(path)

    def killed(tensors: object, where: Path, metadata: object) -> None:
        where.write_bytes(b"half of it")
        raise KeyboardInterrupt

    monkeypatch.setattr("a2g_cli.training.state.save_file", killed)
    with pytest.raises(KeyboardInterrupt):
        state(2).write(path)
    read = TrainingState.read(path)
    assert read is not None
    assert read.iteration == 1
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "error", [SafetensorError("I/O error: No space left on device (os error 28)"), OSError(30, "Read-only file system")]
)
def test_a_disk_that_refuses_is_one_line_and_the_last_state_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    path = tmp_path / "state.safetensors"
    state(1).write(path)

    def refuses(tensors: object, where: Path, metadata: object) -> None:
        where.write_bytes(b"half of it")
        raise error

    monkeypatch.setattr("a2g_cli.training.state.save_file", refuses)
    with pytest.raises(A2GError, match="cannot be written") as caught:
        state(2).write(path)
    assert "\n" not in str(caught.value)
    read = TrainingState.read(path)
    assert read is not None
    assert read.iteration == 1
    assert list(tmp_path.iterdir()) == [path]


LIMITED = """
import resource, sys
from pathlib import Path
import torch
from a2g_cli.core.errors import A2GError
from a2g_cli.training.state import TrainingState
path = Path(sys.argv[1])
TrainingState("policy", 1, 0.0, {}, {"rng": torch.ones(8)}).write(path)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    TrainingState("policy", 2, 0.0, {}, {"rng": torch.ones(100_000)}).write(path)
except A2GError as error:
    print(error)
"""


def test_a_real_disk_that_takes_no_more_is_one_line_and_the_last_state_stays(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    done = subprocess.run([sys.executable, "-c", LIMITED, path], capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) == 1
    assert "cannot be written" in done.stdout
    read = TrainingState.read(path)
    assert read is not None
    assert read.iteration == 1
    assert list(tmp_path.iterdir()) == [path]


def test_parts_come_without_their_prefix_and_whole(tmp_path: Path) -> None:
    assert set(state().part("model")) == {"weight", "inner.bias"}
    assert set(state().part("optimiser")) == {"adamw.0.step"}
    assert state().part("mod") == {}


def test_tensors_that_share_memory_are_written_apart(tmp_path: Path) -> None:
    shared = torch.randn(4, 4)
    tensors = {"model.a": shared, "ema.a": shared, "model.turned": shared.T, "model.part": shared[1:3]}
    TrainingState("policy", 1, 0.0, {}, tensors).write(tmp_path / "state.safetensors")
    read = TrainingState.read(tmp_path / "state.safetensors")
    assert read is not None
    assert all(torch.equal(read.tensors[name], value) for name, value in tensors.items())


@pytest.mark.parametrize(
    "metadata", [None, {}, {"a2g_training": "{"}, {"a2g_training": "{}"}, {"a2g_training": "[]"}, {"a2g_training": "3"}]
)
def test_other_safetensors_are_refused(tmp_path: Path, metadata: dict[str, str] | None) -> None:
    save_file({"weight": torch.ones(2)}, tmp_path / "state.safetensors", metadata=metadata)
    with pytest.raises(CheckpointError, match="not a training state"):
        TrainingState.read(tmp_path / "state.safetensors")


@pytest.mark.parametrize("kept", [0, 8, 50, -1])
def test_truncated_states_are_refused(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "state.safetensors"
    state().write(path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(CheckpointError, match="Remove it to start again"):
        TrainingState.read(path)


def test_pickles_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    path.write_bytes(pickle.dumps({"stage": "policy"}))
    with pytest.raises(CheckpointError):
        TrainingState.read(path)


def test_settings_come_back_equal_so_that_a_run_recognises_itself(tmp_path: Path) -> None:
    from dataclasses import asdict

    from a2g_cli.training.pretrain_settings import PretrainSettings

    settings = asdict(PretrainSettings(lr=1 / 3, relabel="final:0.1,future"))
    assert json.loads(json.dumps(settings)) == settings
    TrainingState("policy", 1, 0.0, settings, {"rng": torch.get_rng_state()}).write(tmp_path / "state.safetensors")
    read = TrainingState.read(tmp_path / "state.safetensors")
    assert read is not None
    assert dict(read.settings) == settings


# -- the average ----------------------------------------------------------------------------------------------------------


def test_the_average_of_a_constant_is_the_constant() -> None:
    weights = {"a": torch.randn(3), "b": torch.randn(2, 2)}
    average = Average(weights)
    for _ in range(50):
        average.update(weights)
    for name, value in weights.items():
        torch.testing.assert_close(average.weights[name], value)


def test_the_first_updates_count_most_and_the_decay_is_never_above_its_limit() -> None:
    average = Average({"a": torch.zeros(1, dtype=torch.float64)}, decay=0.6)
    expected = 0.0
    for i in range(1, 30):
        average.update({"a": torch.tensor([float(i)], dtype=torch.float64)})
        decay = min(0.6, (1 + i) / (10 + i))
        expected = decay * expected + (1 - decay) * i
        assert average.weights["a"].item() == pytest.approx(expected)


def test_the_average_forgets_where_it_began() -> None:
    average = Average({"a": torch.full((1,), 1000.0)})
    for _ in range(300):
        average.update({"a": torch.ones(1)})
    assert average.weights["a"].item() == pytest.approx(1, abs=1e-3)


def test_the_average_is_no_view_of_the_weights() -> None:
    weight = torch.ones(2)
    average = Average({"a": weight})
    weight += 5
    assert torch.equal(average.weights["a"], torch.ones(2))


def test_an_average_goes_on_where_it_stopped() -> None:
    steps = [torch.randn(3) for _ in range(10)]
    whole = Average({"a": torch.zeros(3)})
    for value in steps:
        whole.update({"a": value})
    half = Average({"a": torch.zeros(3)})
    for value in steps[:5]:
        half.update({"a": value})
    resumed = Average({"a": torch.ones(3)})
    resumed.weights, resumed.steps = half.weights, half.steps
    for value in steps[5:]:
        resumed.update({"a": value})
    assert torch.equal(resumed.weights["a"], whole.weights["a"])
