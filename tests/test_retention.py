"""What a base keeps of its demonstrations, and what adapted policies are held against."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from policy_examples import network, retention
from safetensors.torch import load_file, save_file

from a2g_cli.core.errors import CheckpointError
from a2g_cli.data.recording.reader import Recording
from a2g_cli.encoding.frames import encode_recording
from a2g_cli.models import checkpoint
from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.models.presets import micro
from a2g_cli.training.retention import BYTES, choose_retention_set, forgetting_in_words, nominal_error
from a2g_cli.training.retention_set import RETENTION, ROBOTS, load_retention_set

# -- what is kept ---------------------------------------------------------------------------------------------------------


def own(paths: list[Path]) -> Act2Goal:
    with Recording(paths[0]) as first:
        return Act2Goal(micro(first.spec)).eval()


def test_as_much_of_every_group_is_kept_and_all_of_it_was_demonstrated(demonstrations: list[Path]) -> None:
    model = own(demonstrations)
    groups = ["a", "a", "b", "b", "b", "b"]
    kept = choose_retention_set(model, demonstrations, groups, {"final": 1.0}, seed=0, count=9)
    assert len(kept) == 8  # four of each
    assert kept.robots == ("sim:place",)
    episodes = [encode_recording(model, path) for path in demonstrations]
    seen = [0] * len(episodes)
    for i in range(len(kept)):
        # The goal is the end of the very episode that the segment is of, as far away as it says.
        of = next(k for k, one in enumerate(episodes) if torch.equal(one.latents[-1], kept.goal[i]))
        seen[of] += 1
        step = int(episodes[of].length) - int(kept.steps_to_go[i])
        assert torch.equal(episodes[of].latents[step], kept.now[i])
        assert torch.equal(episodes[of].proprioception[step], kept.proprioception[i])
        assert torch.equal(episodes[of].actions[step], kept.actions[i, 0])
    assert seen == [2, 2, 1, 1, 1, 1]


def test_the_same_seed_keeps_the_same(demonstrations: list[Path]) -> None:
    model, groups = own(demonstrations), ["a"] * 6

    def made(seed: int) -> torch.Tensor:
        return choose_retention_set(model, demonstrations, groups, {"future": 1.0}, seed, 6).steps_to_go

    assert torch.equal(made(1), made(1))
    assert not torch.equal(made(1), made(2))


# -- its file -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def base(tmp_path: Path) -> Path:
    checkpoint.save(network(), tmp_path, "# card\n", {})
    return tmp_path


def test_it_survives_its_file_and_is_no_part_of_the_base_s_hash(base: Path) -> None:
    assert load_retention_set(base) is None
    before, kept = checkpoint.fingerprint(base), retention(network(), ("sim:a", "sim:b"))
    kept.save(base)
    again = load_retention_set(base)
    assert again is not None
    assert again.robots == kept.robots
    assert all(torch.equal(value, kept.tensors()[name]) for name, value in again.tensors().items())
    assert checkpoint.fingerprint(base) == before


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        ({"now": torch.zeros(6, 2, 16, 4, 4).half()}, "does not fit its base: now"),
        ({"goal": torch.zeros(5, 1, 16, 4, 4).half()}, "does not fit its base: goal"),
        ({"proprioception": torch.zeros(6, 4)}, "does not fit its base: proprioception"),
        ({"actions": torch.zeros(6, 3, 4)}, "does not fit its base: actions"),
        ({"mask": torch.zeros(6, 10)}, "does not fit its base: mask"),
        ({"steps_to_go": torch.zeros(6)}, "does not fit its base: steps_to_go"),
        ({"proprioception": torch.full((6, 3), float("nan"))}, "not finite"),
        ({"robot": torch.full((6,), 1, dtype=torch.int32)}, "does not name their robots"),
        ({"robot": torch.full((6,), -1, dtype=torch.int32)}, "does not name their robots"),
        ({"steps_to_go": torch.zeros(6, dtype=torch.int32)}, "has no action"),
        ({"more": torch.zeros(6)}, "damaged"),
        ({"robots": torch.zeros(6)}, "damaged"),
        ({"now": None}, "damaged"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_does_not_fit_the_base_is_refused(base: Path, changed: dict[str, Any], match: str) -> None:
    kept = retention(network())
    tensors = {name: value for name, value in (kept.tensors() | changed).items() if value is not None}
    save_file(tensors, base / RETENTION, metadata={ROBOTS: json.dumps(kept.robots)})
    with pytest.raises(CheckpointError, match=match):
        load_retention_set(base)


def test_a_damaged_file_is_refused(base: Path) -> None:
    retention(network()).save(base)
    whole = (base / RETENTION).read_bytes()
    for damaged in (
        whole[: len(whole) // 2],
        b"",
        whole.replace(b"goal", b"gaol"),
        whole.replace(b"a2g_rob", b"a2g_bor"),
    ):
        (base / RETENTION).write_bytes(damaged)
        with pytest.raises(CheckpointError, match="damaged"):
            load_retention_set(base)


# -- what is measured on it ------------------------------------------------------------------------------------------------


def test_the_error_is_zero_for_what_the_policy_does_and_grows_with_what_it_does_otherwise() -> None:
    model = network()
    kept = retention(model)
    chance = torch.get_rng_state()
    first = nominal_error(model, kept)
    assert torch.equal(torch.get_rng_state(), chance)
    assert nominal_error(model, kept) == first > 0
    # The chunk is a function of now and goal alone: had the demonstrator done just that, there would be no error.
    noise = torch.randn(len(kept), model.config.frames, *model.frame_shape, generator=torch.Generator().manual_seed(0))
    nothing = torch.zeros(kept.actions.shape)
    chunk = model.act(kept.now.float(), kept.goal.float(), kept.proprioception, noise, nothing, 5)
    dense = chunk.shape[1]
    kept.actions[:, :dense] = chunk
    assert nominal_error(model, kept) < 1e-6
    kept.actions[:, :dense] = chunk + 2 * model.action_std
    assert nominal_error(model, kept) == pytest.approx(2.0, rel=1e-4)
    # What lies beyond the goal is nobody's action.
    kept.actions[:, 1:dense] += 100.0
    kept.mask[:, 1:] = False
    assert nominal_error(model, kept) == pytest.approx(2.0, rel=1e-4)


def test_each_robot_has_its_own_segments_and_a_stranger_all() -> None:
    kept = retention(network(), ("sim:a", "sim:b"), each=4)
    assert len(kept.of("sim:a")) == len(kept.of("sim:b")) == 4
    assert not torch.equal(kept.of("sim:a").now, kept.of("sim:b").now)
    assert torch.equal(kept.of("sim:b").now, kept.now[4:])
    assert len(kept.of("sim:c")) == 8


# -- what ships ------------------------------------------------------------------------------------------------------------


def test_the_shipped_base_keeps_some_of_every_scene_and_acts_nearly_as_was_demonstrated() -> None:
    kept, model = load_retention_set(checkpoint.SHIPPED), checkpoint.load()
    assert kept is not None
    assert (checkpoint.SHIPPED / RETENTION).stat().st_size < BYTES
    _, facts = checkpoint.read_config(checkpoint.SHIPPED)
    assert set(kept.robots) == {f"sim:{scene}" for scene in facts["scenes"]}
    for robot in kept.robots:
        one = kept.of(robot)
        assert len(one) >= 80
        # A policy that does nothing errs by about one deviation.
        assert nominal_error(model, one) < 0.6
    other = load_file(checkpoint.SHIPPED / RETENTION)
    assert {str(value.dtype) for value in other.values()} == {
        "torch.float16",
        "torch.float32",
        "torch.bool",
        "torch.int32",
    }


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [(0.37, 0.42, "14 % less accurate than"), (0.4, 0.3, "25 % more accurate than"), (0.4, 0.4001, "as accurate as")],
)
def test_the_change_in_the_training_domain_is_said_in_words(before: float, after: float, said: str) -> None:
    losses = {"retention_before": before, "retention_after": after}
    assert forgetting_in_words(losses) == f"In the training domain its actions are {said} before."
    assert forgetting_in_words({"retention_before": before}) is None
    assert forgetting_in_words(None) is None
