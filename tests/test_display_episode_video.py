"""Frames of videos: labels, steps-to-go and the verdict are drawn, and every frame of an episode has one size."""

import numpy as np
import pytest

from a2g_cli.core.types import Image
from a2g_cli.display.episode_video import (
    BACKGROUND,
    BAR,
    CURSOR,
    CURVE,
    CURVE_HEIGHT,
    VERDICTS,
    EpisodeCanvas,
    EpisodeWords,
    curve_image,
    verdict_bar,
)
from a2g_cli.display.grid_video import EDGE, LEAST, GridCanvas, tiling

WORDS = EpisodeWords("monday/episode-0000", 10, ((0, 20.0), (4, 10.0), (8, 2.0)), True, "success (judge: truth)")


def plain(height: int, width: int, value: int) -> Image:
    return np.full((height, width, 3), value, np.uint8)


def has(image: Image, colour: tuple[int, int, int]) -> bool:
    return bool((image == np.array(colour, np.uint8)).all(axis=-1).any())


def test_the_estimate_holds_until_the_next_plan() -> None:
    assert [WORDS.left_at(step) for step in (0, 3, 4, 7, 10)] == [20.0, 20.0, 10.0, 10.0, 2.0]
    assert EpisodeWords("x", 3).left_at(2) is None
    assert EpisodeWords("x", 3, ((2, 1.0),)).left_at(1) is None


class TestEpisode:
    canvas = EpisodeCanvas(WORDS, {"front": plain(32, 32, 200)}, height=64)

    def moment(self, step: int) -> Image:
        return self.canvas.moment(step, {"front": plain(32, 32, 100), "wrist": plain(16, 32, 50)})

    def test_every_frame_has_one_size_and_holds_the_images(self) -> None:
        frames = [self.moment(step) for step in range(11)]
        assert len({frame.shape for frame in frames}) == 1
        # Three images, 32, 32 and 64 px wide at the height of the first, twice as large, with gaps.
        assert frames[0].shape[:2] == (3 * BAR + 64 + CURVE_HEIGHT, 2 * (32 + 2 + 32 + 2 + 64))
        row = frames[0][BAR : BAR + 64]
        assert (row[:, :64] == 100).all()
        assert (row[:, 68:132] == 200).all()
        assert (row[:, 136:] == 50).all()

    def test_the_verdict_is_shown_at_the_end_alone(self) -> None:
        assert not has(self.moment(9)[-BAR:], VERDICTS[True])
        assert has(self.moment(10)[-BAR:], VERDICTS[True])
        colours = {tuple(verdict_bar(90, "words", success)[0, -1]) for success in (True, False, None)}
        assert len(colours) == 3

    def test_the_cursor_goes_from_left_to_right(self) -> None:
        places = []
        for step in (0, 5, 10):
            strip = self.moment(step)[-BAR - CURVE_HEIGHT : -BAR][BAR:]
            columns = (strip == np.array(CURSOR, np.uint8)).all(axis=(0, 2))
            places.append(int(np.flatnonzero(columns).mean()))
        width = self.moment(0).shape[1]
        assert places[0] <= 1
        assert abs(places[1] - width / 2) <= 2
        assert places[2] >= width - 3

    def test_the_curve_falls_with_the_estimates_and_says_if_there_are_none(self) -> None:
        drawn = (curve_image(200, WORDS) == np.array(CURVE, np.uint8)).all(axis=-1)
        heights = [np.flatnonzero(drawn[:, column]).mean() for column in (2, 80, 158)]
        assert heights == sorted(heights)
        assert heights[0] + 10 < heights[2]
        none = curve_image(200, EpisodeWords("x", 3))
        assert none.shape == (CURVE_HEIGHT, 200, 3)
        assert not has(none, CURVE)
        assert none.max() > 100
        curve_image(5, EpisodeWords("x", 0, ((0, 1.0),)))


@pytest.mark.parametrize("count", [1, 2, 5, 9, 40, 200])
@pytest.mark.parametrize("aspect", [1.0, 0.75, 1.5])
def test_tiles_have_room_and_can_be_seen(count: int, aspect: float) -> None:
    found = tiling(count, aspect)
    assert found.columns * found.rows >= count > found.columns * (found.rows - 1)
    assert found.width >= LEAST
    assert found.height == pytest.approx(found.width * aspect, abs=1)
    assert found.shape[1] <= 1920
    assert count > 60 or found.shape[0] <= 1080


class TestGrid:
    def words(self, steps: int, success: bool | None) -> EpisodeWords:
        return EpisodeWords("0001", steps, ((0, 5.0),), success, "no success")

    def test_an_episode_that_has_ended_says_so_while_others_go_on(self) -> None:
        words = [self.words(2, True), self.words(5, False)]
        canvas = GridCanvas(tiling(2, 1.0), words, [None, None], {})
        now = [plain(8, 8, 90), plain(8, 8, 90)]
        first, third, last = (canvas.frame(step, now) for step in (0, 2, 5))
        assert first.shape == third.shape == last.shape
        assert not has(first, VERDICTS[True])
        assert has(third, VERDICTS[True])
        assert not has(third, VERDICTS[False])
        assert has(last, VERDICTS[True])
        assert has(last, VERDICTS[False])

    def test_a_goal_of_all_has_a_tile_and_a_goal_of_one_a_corner(self) -> None:
        shared = GridCanvas(tiling(2, 1.0), [self.words(2, None)], [None], {"goal cup": plain(8, 8, 222)})
        shown = shared.frame(0, [plain(8, 8, 90)])
        side = shared.tiling.width
        assert (shown[EDGE : EDGE + side, EDGE : EDGE + side] == 222).all()
        own = GridCanvas(tiling(1, 1.0), [self.words(2, None)], [plain(8, 8, 222)], {})
        tile = own.frame(0, [plain(8, 8, 90)])[EDGE:, EDGE:]
        assert tile[2, own.tiling.width - 2].tolist() == [222] * 3
        assert tile[own.tiling.height - 2, 2].tolist() == [90] * 3
        assert tuple(own.frame(0, [plain(8, 8, 90)])[0, 0]) == BACKGROUND
