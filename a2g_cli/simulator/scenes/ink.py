"""Ink on a board: dots that a pen leaves, and the texture that shows them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from a2g_cli.simulator.shifts import Colour

BOARD = np.array([0.165, 0.195])
"""Half the board, x and y [m]."""
PIXELS = 256
"""Of the board's texture, along each side."""
LINE = 0.0060
"""Half the width of a written line [m]."""
APART = 0.0025
"""A pen leaves its next dot this far on [m]."""

Dots = NDArray[np.float64]
"""(n, 2), x and y [m], in the order of writing."""


def dots(flat: Sequence[float]) -> Dots:
    """Return dots (n, 2) of a state's ``[x, y, x, y, ...]``."""
    return np.asarray(flat, dtype=np.float64).reshape(-1, 2)


def covered(of: Dots, by: Dots, within: float) -> NDArray[np.bool_]:
    """Return which dots (n,) of ``of`` have one of ``by`` within that distance [m]."""
    if not len(of) or not len(by):
        return np.zeros(len(of), dtype=bool)
    away = np.square(of[:, None] - by[None]).sum(-1).min(1)
    near: NDArray[np.bool_] = away <= within**2
    return near


class Ink:
    """What a pen has written so far."""

    def __init__(self) -> None:
        self._dots: list[tuple[float, float]] = []
        self._pen: NDArray[np.float64] | None = None

    def begin(self, flat: Sequence[float]) -> None:
        """Start from what stands on the board already."""
        self._dots = [(float(x), float(y)) for x, y in dots(flat)]
        self._pen = None

    def move(self, pen: NDArray[np.float64], down: bool) -> None:
        """The pen's tip came to ``pen`` (2,) [m], on the board or above it."""
        if down:
            start = pen if self._pen is None else self._pen
            count = max(1, int(np.ceil(np.linalg.norm(pen - start) / APART)))
            for share in np.arange(1, count + 1) / count:
                self._leave(start + (pen - start) * share)
        self._pen = np.array(pen) if down else None

    def flat(self) -> list[float]:
        """Return all dots as ``[x, y, x, y, ...]``."""
        return [value for dot in self._dots for value in dot]

    def _leave(self, at: NDArray[np.float64]) -> None:
        # Where there is ink already, more of it changes nothing.
        if not self._dots or np.square(np.array(self._dots) - at).sum(1).min() > (0.9 * APART) ** 2:
            self._dots.append((float(at[0]), float(at[1])))


def paint(pixels: NDArray[np.uint8], flat: Sequence[float], board: Colour, ink: Colour) -> None:
    """Draw the board with its ink into ``pixels`` (PIXELS, PIXELS, 3): columns along x, rows against y."""
    pixels[:] = _bytes(board)
    written = dots(flat)
    if not len(written):
        return
    scale = PIXELS / (2 * BOARD)  # [pixels/m]
    reach = np.ceil(LINE * scale).astype(int)
    dx, dy = np.meshgrid(np.arange(-reach[0], reach[0] + 1), np.arange(-reach[1], reach[1] + 1))
    disc = (dx / scale[0]) ** 2 + (dy / scale[1]) ** 2 <= LINE**2
    column, row = np.round((written * [1.0, -1.0] + BOARD) * scale - 0.5).astype(int).T
    columns = np.clip(column[:, None] + dx[disc], 0, PIXELS - 1)
    rows = np.clip(row[:, None] + dy[disc], 0, PIXELS - 1)
    pixels[rows, columns] = _bytes(ink)


def texture_pixels(model: Any, texture: int) -> NDArray[np.uint8]:
    """Return a view (height, width, 3) of a texture's pixels in the model: what is written there is drawn once refreshed."""
    start = int(model.tex_adr[texture])
    height, width = int(model.tex_height[texture]), int(model.tex_width[texture])
    view: NDArray[np.uint8] = model.tex_data[start : start + height * width * 3].reshape(height, width, 3)
    return view


def _bytes(colour: Colour) -> NDArray[np.uint8]:
    return np.round(255 * np.array(colour)).astype(np.uint8)
