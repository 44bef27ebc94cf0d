"""The photo judge on drawn scenes: a block that is brought to a plate under an arm that hides it on the way."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from recording_examples import DONE, PROVENANCE, SPEC

from a2g_cli.calibration.goal_change import goal_change, reduced
from a2g_cli.calibration.photo_judge import (
    REACHED,
    UNSURE,
    PhotoJudge,
    PhotoVerdict,
    ask_for_answers,
    judge_recordings,
)
from a2g_cli.core.errors import RecordingError
from a2g_cli.core.types import Goal, Image, Observation, StepTiming
from a2g_cli.data.recording.writer import RecordingWriter

BLOCK, PLATE, ARM = (220, 40, 30), (120, 200, 120), (40, 40, 45)
GOAL = (40, 44)
"""Row and column of the block's upper left corner on the photo."""


def scene(block: tuple[int, int] | None, arm: int | None, scale: int = 1) -> Image:
    """Return a scene: a green mat, a red block of 8 px, and a dark arm of 6 px from above down to row ``arm``."""
    image = np.full((64, 64, 3), 90, np.uint8)
    image[20:] = PLATE
    if block is not None:
        row, column = block
        image[row : row + 8, column : column + 8] = BLOCK
    if arm is not None:
        image[:arm, 45:51] = ARM
    return image.repeat(scale, axis=0).repeat(scale, axis=1)


def starts(rng: np.random.Generator, count: int = 40, scale: int = 1) -> Image:
    """Return start frames: the block on the left anywhere, the arm above."""
    return np.stack(
        [
            scene((int(rng.integers(25, 50)), int(rng.integers(2, 28))), int(rng.integers(8, 14)), scale)
            for _ in range(count)
        ]
    )


def episode(end: tuple[int, int], arm: int = 10, length: int = 30, scale: int = 1) -> Image:
    """Return an episode: the block lies at the left, and in the last third at ``end``, under an arm down to ``arm``."""
    early = [scene((30, 10), 12, scale)] * (length - length // 3)
    return np.stack(early + [scene(end, arm, scale)] * (length // 3))


@pytest.fixture
def judge() -> PhotoJudge:
    return PhotoJudge.fit({"front": starts(np.random.default_rng(0))}, {"front": scene(GOAL, 10)})


def verdict(judge: PhotoJudge, frames: Image) -> PhotoVerdict:
    return judge.verdict({"front": frames})


def test_what_changes_is_the_block_at_its_goal_and_not_the_arm(judge: PhotoJudge) -> None:
    mask = judge.changes["front"].mask
    wanted = np.zeros((64, 64), bool)
    wanted[40:48, 44:52] = True
    assert np.array_equal(mask, wanted)


def test_it_knows_a_success_and_where_it_happened(judge: PhotoJudge) -> None:
    found = verdict(judge, episode(GOAL))
    assert found.success is True
    assert found.score < 0.01
    assert found.frame >= 20 + 4


@pytest.mark.parametrize("beside", [(1, 0), (0, -1), (1, 1)])
def test_a_block_a_pixel_beside_its_place_has_reached_it(judge: PhotoJudge, beside: tuple[int, int]) -> None:
    assert verdict(judge, episode((GOAL[0] + beside[0], GOAL[1] + beside[1]))).success is True


@pytest.mark.parametrize("end", [(30, 10), (50, 20), (40, 30), (32, 44), (46, 48)])
def test_a_block_elsewhere_has_not(judge: PhotoJudge, end: tuple[int, int]) -> None:
    assert verdict(judge, episode(end)).success is False


def test_an_arm_in_front_of_the_goal_is_no_success(judge: PhotoJudge) -> None:
    assert verdict(judge, episode(GOAL, arm=60)).success is not True
    assert verdict(judge, episode((30, 10), arm=60)).success is False


def test_it_does_not_know_what_lies_between(judge: PhotoJudge) -> None:
    scores = [verdict(judge, episode((GOAL[0] + down, GOAL[1]))).score for down in range(9)]
    assert scores == sorted(scores)
    assert judge.says(math.sqrt(REACHED * UNSURE)) is None
    assert judge.says(math.nan) is None


def test_a_match_must_hold(judge: PhotoJudge) -> None:
    frames = episode((30, 10))
    frames[15:17] = scene(GOAL, 10)
    assert verdict(judge, frames).success is False
    frames[15:20] = scene(GOAL, 10)
    assert verdict(judge, frames).success is True
    assert verdict(judge, frames).frame == 19


def test_a_photo_that_shows_the_start_cannot_be_judged() -> None:
    same = np.stack([scene((30, 10), 12)] * 10)
    judge = PhotoJudge.fit({"front": same}, {"front": scene((30, 10), 12)})
    found = judge.verdict({"front": same})
    assert found.success is None
    assert math.isnan(found.score)
    assert found.frame == 9


def test_every_camera_that_sees_the_change_must_see_it_made() -> None:
    rng = np.random.default_rng(1)
    judge = PhotoJudge.fit(
        {"front": starts(rng), "side": starts(rng), "blind": np.stack([scene(None, None)] * 5)},
        {"front": scene(GOAL, 10), "side": scene(GOAL, 10), "blind": scene(None, None)},
    )
    assert set(judge.changes) == {"front", "side"}
    done, undone, blind = episode(GOAL), episode((30, 10)), np.stack([scene(None, None)] * 30)
    assert judge.verdict({"front": done, "side": done, "blind": blind}).success is True
    assert judge.verdict({"front": done, "side": undone, "blind": blind}).success is False


def test_larger_images_are_judged_alike() -> None:
    judge = PhotoJudge.fit({"front": starts(np.random.default_rng(0), scale=3)}, {"front": scene(GOAL, 10, 3)})
    assert judge.changes["front"].mask.shape == (64, 64)
    assert verdict(judge, episode(GOAL, scale=3)).success is True
    assert verdict(judge, episode((30, 10), scale=3)).success is False


def test_images_are_averaged_over_squares() -> None:
    frames = np.arange(2 * 130 * 131 * 3).reshape(2, 130, 131, 3).astype(np.uint8)
    assert reduced(frames).shape == (2, 65, 65, 3)
    assert reduced(frames)[0, 0, 0, 0] == frames[0, :2, :2, 0].mean()


def test_nothing_is_seen_where_everything_always_moves() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 64, 64, 3), np.uint8)
    assert goal_change(noise, scene(GOAL, 10)) is None


def record(path: Path, frames: Image, photo: Image) -> None:
    """Write an episode of ``frames`` towards ``photo``."""
    spec = replace(SPEC, cameras={"front": (64, 64)})
    seen = [
        Observation({"front": frame}, np.zeros(2, np.float32), {"front": i / 10}, i / 10)
        for i, frame in enumerate(frames)
    ]
    writer = RecordingWriter(path, spec, Goal("block", {"front": photo}, "sim:place"), PROVENANCE, seen[0])
    for one in seen[1:]:
        writer.append(np.zeros(3, np.float32), np.zeros(3, np.float32), one, StepTiming(one.time - 0.1))
    writer.finish(DONE)


def of_scores(*scores: float) -> list[PhotoVerdict]:
    return [PhotoVerdict(None, score, 0) for score in scores]


def test_a_person_moves_the_bound_to_where_it_errs_least() -> None:
    judge = PhotoJudge({})
    scores = of_scores(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
    asked: list[int] = []

    def ask(which: int) -> bool:
        asked.append(which)
        return scores[which].score < 0.55

    bent, said = ask_for_answers(judge, scores, ask, count=5)
    assert asked[0] == 2
    assert len(set(asked)) == len(asked) == 5
    assert 0.5 < bent.reached < 0.6
    assert bent.unsure == bent.reached
    assert said == [True] * 5 + [False] * 3


def test_a_person_who_cannot_tell_changes_nothing() -> None:
    judge = PhotoJudge({})
    bent, said = ask_for_answers(judge, of_scores(0.1, 0.35, 0.9), lambda _: None, count=3)
    assert bent == judge
    assert said == [True, None, False]
    assert judge.taught([]) == judge


def test_a_false_success_costs_more_than_a_missed_one() -> None:
    answers = [(0.2, True), (0.24, False), (0.27, True), (0.28, True), (0.5, False)]
    assert PhotoJudge({}).taught(answers).reached < 0.24


def test_recordings_of_one_goal_are_judged(tmp_path: Path) -> None:
    paths = []
    for i in range(4):
        path = tmp_path / f"{i}.hdf5"
        record(path, episode(GOAL if i % 2 else (30, 10)), scene(GOAL, 10))
        paths.append(path)
    judge, verdicts = judge_recordings(paths, ["front"], (64, 64))
    assert [one.success for one in verdicts] == [False, True, False, True]
    assert judge.changes
    record(tmp_path / "other.hdf5", episode(GOAL), scene((50, 50), 10))
    with pytest.raises(RecordingError, match="another goal"):
        judge_recordings([*paths, tmp_path / "other.hdf5"], ["front"], (64, 64))
    with pytest.raises(RecordingError, match="no recording"):
        judge_recordings([], ["front"], (64, 64))
