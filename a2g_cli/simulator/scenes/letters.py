"""Letters and figures of straight strokes, and the words that the scene ``write`` asks for.

A glyph is a list of polylines on a lattice of three columns and three rows; the pen is lifted between polylines. Its
length is counted in strokes, the straight pieces.
"""

import hashlib
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from a2g_cli.core.errors import UnknownNameError, UsageError

Glyph = Sequence[Sequence[tuple[float, float]]]
"""Polylines of (column, row), 0 to 1 each: column from the left, row from the top, as one reads."""

_L, _C, _R = 0.0, 0.5, 1.0

LETTERS: Mapping[str, Glyph] = {
    "I": [[(_C, 0), (_C, 1)]],
    "L": [[(_L, 0), (_L, 1), (_R, 1)]],
    "T": [[(_L, 0), (_R, 0)], [(_C, 0), (_C, 1)]],
    "V": [[(_L, 0), (_C, 1), (_R, 0)]],
    "X": [[(_L, 0), (_R, 1)], [(_R, 0), (_L, 1)]],
    "H": [[(_L, 0), (_L, 1)], [(_L, 0.5), (_R, 0.5)], [(_R, 0), (_R, 1)]],
    "N": [[(_L, 1), (_L, 0), (_R, 1), (_R, 0)]],
    "Z": [[(_L, 0), (_R, 0), (_L, 1), (_R, 1)]],
    "U": [[(_L, 0), (_L, 1), (_R, 1), (_R, 0)]],
    "F": [[(_R, 0), (_L, 0), (_L, 1)], [(_L, 0.5), (_R, 0.5)]],
    "Y": [[(_L, 0), (_C, 0.5), (_C, 1)], [(_R, 0), (_C, 0.5)]],
    "A": [[(_L, 1), (_C, 0), (_R, 1)], [(0.25, 0.5), (0.75, 0.5)]],
}
"""What the demonstrations write."""
FIGURES: Mapping[str, Glyph] = {
    "+": [[(_L, 0.5), (_R, 0.5)], [(_C, 0), (_C, 1)]],
    "C": [[(_R, 0), (_L, 0), (_L, 1), (_R, 1)]],
    "K": [[(_L, 0), (_L, 1)], [(_R, 0), (_L, 0.5), (_R, 1)]],
    "J": [[(_L, 0), (_R, 0)], [(_R, 0), (_R, 1), (_L, 1)]],
    "M": [[(_L, 1), (_L, 0), (_C, 0.5), (_R, 0), (_R, 1)]],
    "E": [[(_R, 0), (_L, 0), (_L, 1), (_R, 1)], [(_L, 0.5), (_R, 0.5)]],
    "triangle": [[(_L, 1), (_C, 0), (_R, 1), (_L, 1)]],
    "square": [[(_L, 0), (_L, 1), (_R, 1), (_R, 0), (_L, 0)]],
    "diamond": [[(_C, 0), (_L, 0.5), (_C, 1), (_R, 0.5), (_C, 0)]],
    "house": [[(_L, 0.5), (_L, 1), (_R, 1), (_R, 0.5), (_C, 0), (_L, 0.5)]],
    "arrow": [[(_C, 1), (_C, 0)], [(_L, 0.5), (_C, 0), (_R, 0.5)]],
}
"""What no demonstration writes."""
GLYPHS: Mapping[str, Glyph] = {**LETTERS, **FIGURES}

COLUMNS, ROWS = 3, 2
"""A board holds as many glyphs, read from the left, then from the top."""
WIDTH, HEIGHT = 0.048, 0.064
"""Of a glyph [m]."""
PITCH = (0.083, 0.094)
"""From one glyph to the next, across and down [m]."""
SPACING = 0.004
"""Between the dots that a stroke is made of [m]."""

GROUPS = ("<=3", "4-6", ">=7")
"""Lengths of words, in strokes."""
MOST = 18
"""No word has more strokes."""


def strokes(word: Sequence[str]) -> int:
    """Return the number of straight strokes in ``word``."""
    return sum(len(line) - 1 for name in word for line in GLYPHS[name])


def group_of(count: int) -> str:
    """Return the group of a word of ``count`` strokes."""
    return GROUPS[0] if count <= 3 else GROUPS[1] if count <= 6 else GROUPS[2]


def is_unseen(word: Sequence[str]) -> bool:
    """Whether no demonstration writes ``word``: one in four, by a hash that stays the same."""
    return hashlib.sha256(" ".join(word).encode()).digest()[0] % 4 == 0


def spell(text: str) -> list[str]:
    """Return the glyphs of a word that a person typed: letter by letter, or names between commas.

    Raises:
        UnknownNameError: there is no such glyph.
        UsageError: more than the board holds.
    """
    names = text.split(",") if "," in text or text in GLYPHS else list(text.upper())
    for name in names:
        if name not in GLYPHS:
            raise UnknownNameError("letter or figure", name, GLYPHS)
    if len(names) > COLUMNS * ROWS:
        raise UsageError(f"{text!r} is too long: the board holds {COLUMNS * ROWS} letters.")
    return names


def draw_word(random: np.random.Generator, unseen: bool) -> list[str]:
    """Draw a word, its group first, so that all three lengths come equally often.

    Words of known letters; ``unseen`` ones are words that the demonstrations leave out or, one time in two, hold figures.
    """
    group = GROUPS[random.integers(len(GROUPS))]
    names = list(LETTERS)
    if unseen and random.random() < 0.5:
        names = list(FIGURES)
    held_out = unseen and names[0] in LETTERS
    for _ in range(10_000):
        word = [names[i] for i in random.integers(len(names), size=random.integers(1, COLUMNS * ROWS + 1))]
        fits = strokes(word) <= MOST and group_of(strokes(word)) == group
        if fits and (names[0] in FIGURES or is_unseen(word) == held_out):
            return word
    raise RuntimeError(f"no word of group {group} was drawn")


def lines_of(word: Sequence[str]) -> list[NDArray[np.float64]]:
    """Return the polylines (n, 2) of ``word``, table frame [m], first glyph top left: right is +y, down is +x."""
    lines = []
    for i, name in enumerate(word):
        row, column = divmod(i, COLUMNS)
        middle = np.array([(row - (ROWS - 1) / 2) * PITCH[1], (column - (COLUMNS - 1) / 2) * PITCH[0]])
        for line in GLYPHS[name]:
            across, down = np.array(line, dtype=np.float64).T
            lines.append(middle + np.stack([(down - 0.5) * HEIGHT, (across - 0.5) * WIDTH], axis=1))
    return lines


def dots_along(line: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return dots (m, 2) no more than SPACING apart along a polyline (n, 2), corners included."""
    pieces = [line[:1]]
    for start, end in pairwise(line):
        count = max(1, int(np.ceil(np.linalg.norm(end - start) / SPACING - 1e-9)))
        pieces.append(start + (end - start) * (np.arange(1, count + 1) / count)[:, None])
    return np.concatenate(pieces)
