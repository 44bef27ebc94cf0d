"""How far what calibrates is trusted: its error on held-out demonstrations, the interval of an estimate, and abstaining."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import torch

from a2g_cli.calibration import held_out, intervals, nominal
from a2g_cli.calibration.accuracy import ACTUATORS, BASE_POSE, ESTIMATORS, Accuracy, accuracies_of
from a2g_cli.calibration.base_pose import BasePose
from a2g_cli.calibration.estimate import estimate_transform, suspected_base_pose
from a2g_cli.calibration.held_out import measure_accuracy
from a2g_cli.calibration.tool_keypoint import ToolKeypoint
from a2g_cli.calibration.transform import DomainTransform
from a2g_cli.core.errors import CheckpointError
from a2g_cli.encoding.episodes import EncodedEpisode
from a2g_cli.models import checkpoint
from a2g_cli.models.act2goal.model import Act2Goal

Practice = Callable[[str, str], list[EncodedEpisode]]
USELESS = Accuracy(0.056, 0.101, "m", 400, (0.1, 0.02))
"""The stranger's reader."""


@cache
def base() -> tuple[Act2Goal, nominal.NominalDomain]:
    known = nominal.load_nominal(checkpoint.SHIPPED)
    assert known is not None
    return checkpoint.load(checkpoint.SHIPPED), known


def test_the_shipped_estimators_are_far_better_than_guesses(
    practice: Practice, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, known = base()
    monkeypatch.setattr(held_out, "WARPS", 1)
    found = measure_accuracy(model, known, practice("place", "none"), ["place"] * 6)
    assert set(found) == {"camera front", BASE_POSE, ACTUATORS}
    assert all(one.trusted for one in found.values()), {name: str(one) for name, one in found.items()}
    assert found[BASE_POSE].error < 0.02
    yaw, _ = found[BASE_POSE].bias
    assert math.degrees(yaw) < 4


def test_a_reader_that_learned_nothing_is_found_out(practice: Practice) -> None:
    model, known = base()
    torch.manual_seed(0)
    fresh = ToolKeypoint(model.config.latent_channels, 1)
    assert known.tool_keypoint is not None
    fresh.mean, fresh.std = known.tool_keypoint.mean, known.tool_keypoint.std
    found = measure_accuracy(
        model,
        replace(known, tool_keypoint=fresh, backgrounds=known.backgrounds[:0], groups=()),
        practice("place", "none"),
        ["place"] * 6,
    )
    assert set(found) == {BASE_POSE, ACTUATORS}
    assert not found[BASE_POSE].trusted


@pytest.mark.parametrize(("shift", "part"), [("base-pose:0.8", "base_pose"), ("actuator-gain", "actuators")])
def test_an_estimate_has_an_interval_and_an_untrusted_one_is_left_out_in_a_line(
    practice: Practice, shift: str, part: str
) -> None:
    model, known = base()
    name = {"base_pose": BASE_POSE, "actuators": ACTUATORS}[part]
    encoded = practice("place", shift)
    found = estimate_transform(model, known, encoded)
    assert set(found.intervals) == {name}
    assert DomainTransform.from_json(found.to_json()).to_json() == found.to_json()
    if part == "base_pose":
        assert found.base_pose is not None
        yaw, distance = found.intervals[name]
        assert abs(math.degrees(found.base_pose.yaw) - 20) < max(1.5 * math.degrees(yaw), 4)
        assert 0 < distance < 0.02
        assert "(±" in str(found)
    notes: list[str] = []
    doubted = replace(known, accuracy={name: USELESS})
    assert not estimate_transform(model, doubted, encoded, note=notes.append)
    assert [note.split(" (")[0] for note in notes] == [f"not calibrated: the {name}"]
    assert "hardly beats a guess" in notes[0]
    kept = estimate_transform(model, doubted, encoded, found)
    assert kept.to_json() == found.to_json(), "what was known before stays"


def test_an_interval_wider_than_the_correction_is_no_estimate(
    practice: Practice, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, known = base()
    monkeypatch.setattr(intervals, "REGISTRATIONS", 2)
    encoded = practice("place", "camera-bump:0.5")
    found = estimate_transform(model, known, encoded)
    moved, _ = found.camera_warps["front"].distance(found.camera_warps["front"].identity())
    assert 2 * found.intervals["camera front"][0] < moved
    notes: list[str] = []
    shaky = replace(known, accuracy={"camera front": Accuracy(0.001, 0.1, "of the width", 4, (moved,))})
    assert not estimate_transform(model, shaky, encoded, note=notes.append).camera_warps
    assert "is not certain: ±" in notes[0]


def test_no_pose_is_suspected_where_its_reader_cannot_be_trusted(practice: Practice) -> None:
    model, known = base()
    encoded = practice("place", "combined:1.5")
    transform = estimate_transform(model, known, encoded)
    assert suspected_base_pose(model, known, encoded, transform) is not None
    notes: list[str] = []
    doubted = replace(known, accuracy={BASE_POSE: USELESS})
    assert suspected_base_pose(model, doubted, encoded, transform, notes.append) is None
    assert len(notes) == 1


def test_episodes_that_contradict_each_other_widen_the_interval_of_a_base_pose() -> None:
    generator = torch.Generator().manual_seed(0)
    places = [0.1 * torch.randn(30, 3, generator=generator) for _ in range(6)]
    poses = [BasePose(0.3 + (0.3 if i % 2 else 0.0), (0.0, 0.0, 0.0)) for i in range(6)]
    agreeing = [BasePose(0.3, (0.0, 0.0, 0.0)).to_nominal(place) for place in places]
    apart = [pose.to_nominal(place) for pose, place in zip(poses, places, strict=True)]
    sure = intervals.base_pose_interval(places, agreeing, BasePose(0.3, (0.0, 0.0, 0.0)), None)
    unsure = intervals.base_pose_interval(places, apart, BasePose(0.45, (0.0, 0.0, 0.0)), None)
    assert sure == pytest.approx((0, 0), abs=1e-4)
    assert unsure[0] > 0.1
    assert intervals.base_pose_interval(places, agreeing, BasePose(0.3, (0.0, 0.0, 0.0)), USELESS)[0] == pytest.approx(
        0.1
    )


@pytest.mark.parametrize(
    "damaged",
    [
        [],
        {"base pose": {}},
        {"base pose": {**USELESS.to_json(), "error": -1}},
        {"x": {**USELESS.to_json(), "bias": "a"}},
    ],
)
def test_damaged_errors_are_named(damaged: Any) -> None:
    assert accuracies_of({}, "there") == {}
    assert accuracies_of({ESTIMATORS: {"base pose": USELESS.to_json()}}, "there") == {"base pose": USELESS}
    if damaged:
        with pytest.raises(CheckpointError, match="there has damaged errors"):
            accuracies_of({ESTIMATORS: damaged}, "there")


def test_damaged_intervals_are_refused() -> None:
    data = DomainTransform(base_pose=BasePose(0.3, (0.0, 0.0, 0.0)), intervals={BASE_POSE: (0.1, 0.01)}).to_json()
    assert DomainTransform.from_json(data).intervals == {BASE_POSE: (0.1, 0.01)}
    for wrong in ({BASE_POSE: [-1.0, 0.0]}, {BASE_POSE: []}, [1], {BASE_POSE: [float("nan")]}):
        with pytest.raises(CheckpointError):
            DomainTransform.from_json({**data, "intervals": wrong})
