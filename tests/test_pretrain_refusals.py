"""What training a base refuses, and an autoencoder that it takes over."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from policy_examples import Quiet
from pretrain_examples import SETTINGS, Whole, assert_same, nothing, run

from a2g_cli.core.errors import CheckpointError, RecordingError, UnknownNameError
from a2g_cli.data.recording.reader import Recording
from a2g_cli.encoding.frames import encode_recordings
from a2g_cli.models import checkpoint
from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.models.presets import micro
from a2g_cli.training.pretrain import Pretraining

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
    with pytest.raises(CheckpointError, match="latent_channels is 4, and this policy needs 16"):
        Pretraining(tmp_path, demonstrations, settings, Quiet(), nothing, autoencoder=saved).run()


# -- recordings and states that cannot be used ----------------------------------------------------------------------------


def test_no_recordings_are_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="no recording to train on"):
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


@pytest.mark.parametrize("odd", [{"cameras": ("side",)}, {"cameras": ("front", "wrist")}], ids=str)
def test_a_recording_that_does_not_fit_the_others_is_named(
    demonstrations: list[Path], tmp_path: Path, odd: dict[str, Any]
) -> None:
    from a2g_cli.data.recording.writer import write_episode
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
