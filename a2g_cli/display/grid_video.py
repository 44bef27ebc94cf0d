"""Many episodes at once: a grid in which all of them begin together, and each ends with its verdict."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from a2g_cli.core.types import Image
from a2g_cli.display.episode_video import BACKGROUND, BAR, INK, EpisodeWords, fitted, text_bar, verdict_bar

WIDEST, HIGHEST = 1920, 1080
"""About the largest frame of a grid [px]."""
LEAST, MOST = 96, 320
"""Least and greatest width of an image in it [px]; with many episodes the frame becomes higher."""
EDGE = 4
"""Dark pixels around a tile [px]."""
GOAL_SHARE = 3
"""A goal that only one episode has covers this part of the width of its image."""


@dataclass(frozen=True)
class Tiling:
    """Where the tiles stand."""

    columns: int
    rows: int
    width: int
    """Of an image [px]."""
    height: int
    """Of an image [px]."""

    def empty(self, count: int) -> int:
        """Return how many places ``count`` images leave empty."""
        return self.columns * self.rows - count

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of a frame."""
        return self.rows * (self.height + BAR + EDGE) + EDGE, self.columns * (self.width + EDGE) + EDGE, 3


def tiling(count: int, aspect: float) -> Tiling:
    """Return the tiling of ``count`` images, in which they are largest; ``aspect``: height over width of an image."""
    best: Tiling | None = None
    for columns in range(1, count + 1):
        rows = math.ceil(count / columns)
        by_height = ((HIGHEST - EDGE) / rows - BAR - EDGE) / aspect
        width = int(min(MOST, (WIDEST - EDGE) / columns - EDGE, by_height))
        found = Tiling(columns, rows, width, max(1, round(width * aspect)))
        if best is None or (found.width, -found.empty(count), columns) > (best.width, -best.empty(count), best.columns):
            best = found
    if best is None:
        raise ValueError("a grid of no episodes")
    if best.width >= LEAST:
        return best
    columns = max(1, (WIDEST - EDGE) // (LEAST + EDGE))
    return Tiling(columns, math.ceil(count / columns), LEAST, max(1, round(LEAST * aspect)))


@dataclass(frozen=True)
class GridCanvas:
    """Draws the moments of a grid."""

    tiling: Tiling
    words: Sequence[EpisodeWords]
    """Of each episode; the name should be short."""
    goals: Sequence[Image | None]
    """Goal photo of each episode, shown in a corner of its tile; None: none is."""
    first: Mapping[str, Image]
    """Images before the episodes, by their names: a goal photo that all of them have."""

    def frame(self, step: int, now: Sequence[Image]) -> Image:
        """Return the frame of observation ``step``; ``now`` has each episode's image then, or its last one."""
        tiles = [self._tile(image, text_bar(self.tiling.width, [(3, name)])) for name, image in self.first.items()]
        for words, goal, image in zip(self.words, self.goals, now, strict=True):
            tiles.append(self._tile(self._beside(image, goal), self._line(words, step)))
        shown = np.full(self.tiling.shape, BACKGROUND, np.uint8)
        for number, tile in enumerate(tiles):
            row, column = divmod(number, self.tiling.columns)
            top = EDGE + row * (self.tiling.height + BAR + EDGE)
            left = EDGE + column * (self.tiling.width + EDGE)
            shown[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
        return shown

    def _tile(self, image: Image, line: Image) -> Image:
        return np.concatenate([fitted(image, self.tiling.width, self.tiling.height), line], axis=0)

    def _beside(self, image: Image, goal: Image | None) -> Image:
        """Return ``image`` at its size in the grid, with the goal in its upper right corner."""
        large = fitted(image, self.tiling.width, self.tiling.height)
        if goal is None:
            return large
        width, height = self.tiling.width // GOAL_SHARE, max(1, self.tiling.height // GOAL_SHARE)
        inset = np.full((height + 1, width + 1, 3), INK, np.uint8)
        inset[:-1, 1:] = fitted(goal, width, height)
        covered = large.copy()
        covered[: height + 1, -width - 1 :] = inset
        return covered

    def _line(self, words: EpisodeWords, step: int) -> Image:
        if step >= words.steps:
            return verdict_bar(self.tiling.width, f"{words.name} {words.verdict}", words.success)
        left = words.left_at(step)
        return text_bar(self.tiling.width, [(3, f"{words.name} {step}{'' if left is None else f' {left:.0f} to go'}")])
