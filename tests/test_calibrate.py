"""What practice says about where it happened: on images whose view is known, and on the simulator's own shifts."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from a2g_cli.calibration import nominal
from a2g_cli.calibration.base_pose import BasePose, fit_base_pose
from a2g_cli.calibration.camera import CameraWarp
from a2g_cli.calibration.estimate import MIN_EPISODES, estimate_transform
from a2g_cli.calibration.registration import register
from a2g_cli.calibration.transform import IDENTITY, DomainTransform
from a2g_cli.core.errors import CheckpointError, UsageError
from a2g_cli.encoding.episodes import EncodedEpisode
from a2g_cli.models import checkpoint
from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.training.finetune import FinetuneSettings, settings_from
from a2g_cli.training.finetune_plan import FinetunePlan, plan_finetuning
from a2g_cli.training.finetune_settings import finetune_settings_from_json

EPISODES = 6
"""Of the fixture ``practice``."""


@given(st.floats(-3.1, 3.1), st.tuples(st.floats(-1, 1), st.floats(-1, 1), st.floats(-0.1, 0.1)))
@settings(deadline=None, max_examples=30)
def test_a_mount_is_found_where_a_third_of_the_readings_are_nonsense(
    yaw: float, shift: tuple[float, float, float]
) -> None:
    source = torch.Generator().manual_seed(0)
    places = torch.randn(300, 3, generator=source) * 0.1 + torch.tensor([0.4, 0.0, 0.1])
    seen = BasePose(yaw, shift).to_nominal(places)
    seen[::3] += torch.randn(100, 3, generator=source)
    base_pose, error = fit_base_pose(places, seen)
    assert abs(math.remainder(base_pose.yaw - yaw, math.tau)) < 0.02
    torch.testing.assert_close(base_pose.to_nominal(places), BasePose(yaw, shift).to_nominal(places), atol=0.01, rtol=0)
    assert error < 0.01


def image() -> torch.Tensor:
    """A table, a mat and two marks (64, 64, 3)."""
    made = torch.full((64, 64, 3), 60, dtype=torch.uint8)
    made[20:56, 12:52] = torch.tensor([220, 214, 199], dtype=torch.uint8)
    made[26:32, 18:24] = torch.tensor([200, 30, 30], dtype=torch.uint8)
    made[44:52, 40:44] = torch.tensor([30, 30, 200], dtype=torch.uint8)
    return made


def test_a_bumped_camera_in_another_light_is_registered() -> None:
    bend = torch.tensor([[0.97, -0.12, 0.05], [0.1, 1.02, -0.06], [0.01, -0.02, 1.0]])
    truth = CameraWarp(bend, torch.ones(3), torch.zeros(3))
    lit = CameraWarp(torch.eye(3), torch.tensor([0.8, 0.75, 0.7]), torch.tensor([0.05, 0.02, 0.0]))
    back = CameraWarp(torch.linalg.inv(bend), torch.ones(3), torch.zeros(3))
    here = lit.pixels_to_nominal(back.pixels_to_nominal(image()[None]))[0]
    found = register(image(), here)
    assert found.warp.distance(truth)[0] < 0.008, "half a pixel"
    assert found.after < 0.4 * found.before
    assert found.warp.gain.tolist() == pytest.approx([1 / 0.8, 1 / 0.75, 1 / 0.7], rel=0.1)
    again = register(image(), image())
    assert again.warp.distance(CameraWarp.identity())[0] < 0.002


@cache
def base() -> tuple[Act2Goal, nominal.NominalDomain]:
    known = nominal.load_nominal(checkpoint.SHIPPED)
    assert known is not None
    return checkpoint.load(checkpoint.SHIPPED), known


Practice = Callable[[str, str], list[EncodedEpisode]]


@pytest.mark.parametrize("scene", ["place", "plug", "write"])
def test_at_home_nothing_is_found(practice: Practice, scene: str) -> None:
    found = estimate_transform(*base(), practice(scene, "none"))
    assert not found, str(found)


@pytest.mark.parametrize(
    ("shift", "part"),
    [
        ("camera-bump:0.5", "camera_warps"),
        ("lighting", "camera_warps"),
        ("base-pose:0.8", "base_pose"),
        ("actuator-gain", "actuators"),
    ],
)
@pytest.mark.parametrize("scene", ["place", "write"])
def test_each_shift_is_found_as_what_it_is(practice: Practice, scene: str, shift: str, part: str) -> None:
    found = estimate_transform(*base(), practice(scene, shift))
    parts = {name for name in ("camera_warps", "base_pose", "actuators") if getattr(found, name)}
    assert parts == {part}, str(found)
    if part == "base_pose":
        assert found.base_pose is not None
        assert math.degrees(found.base_pose.yaw) == pytest.approx(20, abs=4)
    if part == "actuators":
        assert found.actuators is not None
        assert found.actuators.matrix[:3].diagonal().mean() == pytest.approx(0.585, abs=0.03)


def test_a_camera_that_rides_along_is_not_registered(practice: Practice) -> None:
    """Its images have a median as well, which is of nothing."""
    source = torch.Generator().manual_seed(0)
    riding = [
        replace(one, sample=torch.randint(0, 256, one.sample.shape, generator=source, dtype=torch.uint8))
        for one in practice("place", "camera-bump:0.5")
    ]
    assert not estimate_transform(*base(), riding).camera_warps


def test_too_little_practice_says_nothing(practice: Practice) -> None:
    model, known = base()
    few = practice("place", "actuator-gain")[: MIN_EPISODES - 1]
    assert not estimate_transform(model, known, few)
    assert not estimate_transform(model, None, practice("place", "actuator-gain"))


def test_what_cannot_be_measured_stays_as_it_is_known(practice: Practice) -> None:
    """One episode adapted to, or measuring switched off, does not make the robot forget where it is."""
    encoded = practice("place", "actuator-gain")
    known = estimate_transform(*base(), encoded)
    for finetune_plan in (studied(encoded[:1], known), studied(encoded, known, calibrate="off")):
        assert finetune_plan.train
        assert finetune_plan.calibration.to_json() == known.to_json()
    again = estimate_transform(*base(), practice("place", "none"), known)
    assert not again, "what is measured to be as at home is"


def studied(encoded: list[EncodedEpisode], known: DomainTransform = IDENTITY, **given: object) -> FinetunePlan:
    model, at_home = base()
    parent = None
    if known:
        parent = type("Parent", (), {"calibration": known})()
    return plan_finetuning(
        model, at_home, parent, encoded, settings_from(**given), 2 * checkpoint.arrived_below(checkpoint.SHIPPED)
    )


def test_what_is_wrong_is_put_right_before_anything_is_imitated(practice: Practice) -> None:
    encoded = practice("place", "actuator-gain")
    first = studied(encoded)
    assert not first.train
    assert first.calibration.actuators is not None
    assert len(first.kept) == EPISODES
    second = studied(encoded, first.calibration)
    assert second.train
    assert second.calibration.actuators is not None
    at_home = second.kept[0].whole.actions[:, :3]
    torch.testing.assert_close(
        first.calibration.from_nominal(at_home, base()[0].config.action_names[:3], ("x", "y", "z")),
        next(one for one in encoded if one.name == second.kept[0].name).whole.actions[:, :3],
        atol=2e-3,
        rtol=0,
    )


def test_what_was_refused_a_moment_ago_is_left_aside(practice: Practice) -> None:
    encoded = practice("place", "actuator-gain")
    model, at_home = base()
    first = studied(encoded)
    settings, bound = settings_from(), 2 * checkpoint.arrived_below(checkpoint.SHIPPED)
    second = plan_finetuning(model, at_home, None, encoded, settings, bound, first.calibration)
    assert second.train
    assert not second.calibration
    # Something else that is measured is no less worth a trial.
    other = replace(first.calibration, actuators=None, base_pose=BasePose(0.5, (0.0, 0.0, 0.0)))
    third = plan_finetuning(model, at_home, None, encoded, settings, bound, other)
    assert not third.train
    assert third.calibration.to_json() == first.calibration.to_json()


def test_it_can_be_left(practice: Practice) -> None:
    left = studied(practice("place", "actuator-gain"), calibrate="off")
    assert not left.calibration
    assert left.train
    assert FinetuneSettings().calibrate == "apply"


def test_what_version_0_1_stored_of_removed_choices_is_understood_or_refused_in_one_line() -> None:
    assert finetune_settings_from_json({"keep": "arrived", "patience": 2.0}) == FinetuneSettings(slowness_tau=2.0)
    for make in (finetune_settings_from_json, lambda given: settings_from(**given)):
        with pytest.raises(UsageError, match=r"--calibrate teach was removed.* use apply or off"):
            make({"calibrate": "teach"})


def test_a_home_survives_its_file_and_a_damaged_one_is_refused(tmp_path: Path) -> None:
    _, known = base()
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((checkpoint.SHIPPED / name).read_bytes())
    known.save(tmp_path)
    again = nominal.load_nominal(tmp_path)
    assert again is not None
    assert again.tool_keypoint is not None
    assert torch.equal(again.backgrounds, known.backgrounds)
    assert again.groups == known.groups == ("place", "write", "plug")
    whole = (tmp_path / nominal.NOMINAL).read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", whole.replace(b"reader.mean", b"reader.meen")):
        (tmp_path / nominal.NOMINAL).write_bytes(damaged)
        with pytest.raises(CheckpointError, match="damaged"):
            nominal.load_nominal(tmp_path)
    nominal.NominalDomain(known.backgrounds[:, :, :32], None, known.groups).save(tmp_path)
    with pytest.raises(CheckpointError, match="does not fit its base: pictures"):
        nominal.load_nominal(tmp_path)
