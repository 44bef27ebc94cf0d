import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from policy_examples import Quiet
from torch import Tensor

from a2g_cli.commands.rehearsal import table
from a2g_cli.errors import CheckpointError, RecordingError, UnknownNameError
from a2g_cli.learning.hindsight import parse_mixture
from a2g_cli.learning.latents import encode_recordings
from a2g_cli.learning.machine import Machine
from a2g_cli.learning.pretrain import Pretraining
from a2g_cli.learning.pretrain_settings import PretrainSettings
from a2g_cli.learning.training_state import TrainingState
from a2g_cli.policy import checkpoint
from a2g_cli.policy.act2goal import Act2Goal
from a2g_cli.policy.presets import micro
from a2g_cli.recording.reader import Recording

SETTINGS = PretrainSettings(
    preset="micro",
    autoencoder_iterations=40,
    autoencoder_frames=300,
    joint_iterations=30,
    action_iterations=30,
    batch=16,
    warm_up=5,
    save_every=10,
)


class Killed(BaseException):
    """Stands for a SIGKILL: nothing may catch it."""


class Watcher(Quiet):
    """Kills the run when ``stage`` has come to ``step``."""

    def __init__(self, stage: str = "", step: int = -1) -> None:
        super().__init__()
        self.at = (stage, step)

    def advanced(self, step: int, losses: dict[str, float], rate: float | None = None) -> None:
        super().advanced(step, losses, rate)
        if (self.stages[-1][0], step) == self.at:
            raise Killed


def nothing(iteration: int, model: Act2Goal, facts: dict[str, Any]) -> None:
    pass


def run(
    folder: Path,
    recordings: list[Path],
    watcher: Quiet | None = None,
    settings: PretrainSettings = SETTINGS,
    on_checkpoint: Callable[[int, Act2Goal, dict[str, Any]], None] = nothing,
) -> Act2Goal:
    return Pretraining(folder, recordings, settings, watcher or Quiet(), on_checkpoint).run()


Whole = tuple[Path, Act2Goal, Quiet, list[tuple[int, dict[str, Tensor], dict[str, Any]]]]


@pytest.fixture(scope="module")
def whole(demonstrations: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """A run that nobody disturbed: (folder, model, watcher, checkpoints)."""
    folder, watcher = tmp_path_factory.mktemp("run"), Quiet()
    checkpoints: list[tuple[int, dict[str, Tensor], dict[str, Any]]] = []

    def keep(iteration: int, model: Act2Goal, facts: dict[str, Any]) -> None:
        checkpoints.append((iteration, {name: value.clone() for name, value in model.state_dict().items()}, facts))

    return folder, run(folder, demonstrations, watcher, on_checkpoint=keep), watcher, checkpoints


def assert_same(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    different = [name for name in one if not torch.equal(one[name], other[name])]
    assert not different


def state_of(folder: Path) -> TrainingState:
    state = TrainingState.read(folder / "state.safetensors")
    assert state is not None
    return state


# -- it trains ------------------------------------------------------------------------------------------------------------


def loss_of(model: Act2Goal, recordings: list[Path]) -> dict[str, float]:
    segments = encode_recordings(model, recordings)
    batch = segments.batch(128, parse_mixture("future"), model.config.hashing, torch.Generator().manual_seed(1))
    torch.manual_seed(2)
    with torch.no_grad():
        losses = model.losses(batch, model.draw_chance(128, 1.0, 4))
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
        run(tmp_path / "same", demonstrations, Watcher("autoencoder", 20))
    with pytest.raises(Killed):
        run(tmp_path / "other", demonstrations, Watcher("autoencoder", 20), replace(SETTINGS, seed=1))
    with pytest.raises(Killed):
        run(tmp_path / "again", demonstrations, Watcher("autoencoder", 20))
    same, other, again = (state_of(tmp_path / name).part("model") for name in ("same", "other", "again"))
    assert_same(same, again)
    assert not torch.equal(same["autoencoder.encoder.0.weight"], other["autoencoder.encoder.0.weight"])


# -- it goes on -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stage", "step"),
    [
        ("autoencoder", 10),  # before the first save: from the beginning
        ("autoencoder", 20),
        ("autoencoder", 40),
        ("encoding frames", 3),
        ("policy", 0),
        ("policy", 20),
        ("policy", 40),  # in the second stage
        ("policy", 60),
    ],
)
def test_a_killed_run_that_is_resumed_gives_the_weights_of_one_that_was_not(
    whole: Whole, demonstrations: list[Path], tmp_path: Path, stage: str, step: int
) -> None:
    with pytest.raises(Killed):
        run(tmp_path, demonstrations, Watcher(stage, step))
    torch.manual_seed(1234)  # another process has other chance
    watcher = Quiet()
    model = run(tmp_path, demonstrations, watcher, on_checkpoint=lambda *_: torch.rand(100))
    assert_same(model.state_dict(), whole[1].state_dict())
    assert_same(dict(state_of(tmp_path).tensors), dict(state_of(whole[0]).tensors))
    if (stage, step) == ("policy", 40):
        assert [title for title, _ in watcher.stages] == ["reading recordings", "policy"]
        assert watcher.steps[len(demonstrations)] == 30  # nothing before the last save is done again


def test_a_run_killed_while_a_checkpoint_is_handed_over_goes_on_just_the_same(
    whole: Whole, demonstrations: list[Path], tmp_path: Path
) -> None:
    def die(iteration: int, model: Act2Goal, facts: dict[str, Any]) -> None:
        if iteration == 20:
            raise Killed

    with pytest.raises(Killed):
        run(tmp_path, demonstrations, on_checkpoint=die)
    assert state_of(tmp_path).iteration == 20
    assert_same(run(tmp_path, demonstrations).state_dict(), whole[1].state_dict())


def test_a_killed_run_in_slices_gives_the_weights_of_one_that_was_not_killed(
    whole: Whole, demonstrations: list[Path], tmp_path: Path
) -> None:
    sliced = Machine(accumulate=3)
    undisturbed = Pretraining(tmp_path / "a", demonstrations, SETTINGS, Quiet(), nothing, machine=sliced).run()
    with pytest.raises(Killed):
        Pretraining(tmp_path / "b", demonstrations, SETTINGS, Watcher("policy", 40), nothing, machine=sliced).run()
    resumed = Pretraining(tmp_path / "b", demonstrations, SETTINGS, Quiet(), nothing, machine=sliced).run()
    assert_same(resumed.state_dict(), undisturbed.state_dict())
    # The same training, but for rounding, as on the whole batch.
    torch.testing.assert_close(resumed.action_mean, whole[1].action_mean)
    assert (resumed.expert.out.weight - whole[1].expert.out.weight).abs().max() < 0.01


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


# -- refusals -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("changed", [{"seed": 3}, {"lr": 2e-3}, {"relabel": "final"}, {"joint_iterations": 31}])
def test_a_run_with_other_settings_is_refused_by_name(
    whole: Whole, demonstrations: list[Path], changed: dict[str, Any]
) -> None:
    before = (whole[0] / "state.safetensors").read_bytes()
    with pytest.raises(CheckpointError, match=rf"other settings \({next(iter(changed))}\)"):
        run(whole[0], demonstrations, settings=replace(SETTINGS, **changed))
    assert (whole[0] / "state.safetensors").read_bytes() == before


def test_a_run_with_fewer_recordings_is_refused(whole: Whole, demonstrations: list[Path]) -> None:
    with pytest.raises(CheckpointError, match=r"other settings \(groups, recordings\)"):
        run(whole[0], demonstrations[:-1])


def test_a_run_with_as_many_recordings_of_other_content_is_refused(
    whole: Whole, demonstrations: list[Path], tmp_path: Path
) -> None:
    folder = tmp_path / demonstrations[0].parent.name
    folder.mkdir()
    copies = [Path(shutil.copy(path, folder)) for path in demonstrations]
    assert_same(run(whole[0], copies).state_dict(), whole[1].state_dict())  # the same, elsewhere
    shutil.copy(demonstrations[0], copies[1])
    with pytest.raises(CheckpointError, match=r"other settings \(recordings\)"):
        run(whole[0], copies)


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


# -- an autoencoder from elsewhere ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def saved(whole: Whole, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The undisturbed run with its checkpoint in it, as the command leaves it."""
    checkpoint.save(whole[1], whole[0] / "checkpoint", "a card", {})
    return whole[0]


@pytest.mark.parametrize("inside", ["", "checkpoint"])
def test_a_taken_autoencoder_is_not_trained_and_its_latents_are_used_again(
    saved: Path, whole: Whole, demonstrations: list[Path], tmp_path: Path, inside: str
) -> None:
    watcher = Quiet()
    settings = replace(SETTINGS, seed=3, joint_iterations=2, action_iterations=2)
    model = Pretraining(tmp_path, demonstrations, settings, watcher, nothing, autoencoder=saved / inside).run()
    assert_same(model.autoencoder.state_dict(), whole[1].autoencoder.state_dict())
    encoding = [] if not inside else ["encoding frames"]
    assert [title for title, _ in watcher.stages] == ["reading recordings", *encoding, "policy"]
    again = Pretraining(tmp_path, demonstrations, settings, Quiet(), nothing, autoencoder=saved / inside).run()
    assert_same(again.state_dict(), model.state_dict())
    with pytest.raises(CheckpointError, match="autoencoder"):
        run(tmp_path, demonstrations, settings=settings)


def test_an_autoencoder_of_another_size_is_refused(saved: Path, demonstrations: list[Path], tmp_path: Path) -> None:
    settings = replace(SETTINGS, preset="tiny")
    with pytest.raises(CheckpointError, match="latent_channels is 4, and this policy's is 16"):
        Pretraining(tmp_path, demonstrations, settings, Quiet(), nothing, autoencoder=saved).run()


# -- recordings and states that cannot be used ----------------------------------------------------------------------------


def test_no_recordings_are_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="no recording to train from"):
        run(tmp_path / "run", [])
    assert not (tmp_path / "run").exists()


def test_an_unknown_preset_is_refused(demonstrations: list[Path], tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError):
        run(tmp_path, demonstrations, settings=replace(SETTINGS, preset="huge"))


def test_a_damaged_state_is_refused_and_left_for_the_user_to_remove(demonstrations: list[Path], tmp_path: Path) -> None:
    (tmp_path / "state.safetensors").write_bytes(b"\x00" * 100)
    with pytest.raises(CheckpointError, match="Remove it to start again"):
        run(tmp_path, demonstrations)
    assert (tmp_path / "state.safetensors").exists()


@pytest.mark.parametrize("odd", [{"size": 40}, {"cameras": ("side",)}, {"cameras": ("front", "wrist")}], ids=str)
def test_a_recording_that_does_not_fit_the_others_is_named(
    demonstrations: list[Path], tmp_path: Path, odd: dict[str, Any]
) -> None:
    from a2g_cli.recording.writer import write_episode
    from a2g_cli.robots.sim import SimRobot
    from a2g_cli.simulator.demonstrations import demonstration_episodes

    robot = SimRobot(**{"size": 32, **odd})
    robot.connect()
    try:
        episode = next(demonstration_episodes(robot, 0, 0, 1, limit=2))
        path = write_episode(tmp_path / "odd.hdf5", robot.spec, episode)
    finally:
        robot.close()
    with pytest.raises(RecordingError, match=r"odd\.hdf5"):
        run(tmp_path / "run", [*demonstrations, path])
    with Recording(demonstrations[0]) as first:
        model = Act2Goal(micro(first.spec))
    with pytest.raises(RecordingError, match=r"odd\.hdf5"):
        encode_recordings(model, [*demonstrations, path])
