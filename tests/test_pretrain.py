import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from policy_examples import Quiet
from pretrain_examples import (
    BRIEF,
    SETTINGS,
    SHORT,
    Killed,
    Watcher,
    Whole,
    assert_same,
    nothing,
    run,
    state_of,
    undisturbed,
)

from a2g_cli.cli.commands.checkpoint_eval import table
from a2g_cli.core.errors import CheckpointError, UnknownNameError
from a2g_cli.data.relabelling import parse_mixture
from a2g_cli.encoding.frames import LATENTS, encode_recordings
from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.training.device import TrainingDevice
from a2g_cli.training.pretrain import Pretraining

# -- it trains ------------------------------------------------------------------------------------------------------------


def loss_of(model: Act2Goal, recordings: list[Path]) -> dict[str, float]:
    segments = encode_recordings(model, recordings)
    batch = segments.batch(128, parse_mixture("future"), model.config.hashing, torch.Generator().manual_seed(1))
    torch.manual_seed(2)
    with torch.no_grad():
        losses = model.losses(batch, model.sample_noise(128, 1.0, 4))
        steps = model.steps_to_go.loss(batch["now"], batch["goal"], batch["steps_to_go"])
    return {"action": losses["action"].item(), "video": losses["video"].item(), "steps": steps.item()}


def test_all_losses_fall(whole: Whole, demonstrations: list[Path]) -> None:
    _, model, watcher, _ = whole
    trained = loss_of(model, demonstrations)
    fresh = Act2Goal(model.config)  # predicts no velocity: a loss of 2 for data of unit variance
    fresh.load_state_dict(
        {name: value for name, value in model.state_dict().items() if "_std" in name or "_mean" in name}, strict=False
    )
    fresh.autoencoder.load_state_dict(model.autoencoder.state_dict())
    untrained = loss_of(fresh, demonstrations)
    assert untrained["action"] == pytest.approx(2, rel=0.2)
    assert untrained["video"] == pytest.approx(2, rel=0.2)
    assert trained["action"] < 0.85 * untrained["action"]
    assert trained["video"] < 0.85 * untrained["video"]
    assert trained["steps"] < 0.5 * untrained["steps"]
    autoencoder = [losses["total"] for losses in watcher.losses if set(losses) == {"total"}]  # running means
    assert autoencoder[-1] < 0.95 * autoencoder[0]


def test_each_stage_is_announced_and_brought_to_its_end(whole: Whole, demonstrations: list[Path]) -> None:
    watcher = whole[2]
    count = len(demonstrations)
    stages = [("reading recordings", count), ("autoencoder", 40), ("encoding frames", count), ("policy", 60)]
    assert watcher.stages == stages
    assert watcher.ended == 4
    assert watcher.steps[-1] == 60


def test_the_video_loss_belongs_to_the_joint_stage_alone(whole: Whole) -> None:
    # Running means keep what they have, so the last value of the joint stage stays.
    policy = [losses for losses in whole[2].losses if "action" in losses]
    assert all("video" in losses for losses in policy)
    assert policy[2]["video"] == policy[-1]["video"]  # after 30 and after 60 iterations
    assert policy[2]["action"] != policy[-1]["action"]


def test_latents_and_scales_are_standardised_on_the_demonstrations(whole: Whole, demonstrations: list[Path]) -> None:
    segments = encode_recordings(whole[1], demonstrations)
    deviation = segments.latents.float().std(dim=(0, 1, 3, 4))
    assert (deviation - 1).abs().max() < 0.2
    torch.testing.assert_close(whole[1].action_mean, segments.actions.mean(0))


def test_checkpoints_come_at_every_save_with_averaged_weights_and_facts(whole: Whole) -> None:
    folder, model, _, checkpoints = whole
    assert [iteration for iteration, _, _ in checkpoints] == [10, 20, 30, 40, 50, 60]
    assert_same(checkpoints[-1][1], model.state_dict())
    facts = checkpoints[-1][2]
    assert facts["settings"]["preset"] == "micro"
    assert facts["losses"]["action"] > 0
    raw = state_of(folder).part("model")
    assert not torch.equal(raw["expert.out.weight"], checkpoints[-1][1]["expert.out.weight"])


def test_the_autoencoder_is_frozen_while_the_policy_learns(whole: Whole) -> None:
    checkpoints = whole[3]
    for name in checkpoints[0][1]:
        if name.startswith("autoencoder."):
            assert torch.equal(checkpoints[0][1][name], checkpoints[-1][1][name])


def test_the_seed_fixes_the_run(whole: Whole, demonstrations: list[Path], tmp_path: Path) -> None:
    # Compared after the autoencoder: other stages are compared below.
    with pytest.raises(Killed):
        run(tmp_path / "other", demonstrations, Watcher("autoencoder", 20), replace(SETTINGS, seed=1))
    with pytest.raises(Killed):
        run(tmp_path / "again", demonstrations, Watcher("autoencoder", 20))
    whole[2].left(tmp_path / "same", "autoencoder", 20)
    same, other, again = (state_of(tmp_path / name).part("model") for name in ("same", "other", "again"))
    assert_same(same, again)
    assert not torch.equal(same["autoencoder.encoder.0.weight"], other["autoencoder.encoder.0.weight"])


# -- it goes on -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def brief(demonstrations: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """A shorter run that nobody disturbed."""
    return undisturbed(tmp_path_factory.mktemp("brief"), demonstrations, BRIEF)


@pytest.mark.parametrize(
    ("stage", "step"),
    [
        ("autoencoder", 10),  # before the first save: from the beginning
        ("autoencoder", 20),
        ("encoding frames", 3),
        ("policy", 0),
        ("policy", 20),
        ("policy", 30),  # in the second stage
        ("policy", 40),
    ],
)
def test_a_killed_run_that_is_resumed_gives_the_weights_of_one_that_was_not(
    brief: Whole, demonstrations: list[Path], tmp_path: Path, stage: str, step: int
) -> None:
    brief[2].left(tmp_path, stage, step)
    torch.manual_seed(1234)  # another process has other chance
    watcher = Quiet()
    model = run(tmp_path, demonstrations, watcher, BRIEF, lambda *_: torch.rand(100))
    assert_same(model.state_dict(), brief[1].state_dict())
    assert_same(dict(state_of(tmp_path).tensors), dict(state_of(brief[0]).tensors))
    if (stage, step) == ("policy", 30):
        assert [title for title, _ in watcher.stages] == ["reading recordings", "policy"]
        assert watcher.steps[len(demonstrations)] == 20  # nothing before the last save is done again


def test_a_run_killed_while_a_checkpoint_is_handed_over_goes_on_just_the_same(
    brief: Whole, demonstrations: list[Path], tmp_path: Path
) -> None:
    def die(iteration: int, model: Act2Goal, facts: dict[str, Any]) -> None:
        if iteration == 20:
            raise Killed

    with pytest.raises(Killed):
        run(tmp_path, demonstrations, settings=BRIEF, on_checkpoint=die)
    assert state_of(tmp_path).iteration == 20
    assert_same(run(tmp_path, demonstrations, settings=BRIEF).state_dict(), brief[1].state_dict())


def test_a_killed_run_in_slices_gives_the_weights_of_one_that_was_not_killed(
    demonstrations: list[Path], tmp_path: Path
) -> None:
    sliced = TrainingDevice(accumulate=3)
    undisturbed = Pretraining(tmp_path / "a", demonstrations, SHORT, Quiet(), nothing, machine=sliced).run()
    with pytest.raises(Killed):  # in the second stage
        Pretraining(tmp_path / "b", demonstrations, SHORT, Watcher("policy", 20), nothing, machine=sliced).run()
    resumed = Pretraining(tmp_path / "b", demonstrations, SHORT, Quiet(), nothing, machine=sliced).run()
    assert_same(resumed.state_dict(), undisturbed.state_dict())
    # The same training, but for rounding, as on the whole batch.
    whole = run(tmp_path / "whole", demonstrations, settings=SHORT)
    torch.testing.assert_close(resumed.action_mean, whole.action_mean)
    assert (resumed.expert.out.weight - whole.expert.out.weight).abs().max() < 0.01


def test_a_finished_run_is_not_trained_again(whole: Whole, demonstrations: list[Path]) -> None:
    watcher = Quiet()
    assert_same(run(whole[0], demonstrations, watcher).state_dict(), whole[1].state_dict())
    assert watcher.steps[len(demonstrations) :] == [60]


def test_seconds_add_up_over_interruptions(demonstrations: list[Path], tmp_path: Path) -> None:
    with pytest.raises(Killed):
        run(tmp_path, demonstrations, Watcher("autoencoder", 30))
    before = state_of(tmp_path).seconds
    with pytest.raises(Killed):
        run(tmp_path, demonstrations, Watcher("autoencoder", 40))
    assert state_of(tmp_path).seconds > before > 0


# -- how well it does on the way ------------------------------------------------------------------------------------------


def test_evaluations_are_no_part_of_the_run_and_are_kept(
    whole: Whole, demonstrations: list[Path], tmp_path: Path
) -> None:
    told: list[dict[str, Any]] = []

    def rolled_out(model: Act2Goal) -> dict[str, Any]:
        torch.rand(7)
        return {"place": {"n": 2, "successes": int(model.training)}}

    def evaluated(watcher: Quiet) -> Act2Goal:
        keep = lambda *found: told.append(found[2])  # noqa: E731
        return Pretraining(
            tmp_path, demonstrations, SETTINGS, watcher, keep, evaluate=rolled_out, evaluate_every=25
        ).run()

    with pytest.raises(Killed):
        evaluated(Watcher("policy", 30))  # after the evaluation at 25, whose state is kept
    assert_same(evaluated(Quiet()).state_dict(), whole[1].state_dict())
    assert [[one["iteration"] for one in facts["evaluations"]] for facts in told] == [
        [],
        [],
        [25],
        [25],
        [25],
        [25, 50],
        [25, 50, 60],
    ]
    assert told[-1]["evaluations"][0] == {"iteration": 25, "place": {"n": 2, "successes": 0}}
    assert table(told[-1]["evaluations"])[2:] == ["| 25 | 0/2 |", "| 50 | 0/2 |", "| 60 | 0/2 |"]
    assert table([]) == []


# -- one base for several scenes ------------------------------------------------------------------------------------------


def test_shares_are_of_what_is_learned_from(demonstrations: list[Path], tmp_path: Path) -> None:
    settings = replace(SETTINGS, shares={"wirte": 2.0})
    with pytest.raises(UnknownNameError, match="did you mean write"):
        Pretraining(tmp_path, demonstrations, settings, Quiet(), nothing, ["place"] * 3 + ["write"] * 3).run()
    assert not list(tmp_path.iterdir())


def test_groups_are_kept_in_the_facts_and_belong_to_the_run(demonstrations: list[Path], tmp_path: Path) -> None:
    def die(iteration: int, model: Act2Goal, facts: dict[str, Any]) -> None:
        assert facts["settings"]["groups"] == {"place": 2, "write": 4}
        raise Killed

    groups = ["place"] * 2 + ["write"] * 4
    with pytest.raises(Killed):
        Pretraining(tmp_path, demonstrations, SETTINGS, Quiet(), die, groups).run()
    with pytest.raises(CheckpointError, match=r"other settings \(groups\)"):
        Pretraining(tmp_path, demonstrations, SETTINGS, Quiet(), nothing, ["place"] * 6).run()


# -- copies that look otherwise -------------------------------------------------------------------------------------------


def test_copies_are_learned_from_and_a_killed_run_goes_on_with_them(demonstrations: list[Path], tmp_path: Path) -> None:
    settings = replace(SHORT, copies=1)
    with pytest.raises(Killed):
        run(tmp_path / "killed", demonstrations, Watcher("policy", 20), settings)
    resumed = run(tmp_path / "killed", demonstrations, settings=settings)
    undisturbed = run(tmp_path / "whole", demonstrations, settings=settings)
    assert_same(resumed.state_dict(), undisturbed.state_dict())
    plain = run(tmp_path / "plain", demonstrations, settings=SHORT)
    assert not torch.equal(resumed.expert.out.weight, plain.expert.out.weight)
    # What was encoded without copies is not taken for what was encoded with them.
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(tmp_path / "plain" / LATENTS, other)
    with pytest.raises(Killed):
        run(other, demonstrations, Watcher("encoding frames", 1), settings)
