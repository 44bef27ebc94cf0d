"""Images in the terminal: half blocks show two pixels per character cell."""

from collections.abc import Iterator, Sequence

import numpy as np
from rich.cells import set_cell_size
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.segment import Segment
from rich.style import Style

from a2g_cli.core.types import Image
from a2g_cli.display.console import draws_images
from a2g_cli.display.lines import printable

LEAST_COLUMNS = 4
"""Least width at which an image is drawn [columns]."""

_LABEL = Style(dim=True)


def image_row(images: Sequence[Image], columns: int, labels: Sequence[str] = ()) -> RenderableType:
    """Return ``images`` side by side, each ``columns`` wide under its label, or a short text if the terminal cannot draw."""
    return ImageRow([DrawnImage(image) for image in images], columns, labels)


def fitting_columns(width: int, height: int, across: int, aspect: float, most: int = 32) -> int:
    """Return the width of each of ``across`` images [columns].

    Args:
        width: Columns for all of them, with one column between two.
        height: Lines for each.
        across: Number of images in the row.
        aspect: Height over width of an image [px / px].
        most: Greatest width of one image.
    """
    return min(most, (width - across + 1) // max(1, across), int(height * 2 / aspect))


class DrawnImage:
    """An image that keeps its drawing, so that it is drawn only once at the same width."""

    def __init__(self, image: Image) -> None:
        self.image = image
        self._columns = 0
        self._lines: list[list[Segment]] = []

    @property
    def aspect(self) -> float:
        """Height over width [px / px]."""
        return float(self.image.shape[0] / self.image.shape[1])

    def lines(self, columns: int) -> list[list[Segment]]:
        """Return the image's lines, ``columns`` cells each."""
        if columns != self._columns:
            self._lines = _half_blocks(self.image, columns)
            self._columns = columns
        return self._lines


class ImageRow:
    """Images side by side, each under its label."""

    def __init__(self, images: Sequence[DrawnImage], columns: int, labels: Sequence[str] = ()) -> None:
        self.images = images
        self.columns = columns
        self.labels = labels

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        width = max(1, self._fitted(options) * len(self.images) + len(self.images) - 1)
        return Measurement(width, width) if draws_images(console) else Measurement.get(console, options, self._words())

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        columns = self._fitted(options)
        if not draws_images(console) or columns < LEAST_COLUMNS:
            yield self._words()
        else:
            yield from self._segments(columns)

    def _fitted(self, options: ConsoleOptions) -> int:
        return fitting_columns(options.max_width, options.size.height * 100, len(self.images), 1.0, self.columns)

    def _words(self) -> str:
        sizes = {f"{p.image.shape[1]}x{p.image.shape[0]}" for p in self.images}
        noun = "image" if len(self.images) == 1 else "images"
        return f"({len(self.images)} {noun}, {' '.join(sorted(sizes))})" if self.images else "(no images)"

    def _segments(self, columns: int) -> Iterator[Segment]:
        newline, gap = Segment.line(), Segment(" ")
        if self.labels:
            cells = (set_cell_size(printable(label), columns) for label in self.labels)
            yield Segment(" ".join(cells), _LABEL)
            yield newline
        blocks = [one.lines(columns) for one in self.images]
        blank = [Segment(" " * columns)]
        for row in range(max((len(block) for block in blocks), default=0)):
            for index, block in enumerate(blocks):
                if index:
                    yield gap
                yield from block[row] if row < len(block) else blank
            yield newline


def _half_blocks(image: Image, columns: int) -> list[list[Segment]]:
    """Return ``image`` as lines of segments, ``columns`` wide."""
    import PIL.Image
    from rich_pixels import HalfcellRenderer

    height, width = image.shape[:2]
    rows = max(1, round(columns * height / width / 2))
    sampling = PIL.Image.Resampling.BOX if columns < width else PIL.Image.Resampling.NEAREST
    small = np.asarray(PIL.Image.fromarray(image).resize((columns, 2 * rows), sampling))
    # 32 levels per channel look the same in cells, and let Rich find most styles in its cache.
    small = (small & 0xF8) | (small >> 5)
    segments: list[Segment] = HalfcellRenderer().render(PIL.Image.fromarray(small), None)
    return [list(Segment.simplify(line)) for line in Segment.split_lines(segments)]
