"""Images of any size: learned from, adapted to and acted on at the size that a base was trained at; nothing is rewritten."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_examples import a2g, ask, refused
from policy_examples import goal, observation, spec
from test_own_robot import QUICK, ROBOT, recorded

from a2g_cli.calibration.nominal_fit import FRAMES_PER_RECORDING, sampled_recordings
from a2g_cli.core.errors import A2GError
from a2g_cli.data.goals import fit
from a2g_cli.data.recording.reader import Recording, fingerprint
from a2g_cli.encoding import frames as latents
from a2g_cli.encoding.resizing import read_frames
from a2g_cli.models import checkpoint
from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.models.presets import SIZE
from a2g_cli.policies.base import Plan, PlanRequest, Policy
from a2g_cli.policies.image_size import ResizingPolicy, in_words
from a2g_cli.training import memory
from a2g_cli.training.device import TrainingDevice
from a2g_cli.training.pretrain_settings import PretrainSettings, settings_for

MIXED = replace(ROBOT, cameras={"head": (100, 128), "hand": (20, 20)})
"""Sizes that differ, and that fit no preset."""


@pytest.mark.parametrize("size", [(32, 32), (8, 64), (100, 128)])
def test_frames_are_read_as_goals_are_resized_and_the_file_stays_as_it_is(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    path = next(recorded(MIXED, tmp_path / "monday", 1).iterdir())
    before = fingerprint(path)
    with Recording(path) as recording:
        for camera in recording.cameras:
            frames = read_frames(recording, camera, size)
            assert frames.shape == (10, *size, 3)
            for index, frame in enumerate(frames):
                np.testing.assert_array_equal(frame, fit(recording.frame(camera, index), *size)[0])
            np.testing.assert_array_equal(read_frames(recording, camera, size, [7, 0, 7]), frames[[7, 0, 7]])
    assert fingerprint(path) == before


@pytest.mark.parametrize("size", [(32, 32), (64, 64), (480, 640), (2048, 2048)])
@pytest.mark.parametrize("recordings", [1, 50, 100_000])
def test_what_is_sampled_is_bounded_whatever_there_is(size: tuple[int, int], recordings: int) -> None:
    config = replace(PretrainSettings(preset="micro").config(spec(cameras=2)), height=size[0], width=size[1])
    frame = 3 * size[0] * size[1]
    some, each = latents.sample_size(config, recordings, 40_000)
    assert 1 <= some <= recordings
    assert each >= 1
    assert some * each * 2 * frame <= latents.SAMPLE_BYTES
    each = 2 * FRAMES_PER_RECORDING * frame
    assert sampled_recordings(config, recordings) * each <= max(latents.SAMPLE_BYTES, each)


def need(size: tuple[int, int], frames: int = 5000, **given: Any) -> memory.Need:
    settings = settings_for("micro", None, None, size=size, **given)
    model = Act2Goal(settings.config(spec()))
    return memory.need(model, settings, memory.Survey(50, frames, 200, ()), TrainingDevice())


def test_memory_grows_with_what_is_asked_for() -> None:
    least = need((64, 64), batch=16)
    assert need((64, 64), batch=32).step > least.step
    assert need((128, 128), batch=16).step > 3 * least.step
    assert need((64, 64), frames=50_000).latents > need((64, 64)).latents
    assert need((64, 64), copies=2).latents > need((64, 64)).latents


def test_what_does_not_fit_is_refused_in_a_line_before_anything_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = recorded(MIXED, tmp_path / "monday", 1)
    monkeypatch.setattr(memory, "_free", lambda: 10**6)
    said = refused(tmp_path, "pretrain", folder, *QUICK, "--out", tmp_path / "run", code=A2GError.exit_code)
    assert "of memory, but only 0.0 GB are free: choose a smaller --resize" in said
    assert not (tmp_path / "run" / "state.safetensors").exists()


def test_sizes_that_fit_nothing_are_trained_at_the_presets_size_and_adapted_to(tmp_path: Path) -> None:
    folder = recorded(MIXED, tmp_path / "recordings" / "sessions" / "monday")
    made = a2g(tmp_path, "pretrain", "monday", *QUICK, "--out", tmp_path / "run")
    assert made.exit_code == 0, made.stderr
    told = "images of 128x100 (head) and 20x20 (hand) are cropped about the centre and resized to 64x64"
    assert told in made.stderr.replace("\n", " ")
    assert "memory: about" in made.stderr
    base = tmp_path / "run" / "checkpoint"
    config, facts = checkpoint.read_config(base)
    assert config.size == SIZE
    assert facts["resizing"] == told
    assert told in (base / "README.md").read_text()
    before = [fingerprint(path) for path in sorted(folder.iterdir())]
    adapted = a2g(tmp_path, "adapt", "monday", "--base", base, "--keep", "all", "--iterations", 2, "--rank", 2)
    assert adapted.exit_code == 0, adapted.stderr
    assert told in adapted.stderr.replace("\n", " ")
    assert [fingerprint(path) for path in sorted(folder.iterdir())] == before


def test_a_session_is_trained_at_the_size_that_is_typed_and_goes_on_with_it(tmp_path: Path) -> None:
    recorded(MIXED, tmp_path / "recordings" / "sessions" / "monday", 1)
    words = ("pretrain", "monday", *QUICK, "--out", tmp_path / "run")
    made = ask(tmp_path, *words, "--resize", "96x32")
    config, _ = checkpoint.read_config(Path(made["checkpoint"]))
    assert (config.height, config.width) == (32, 96)
    assert ask(tmp_path, *words, "--resize", "96x32")["hash"] == made["hash"]
    assert ask(tmp_path, *words)["hash"] == made["hash"]
    assert "other settings (size)" in refused(tmp_path, *words, "--resize", "64x64")
    said = refused(tmp_path, *words, "--resize", "96x40")
    assert "images of 96x40 px do not fit preset 'micro'" in said
    assert "96x32" in said


class Seen(Policy):
    """A policy that keeps what it was asked."""

    name = "seen"

    def __init__(self) -> None:
        self.requests: list[PlanRequest] = []

    def plan(self, requests: Sequence[PlanRequest]) -> list[Plan]:
        self.requests += requests
        return [Plan(np.zeros((1, 4), np.float32), 0.0) for _ in requests]


def test_a_policy_sees_observation_and_goal_at_its_own_size() -> None:
    robot, inner = spec(cameras=2, size=48), Seen()
    policy = ResizingPolicy(inner, (32, 32))
    now, wanted = observation(robot), goal(robot)
    assert len(policy.plan([PlanRequest(now, wanted, 0, 0), PlanRequest(now, wanted, 1, 0)])) == 2
    for request in inner.requests:
        for camera in robot.cameras:
            np.testing.assert_array_equal(request.observation.images[camera], fit(now.images[camera], 32, 32)[0])
            np.testing.assert_array_equal(request.goal.images[camera], fit(wanted.images[camera], 32, 32)[0])
    assert now.images[next(iter(robot.cameras))].shape == (48, 48, 3)


def test_words_name_only_the_cameras_that_differ() -> None:
    assert in_words({"a": (64, 64)}, (64, 64)) == ""
    said = in_words({"a": (64, 64), "b": (480, 640), "c": (480, 640)}, (64, 64))
    assert said == "images of 640x480 (b, c) are cropped about the centre and resized to 64x64"


def test_a_robot_whose_camera_gives_another_size_runs_practises_and_is_judged(tmp_path: Path, unskilled: Path) -> None:
    base = unskilled
    assert checkpoint.read_config(base)[0].size == SIZE
    (tmp_path / "a2g.toml").write_text('[robot]\ndriver = "sim:place"\nsize = 96\n')
    ask(tmp_path, "capture-goal", "cup", "--seed", 3)
    ran = a2g(tmp_path, "run", "cup", "--steps", 4, "--base", base, "--judge", "policy")
    assert ran.exit_code in {0, 5}, ran.stderr
    assert "images of 96x96 (front) are cropped about the centre and resized to 64x64" in ran.stderr.replace("\n", " ")
    improved = ask(
        tmp_path,
        *(
            "improve",
            "--rounds",
            1,
            "--episodes",
            2,
            "--evaluation",
            2,
            "--steps",
            4,
            "--iterations",
            2,
            "--base",
            base,
        ),
        *("--goals-from", "imagined", "--curriculum", "progress"),
    )
    assert improved["before"]["n"] == 2
    folder = tmp_path / "recordings" / "sessions" / improved["session"]
    with Recording(next(folder.glob("episode-*.hdf5"))) as recording:
        assert recording.spec.cameras == {"front": (96, 96)}, "a recording keeps what the camera gave"
