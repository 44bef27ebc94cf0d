"""Images by the terminal's own protocol: kitty's graphics, iTerm2's inline images, or sixel.

Written here and not taken from a library: textual-image, the best kept one, knows no iTerm2, asks the terminal questions when
it is imported (the answers would be read as a person's keys), and draws with the text, so that every redraw of a live view
flickers. What is needed is small: an image is drawn over cells that the view left blank, after its text, with the cursor put
back.

Sources: kitty's "Terminal graphics protocol"; iTerm2's "Inline images protocol"; DEC's VT3xx "Sixel graphics".
"""

import base64
import io
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import PIL.Image
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import ControlType, Segment, Segments

from a2g_cli.core.types import Image

CHOICE = "A2G_IMAGES"
"""Environment variable that chooses: kitty, iterm, sixel, or blocks; else the terminal's name decides."""
CELL = (10, 20)
"""Width and height that a cell is taken to have for sixel [px]. In larger cells an image leaves a margin."""
MOST = 512
"""Larger images are reduced to this before they are sent [px]."""
_CHUNK = 4096
_COLOURS = 48
_FIRST_ID = 7301
"""Of kitty's images; two programs in one window rarely take the same."""
_MOST_IMAGES = 32
_SIXEL_RATE = 3.0
"""[Hz]"""


@dataclass(frozen=True)
class Place:
    """An image in the frame of a live view."""

    image: Image
    row: int
    """Of its upper edge, from the top of the frame [lines]."""
    column: int
    columns: int
    rows: int


def protocol_of(environment: Mapping[str, str] = os.environ) -> str | None:
    """Return the protocol that the terminal is known to have; None: half blocks."""
    chosen = environment.get(CHOICE, "").lower()
    if chosen:
        return chosen if chosen in DRAWN else None
    term, program = environment.get("TERM", ""), environment.get("TERM_PROGRAM", "")
    if environment.get("TMUX") or term.startswith(("screen", "tmux")):  # it passes none of them on
        return None
    if "KITTY_WINDOW_ID" in environment or term in {"xterm-kitty", "xterm-ghostty"} or program == "ghostty":
        return "kitty"
    if program in {"iTerm.app", "WezTerm"} or environment.get("LC_TERMINAL") == "iTerm2":
        return "iterm"
    return "sixel" if term.startswith(("foot", "mlterm", "yaft")) else None


class Overlay:
    """Draws images over the frame of a live view. It is the last part of the frame, and takes one empty line.

    Args:
        protocol: one of ``DRAWN``.
        places: of the images.
        height: lines of the frame above the empty one.
    """

    def __init__(self, protocol: str, places: Sequence[Place], height: int) -> None:
        self._protocol, self._places, self._height = protocol, places, height

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield _raw("".join(self._parts()))

    def _parts(self) -> Iterator[str]:
        for number, place in enumerate(self._places):
            right = f"\x1b[{place.column}C" if place.column else ""
            yield f"\x1b7\x1b[{self._height - place.row}A{right}{_drawn(self._protocol, place, number)}\x1b8"


_KEPT: dict[tuple[str, int, int, int, int], tuple[Image, str]] = {}


def _drawn(protocol: str, place: Place, number: int) -> str:
    """Return what draws an image. What was drawn last is kept: the goal and the plan are the same in many frames."""
    key = (protocol, number, id(place.image), place.columns, place.rows)
    kept = _KEPT.get(key)
    if kept is not None and kept[0] is place.image:
        return kept[1]
    while len(_KEPT) >= _MOST_IMAGES:
        _KEPT.pop(next(iter(_KEPT)))
    sequence = DRAWN[protocol](place, number)
    _KEPT[key] = (place.image, sequence)
    return sequence


def refresh_rate(protocol: str | None, usual: float) -> float:
    """Return how often a view is redrawn [Hz]. Sixels take tens of milliseconds a frame, which a control loop would feel."""
    return min(usual, _SIXEL_RATE) if protocol == "sixel" else usual


def forget(console: Console, protocol: str | None) -> None:
    """Remove the images that were drawn. Kitty's are above the text, and erasing it leaves them."""
    if protocol == "kitty":
        gone = "".join(f"\x1b_Ga=d,d=I,i={_FIRST_ID + number},q=2\x1b\\" for number in range(_MOST_IMAGES))
        console.print(Segments([_raw(gone)]), end="")


def _raw(sequence: str) -> Segment:
    """Return a sequence for the terminal as a segment; that it has a control says that it has no width."""
    return Segment(sequence, None, [(ControlType.HOME,)])


def _kitty(place: Place, number: int) -> str:
    """Return the sequence for kitty: the image replaces the one of the same number, and the cursor stays."""
    data = base64.standard_b64encode(_png(place.image)).decode("ascii")
    chunks = [data[i : i + _CHUNK] for i in range(0, len(data), _CHUNK)]
    keys = f"a=T,f=100,i={_FIRST_ID + number},p=1,c={place.columns},r={place.rows},C=1,q=2"
    return "".join(
        f"\x1b_G{keys if index == 0 else 'q=2'},m={int(index + 1 < len(chunks))};{chunk}\x1b\\"
        for index, chunk in enumerate(chunks)
    )


def _iterm(place: Place, number: int) -> str:
    del number
    data = base64.standard_b64encode(_png(place.image)).decode("ascii")
    size = f"width={place.columns};height={place.rows};preserveAspectRatio=1"
    return f"\x1b]1337;File=inline=1;{size};doNotMoveCursor=1:{data}\x07"


def _sixel(place: Place, number: int) -> str:
    """Return sixels: bands of six rows; in each, for each colour, which of its pixels have it."""
    del number
    height, width = place.image.shape[:2]
    scale = min(place.columns * CELL[0] / width, place.rows * CELL[1] / height)
    size = max(1, int(width * scale)), max(1, int(height * scale))
    sampling = PIL.Image.Resampling.BOX if scale < 1 else PIL.Image.Resampling.NEAREST
    few = PIL.Image.fromarray(place.image).resize(size, sampling).quantize(_COLOURS)
    pixels, palette = np.asarray(few), few.getpalette() or []
    parts = [f'\x1bP0;1;0q"1;1;{size[0]};{size[1]}']
    for colour in np.unique(pixels):
        red, green, blue = (round(100 * value / 255) for value in palette[3 * colour : 3 * colour + 3])
        parts.append(f"#{colour};2;{red};{green};{blue}")
    for top in range(0, size[1], 6):
        band = pixels[top : top + 6]
        weights = (1 << np.arange(len(band)))[:, None]
        rows = []
        for colour in np.unique(band):
            bits = ((band == colour) * weights).sum(axis=0) + 63
            rows.append(f"#{colour}{''.join(_repeated(bits.tolist()))}")
        parts.append(f"{'$'.join(rows)}-")
    return f"{''.join(parts)}\x1b\\"


def _repeated(codes: Sequence[int]) -> Iterator[str]:
    for code, run in groupby(codes):
        count = len(list(run))
        yield f"!{count}{chr(code)}" if count > 3 else chr(code) * count


def _png(image: Image) -> bytes:
    largest = max(image.shape[:2])
    drawn = PIL.Image.fromarray(image)
    if largest > MOST:
        size = [max(1, round(side * MOST / largest)) for side in drawn.size]
        drawn = drawn.resize((size[0], size[1]), PIL.Image.Resampling.BOX)
    buffer = io.BytesIO()
    drawn.save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


DRAWN: Mapping[str, Callable[[Place, int], str]] = {"kitty": _kitty, "iterm": _iterm, "sixel": _sixel}
"""Protocol -> what draws one image with the cursor at its upper left corner."""
